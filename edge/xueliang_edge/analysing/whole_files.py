"""Files that appear together and whole, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class WholeFiles:
    """Written under `NAME.part`; `finish` gives them their names. Leaving the `with` before takes them away."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        """`names`: all that may be written. Makes the folder, for its owner only. Raises OSError."""
        self._folder, self._names = folder, tuple(names)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def part(self, name: str) -> Path:
        """Where to write it for now. What an earlier run left there is gone."""
        if name not in self._names:
            raise ValueError(f"{name} is none of {self._names}")
        path = self._folder / f"{name}.part"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        return path

    def drop(self, name: str) -> None:
        """It is not written this time."""
        (self._folder / f"{name}.part").unlink(missing_ok=True)

    def finish(self) -> tuple[Path, ...]:
        """Give every file its name, in place of an earlier one; those of `names` not written this time are removed.

        A clip of an earlier run beside the alerts of this one would mislead. Raises OSError.
        """
        written = []
        for name in self._names:
            part, whole = self._folder / f"{name}.part", self._folder / name
            if part.exists():
                written.append(part.replace(whole))
            else:
                whole.unlink(missing_ok=True)
        return tuple(written)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for name in self._names:
            self.drop(name)

"""The same for asynchronous tests: programs of theirs that are killed in the middle of something."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.forked.programs import Fork

_LOOK_EVERY_S: Final = 0.005


class ForkedChild:
    """As much as tests ask for of what `asyncio.create_subprocess_exec` gives."""

    def __init__(self, fork: Fork, said: Path) -> None:
        self._fork, self._said = fork, said
        self.pid: Final = fork.pid

    @property
    def returncode(self) -> int | None:
        return self._fork.poll()

    def kill(self) -> None:
        self._fork.kill()

    async def wait(self) -> int:
        while (status := self.returncode) is None:
            await asyncio.sleep(_LOOK_EVERY_S)
        return status

    async def until_it_says(self, word: str) -> None:
        """Until `word` is the first line that it printed."""
        while not (said := self._said.read_text(encoding="utf-8")).endswith("\n"):
            assert self.returncode is None, f"it ended with status {self.returncode} and said {said!r}"
            await asyncio.sleep(_LOOK_EVERY_S)
        assert said.splitlines()[0] == word


@contextlib.contextmanager
def forked(module: str, *arguments: str) -> Iterator[ForkedChild]:
    """`python -m MODULE ARGUMENTS`; killed on the way out. What it complains of comes out with the test's own lines."""
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "stdout"
        said.touch()
        complaints = Path(folder) / "stderr"
        streams = {"stdin": os.devnull, "stdout": str(said), "stderr": str(complaints)}
        fork = Fork(module, arguments, os.environ, streams)
        try:
            yield ForkedChild(fork, said)
        finally:
            fork.kill()
            fork.wait(30)
            if complaints.exists():
                print(complaints.read_text(encoding="utf-8"), file=sys.stderr)

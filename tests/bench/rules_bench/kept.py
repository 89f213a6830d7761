"""What a run has judged or rendered, in a folder, so that a long run can be done in pieces and gone on with.

Everything lies in a folder named after a digest of what it was made by: the node's code, the drawing code, this bench,
the models. Other code begins with an empty folder, so that no figure is ever of two programs. Not in the digest: what
reads kept logs anew at every run (the back-test and its search), and what words figures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import xueliang_demo.drawing
import xueliang_edge
import xueliang_models
from tests.bench.rules_bench.counting import Outcome, Told
from tests.bench.rules_bench.suite import Judged

_ROOMS: Final = tuple(Path(room.__path__[0]) for room in (xueliang_edge, xueliang_models, xueliang_demo.drawing))
_JUDGES_ANEW: Final = "backtest"  # of the node: reads logs, makes none
_MAKES_NOTHING: Final = ("kept.py", "page.py", "report.py", "suggest_suite.py")  # of this bench: what is kept is read


class CannotKeep(Exception):
    """A kept file that is not as this bench writes it; the message says which line and what to do."""


def made_by(rooms: Sequence[Path] = _ROOMS) -> str:
    """A digest of every source and model file that can change what a case comes to."""
    whole = hashlib.sha256()
    here = [path for path in Path(__file__).parent.iterdir() if path.is_file() and path.name not in _MAKES_NOTHING]
    inside = [
        path
        for room in rooms
        for kind in ("*.py", "*.onnx")
        for path in room.rglob(kind)
        if _JUDGES_ANEW not in path.relative_to(room).parts
    ]
    for path in sorted([*here, *inside]):
        whole.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:16]


class Kept:
    """One suite's judged cases, a JSON line each. `folder` None: nothing is kept."""

    def __init__(self, folder: Path | None, suite: str) -> None:
        self._path = None if folder is None else folder / f"{suite}.jsonl"

    def read(self) -> dict[int, Judged]:
        """Seed to case; of one judged twice the later. Raises CannotKeep."""
        if self._path is None or not self._path.exists():
            return {}
        found: dict[int, Judged] = {}
        for number, line in enumerate(self._path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                one = _judged(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise CannotKeep(
                    f"{self._path}: line {number}: expected a judged case, got {line[:60]!r} ({error})\n"
                    "hint: a run that was killed can leave half a line: delete it, its cases are judged anew"
                ) from None
            found[one.seed] = one
        return found

    def add(self, judged: Sequence[Judged]) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(one)) + "\n" for one in judged)


def _judged(row: dict[str, Any]) -> Judged:
    by = {
        name: Outcome(**outcome | {"onset_errors_s": tuple(outcome["onset_errors_s"])})
        for name, outcome in row["by"].items()
    }
    told = {name: tuple(Told(**one) for one in alerts) for name, alerts in row["told"].items()}
    return Judged(**row | {"by": by, "told": told})

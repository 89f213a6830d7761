"""Asks `supervision_program.py` in the interpreter that has `supervision`; says why where it cannot."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench.rules_bench.cases import Case
from tests.bench.rules_bench.counting import Told
from tests.bench.rules_bench.peers import Anchor, classes_of
from xueliang_edge.observations import Observation

PROGRAM: Final = Path(__file__).with_name("supervision_program.py")


class NoSupervision(Exception):
    """The peer could not be asked; the message says why."""


def version_of(python: str | None) -> str:
    """Raises NoSupervision."""
    if not python:
        raise NoSupervision("no --supervision-python PATH: an interpreter that has `supervision`")
    try:
        asked = [
            python,
            "-W",
            "ignore",
            "-c",
            "import supervision; supervision.ByteTrack; print(supervision.__version__)",
        ]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoSupervision(f"that interpreter does not run: {error}") from error
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or ["no answer"])[-1]
        raise NoSupervision(f"no `supervision` with ByteTrack there (0.26.1 has it): {last}")
    return answer.stdout.strip().splitlines()[-1]


def as_request(case: Case, observations: Sequence[Observation], anchor: Anchor) -> dict[str, Any]:
    """What the program needs of a case: boxes of the classes that count, no look where nothing was seen to see."""
    wanted = classes_of(case.rule)
    looks = []
    for seen in observations:
        if not seen.is_good:
            continue
        kept = [index for index, name in enumerate(seen.class_names) if name in wanted]
        boxes = [[round(float(side), 5) for side in seen.boxes_xyxyn[index]] for index in kept]
        scores = [round(float(seen.scores[index]), 3) for index in kept]
        looks.append([seen.observed_mono_s, boxes, scores, [wanted.index(seen.class_names[index]) for index in kept]])
    confident = next((seen.confident_score for seen in observations if seen.is_good), 0.5)
    return {
        "zone": case.rule["zone"],
        "anchor": anchor.value,
        "dwell_s": case.rule["dwell_s"],
        "clear_after_s": case.rule["clear_after_s"],
        "raise_at_count": case.rule.get("raise_at_count"),
        "confident_score": confident,
        "gap_s": case.gap_s,
        "looks": looks,
    }


def told_by_supervision(python: str, requests: Sequence[dict[str, Any]]) -> list[list[Told]]:
    """Raises NoSupervision when the program fails."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "looks.json", Path(folder) / "alerts.json"
        asked.write_text(json.dumps(list(requests)))
        done = subprocess.run(
            [python, "-W", "ignore", str(PROGRAM), str(asked), str(answered)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NoSupervision(f"it failed: {done.stderr.strip().splitlines()[-1:]}")
        alerts = json.loads(answered.read_text())["alerts"]
    return [[Told(began_s, raised_s) for began_s, raised_s in one] for one in alerts]

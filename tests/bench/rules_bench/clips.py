"""The labelled clips: which of the expected alerts come, and which come that nobody expects."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.fixtures import fixtures_dir
from tests.support.models import FIRE_MODEL, open_shared_detector
from tests.support.recordings import (
    FIRE_LOOK_EVERY_S,
    Episode,
    Recordings,
    differences,
    episodes,
    expected_cases,
    rule_of,
    views_of,
)
from xueliang_models.catalogue import open_detector

EMBEDDED: Final = "embedded"
FIRE, VIEW = "fire_smoke", "camera_fault"
SECOND: Final = "yolox_nano_416"
"""What the clips' own "must" is meant for; the product is judged by the detector in the box."""


@dataclass(frozen=True, slots=True)
class ClipCase:
    """One expected case. `problems`: what was not as expected, empty when all was. `false`: alerts nobody expects."""

    case_id: str
    hazard: str
    detector: str
    is_must: bool
    problems: tuple[str, ...]
    false: int


def judge_clips(detector_name: str, *, others_only: bool = False) -> list[ClipCase] | None:
    """Every case with this detector, fire and smoke with a model that knows them; None where there are no clips.

    `others_only`: without the cases that have nothing to do with this detector.
    """
    cases = [case for case in expected_cases() if not others_only or case["hazard"] not in (FIRE, VIEW)]
    if not cases:
        print(f"no clips/expected_alerts.json below {fixtures_dir()} (XUELIANG_FIXTURES): the clips are null")
        return None
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        if detector_name == EMBEDDED:
            objects = open_detector(EMBEDDED)
        else:
            objects = open_shared_detector(detector_name, Path(folder))
        opened.callback(objects.close)
        others, fires = Recordings(objects), None
        if not others_only:
            fire = open_shared_detector(FIRE_MODEL, Path(folder))
            opened.callback(fire.close)
            fires = Recordings(fire, FIRE_LOOK_EVERY_S)
        return [_judged(case, fires if fires and case["hazard"] == FIRE else others, detector_name) for case in cases]


def _judged(case: dict[str, Any], recordings: Recordings, detector: str) -> ClipCase:
    is_of_view = case["hazard"] == VIEW
    rule = rule_of(case)
    found = episodes(views_of(case["clip"]) if is_of_view else recordings.of(case["clip"], rule), rule)
    name = FIRE_MODEL if case["hazard"] == FIRE else detector
    problems = tuple(differences(found, case))
    return ClipCase(case["id"], case["hazard"], name, case["level"] == "must", problems, false_alerts(found, case))


def false_alerts(found: Sequence[Episode], case: dict[str, Any]) -> int:
    """Alerts beyond one for each window in which one was expected."""
    free = [one["raised_between_s"] for one in case["expect"]]
    false = 0
    for episode in found:
        window = next((one for one in free if one[0] <= episode.raised_s <= one[1]), None)
        if window is None:
            false += 1
        else:
            free.remove(window)
    return false

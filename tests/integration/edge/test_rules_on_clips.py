"""The rules on real recordings with a real detector: one set of thresholds for every clip, about four looks a second.

Zones, settings and times are those of the shared `expected_alerts.json` and `events.json`; any other
alert is a false one.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.support.fixtures import require_fixture
from tests.support.models import FIRE_MODEL, open_shared_detector
from tests.support.recordings import (
    FIRE_LOOK_EVERY_S,
    Episode,
    Recordings,
    differences,
    episodes,
    expected_cases,
    rule_of,
)
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.rules.judge import CameraJudge
from xueliang_models.catalogue import open_detector

pytestmark = [pytest.mark.fixtures, pytest.mark.slow]

HAZARDS = ("fire_lane_obstruction", "illegal_parking", "blocked_exit", "crowd", "intrusion")
CLIPS_LOOKED_AT = (
    "campus_walkers",
    "lot_car_stops",
    "lot_person_bicycle_car",
    "motorway",
    "plaza_crowd",
    "room_one_by_one",
)
FIRE_CLIPS = ("house_fire", "yard_fire", "motorway_fire_smoke", "crosswalk", "plaza_crowd", "street_walkers")


def _cases(hazards: tuple[str, ...] = HAZARDS, clips: tuple[str, ...] = CLIPS_LOOKED_AT) -> list[dict[str, Any]]:
    return [
        case
        for case in expected_cases()
        if case["hazard"] in hazards and case["level"] == "must" and case["clip"].removesuffix(".mp4") in clips
    ]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recordings]:
    detector = open_shared_detector("yolox_nano_416", tmp_path_factory.mktemp("card"))
    yield Recordings(detector)
    detector.close()


@pytest.fixture(scope="module")
def in_the_box() -> Iterator[Recordings]:
    detector = open_detector("embedded")
    yield Recordings(detector)
    detector.close()


@pytest.fixture(scope="module")
def fires(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recordings]:
    detector = open_shared_detector(FIRE_MODEL, tmp_path_factory.mktemp("card"))
    yield Recordings(detector, FIRE_LOOK_EVERY_S)
    detector.close()


@pytest.mark.parametrize("every", [1, 4], ids=["four_looks_a_second", "one_look_a_second"])
@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_what_must_be_raised_is_raised_and_nothing_else(
    case: dict[str, Any], every: int, recordings: Recordings
) -> None:
    compare(episodes(recordings.of(case["clip"], rule_of(case), every), rule_of(case)), case)


@pytest.mark.parametrize("every", [1, 4], ids=["four_looks_a_second", "one_look_a_second"])
@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_the_detector_in_the_box_raises_what_must_be_raised_and_nothing_else(
    case: dict[str, Any], every: int, in_the_box: Recordings
) -> None:
    compare(episodes(in_the_box.of(case["clip"], rule_of(case), every), rule_of(case)), case)


def test_a_plaza_full_of_people_is_a_crowd_only_in_tiles(in_the_box: Recordings) -> None:
    (case,) = _cases(("crowd",), ("plaza_crowd",))
    rule = rule_of(case)
    assert episodes(in_the_box.of(case["clip"], rule), rule)
    assert not episodes(in_the_box.of(case["clip"], rule | {"tiles": "never"}), rule)


@pytest.mark.parametrize("case", _cases(("fire_smoke",), FIRE_CLIPS), ids=lambda case: case["id"])
def test_fire_and_smoke_are_raised_and_what_is_none_is_not(case: dict[str, Any], fires: Recordings) -> None:
    compare(episodes(fires.of(case["clip"]), rule_of(case)), case)


def compare(found: list[Episode], case: dict[str, Any]) -> None:
    assert not differences(found, case), found


def test_a_car_that_stops_is_raised_15_s_after_it_stands_and_cleared_when_it_is_gone(recordings: Recordings) -> None:
    facts = json.loads(require_fixture("clips/events.json").read_text(encoding="utf-8"))["lot_car_stops.mp4"]
    rule = {
        "rule_id": "r",
        "hazard": "illegal_parking",
        "zone": facts["no_parking_zone"],
        "dwell_s": 15,
        "clear_after_s": 3,
    }
    (episode,) = episodes(recordings.of("lot_car_stops.mp4"), rule)
    assert episode.began_s == pytest.approx(facts["vehicle"]["stands_from"], abs=2)
    assert episode.raised_s == pytest.approx(facts["vehicle"]["stands_from"] + 15, abs=2)
    assert episode.cleared_s is not None
    assert facts["vehicle"]["stands_until"] < episode.cleared_s <= facts["vehicle"]["gone_by"] + 5


def crossings_in_truth(line_x: float) -> dict[str, int]:
    """Of the labelled walkers: how often each went from one side of an upright line to the other."""
    sides: dict[str, list[int]] = {}
    with require_fixture("clips/campus_walkers.tracks.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            foot_x = (float(row["x"]) + float(row["w"]) / 2) / 480
            if abs(foot_x - line_x) * 480 / 360 > 0.01:
                sides.setdefault(row["track"], []).append(1 if foot_x > line_x else -1)
    steps = [second - first for track in sides.values() for first, second in pairwise(track) if first != second]
    return {"to_right": sum(step > 0 for step in steps), "to_left": sum(step < 0 for step in steps)}


@pytest.mark.parametrize("line_x", [0.3, 0.5, 0.6])
@pytest.mark.parametrize("direction", ["to_left", "to_right"])
def test_crossings_are_counted_as_the_labels_say(line_x: float, direction: str, recordings: Recordings) -> None:
    """One alert for the whole clip: `clear_after_s` is longer than any pause. About 15 crossings each."""
    rule = {
        "rule_id": "r",
        "hazard": "line_crossing",
        "line": [[line_x, 1], [line_x, 0]],
        "direction": direction,
        "classes": ["person"],
        "clear_after_s": 1000,
    }
    camera = CameraConfig.model_validate({"camera_id": "clip", "name": "clip", "url": "file:x", "rules": [rule]})
    judge = CameraJudge(camera)
    for observation in recordings.of("campus_walkers.mp4")[::2]:
        judge.look(observation)
    counted = judge.snapshot()["rules"]["r"]["state"]["count"]
    truth = crossings_in_truth(line_x)[direction]
    assert counted == pytest.approx(truth, abs=max(2, 0.15 * truth))

"""What a rule takes from the levels above its camera, and what stays its own."""

from __future__ import annotations

from typing import Any

import pytest

from xueliang_alerts.contract import Hazard
from xueliang_central.camera_rules.inheriting import (
    MODELS,
    NOT_INHERITED,
    LevelDefaults,
    exactly,
    inheritable,
    merged,
    own,
    problems_of,
    revised,
)

ZONE = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9]]
LANE: dict[str, Any] = {"rule_id": "lane", "hazard": "fire_lane_obstruction", "zone": ZONE}
TOWN = LevelDefaults("370102001", {"fire_lane_obstruction": {"dwell_s": 30.0}})
CITY = LevelDefaults("3701", {"fire_lane_obstruction": {"dwell_s": 90.0, "min_cover": 0.05}, "crowd": {"dwell_s": 5.0}})


def test_the_nearest_level_that_says_a_setting_gives_it_and_what_the_camera_says_stays() -> None:
    whole, origins = merged([LANE, {**LANE, "rule_id": "own", "dwell_s": 7.0}], [TOWN, CITY])
    assert [(rule["dwell_s"], rule["min_cover"]) for rule in whole] == [(30.0, 0.05), (7.0, 0.05)]
    assert origins == {"lane": {"dwell_s": "370102001", "min_cover": "3701"}, "own": {"min_cover": "3701"}}
    assert own({"rules": whole}, origins)["rules"] == [LANE, {**LANE, "rule_id": "own", "dwell_s": 7.0}]


def test_what_is_no_rule_is_left_to_whoever_checks_rules() -> None:
    assert merged(["none", 3, {"hazard": "none"}, {"rule_id": 7}], [CITY]) == (
        ["none", 3, {"hazard": "none"}, {"rule_id": 7}],
        {},
    )


def test_a_time_of_a_camera_fault_goes_to_rules_of_that_fault_only() -> None:
    level = LevelDefaults("3701", {"camera_fault": {"offline_after_s": 60.0, "view_after_s": 20.0}})
    rules = [{"rule_id": one, "hazard": "camera_fault", "fault": one} for one in ("offline", "black")]
    (offline, black), _ = merged(rules, [level])
    assert (offline.get("offline_after_s"), offline.get("view_after_s")) == (60.0, None)
    assert (black.get("offline_after_s"), black.get("view_after_s")) == (None, 20.0)


def test_every_hazard_has_settings_to_inherit_and_none_of_them_is_a_place() -> None:
    assert set(MODELS) == {hazard.value for hazard in Hazard} & set(MODELS)
    for hazard in MODELS:
        assert "severity" in inheritable(hazard)
        assert not set(inheritable(hazard)) & NOT_INHERITED
    assert inheritable("petition") == ()


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"petition": {"dwell_s": 1}}, "petition"),
        ({"crowd": 3}, "crowd"),
        ({"crowd": {"zone": ZONE}}, "crowd.zone"),
        ({"crowd": {"shadow": True}}, "crowd.shadow"),
        ({"crowd": {"dwel_s": 3}}, "crowd.dwel_s"),
        ({"crowd": {"dwell_s": -3}}, "crowd.dwell_s"),
        ({"crowd": {"dwell_s": float("inf")}}, "crowd.dwell_s"),
        ({"crowd": {"severity": 5}}, "crowd.severity"),
        ({"crowd": {"levels": {"busy": 5.0, "dangerous": 4.0}}}, "crowd.levels.dangerous"),
        ({"crowd": {"raise_at_count": None}}, "crowd.raise_at_count"),
        ({"fire_lane_obstruction": {"classes": []}}, "fire_lane_obstruction.classes"),
    ],
    ids=lambda one: str(one)[:30],
)
def test_what_no_rule_could_say_is_refused_with_its_place(settings: dict[str, Any], where: str) -> None:
    (problem, *_) = problems_of(settings)
    assert problem.where == where
    assert problem.text


def test_what_rules_could_say_is_taken() -> None:
    settings = {
        "crowd": {"raise_at_count": 20, "clear_at_count": 12, "severe_at_count": None, "dwell_s": 20},
        "fire_lane_obstruction": {"severity": 1, "severity_by_place": {"school": 1}, "classes": ["car"]},
    }
    assert problems_of(settings) == []


def test_an_earlier_version_means_the_same_again_whatever_the_levels_say_by_now() -> None:
    old, origins = merged([LANE], [TOWN])  # dwell 30 from the township, min_cover left to its default
    (same,) = exactly({"rules": old}, origins, [TOWN])["rules"]
    assert same == LANE  # still said the same: still inherited
    later = LevelDefaults("370102001", {"fire_lane_obstruction": {"dwell_s": 45.0, "clear_after_s": 9.0}})
    (again,) = exactly({"rules": old}, origins, [later])["rules"]
    whole, inherited = merged([again], [later])
    assert whole[0]["dwell_s"] == 30.0
    assert whole[0]["clear_after_s"] == 5.0  # its default, written: the level says another by now
    assert inherited == {}
    assert exactly({"rules": [LANE]}, {}, [])["rules"] == [LANE]


def test_rules_that_say_something_else_have_the_next_revision() -> None:
    before = {"rules": [LANE, {**LANE, "rule_id": "two", "version": 4}]}
    rules = revised(
        before, [{**LANE, "dwell_s": 9}, {**LANE, "rule_id": "two", "version": 4}, {**LANE, "rule_id": "new"}]
    )
    assert [rule.get("version") for rule in rules] == [2, 4, None]

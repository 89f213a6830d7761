"""A set of rules put into those of another camera: settings are taken over, what only a place can say stays."""

from __future__ import annotations

from typing import Any

from xueliang_central.camera_rules.copied import put_in

HERE, THERE = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9]], [[0.2, 0.2], [0.4, 0.2], [0.4, 0.6]]
LANE: dict[str, Any] = {
    "rule_id": "lane",
    "hazard": "fire_lane_obstruction",
    "zone": HERE,
    "dwell_s": 20.0,
    "version": 7,
}


def test_a_rule_that_is_there_takes_the_settings_and_keeps_its_place_and_its_shadow() -> None:
    there = LANE | {"zone": THERE, "dwell_s": 90.0, "min_cover": 0.1, "shadow": True, "version": 3}
    found = put_in([LANE], [there])
    assert found.rules == (
        {
            "rule_id": "lane",
            "hazard": "fire_lane_obstruction",
            "zone": THERE,
            "shadow": True,
            "version": 3,
            "dwell_s": 20.0,  # min_cover is left out: inherited, as at the camera that it was copied from
        },
    )
    assert (found.new, found.other) == ((), ())


def test_a_rule_that_is_not_there_comes_whole_without_what_was_measured_at_the_other_camera() -> None:
    crowd = {
        "rule_id": "gate",
        "hazard": "crowd",
        "zone": HERE,
        "heights": [1],
        "ground": {},
        "view": "a",
        "version": 2,
    }
    kept = {"rule_id": "smoke", "hazard": "fire_smoke", "zone": THERE}
    found = put_in([crowd], [kept])
    assert found.rules == (kept, {"rule_id": "gate", "hazard": "crowd", "zone": HERE})
    assert found.new == ("gate",)


def test_an_id_that_names_another_hazard_there_is_said() -> None:
    assert put_in([LANE], [{"rule_id": "lane", "hazard": "crowd", "zone": THERE}]).other == ("lane",)

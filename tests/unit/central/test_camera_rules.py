"""Rules of cameras, decided: what state they are in, who must agree to a change, what a change changes."""

from __future__ import annotations

from typing import Any

import pytest

from xueliang_alerts.contract import MAX_MESSAGE_BYTES
from xueliang_central.camera_rules.deciding import (
    RulesState,
    differences,
    severity_changes,
    state_of,
    why_not_storable,
)
from xueliang_configs.cameras import CameraRules

ZONE = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9]]
LANE = {"rule_id": "lane", "hazard": "fire_lane_obstruction", "severity": 2, "zone": ZONE}
EXIT = {"rule_id": "exit", "hazard": "blocked_exit", "severity": 3, "zone": ZONE}


def part(*rules: dict[str, Any], **values: Any) -> CameraRules:
    value = {"camera_id": "east", "place_class": "residential", "look_every_s": None, "rules": list(rules)}
    return CameraRules.model_validate(value | values)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (part(LANE | {"dwell_s": 5}, EXIT), ()),
        (part(EXIT, LANE, EXIT | {"rule_id": "new", "severity": 1}), ()),
        (part(LANE | {"severity": 4}, EXIT), ("lane: fire_lane_obstruction, severity 2 becomes", "severity 4")),
        (part(LANE | {"severity": 1}, EXIT), ("severity 2 becomes fire_lane_obstruction, severity 1",)),
        (part(LANE), ("rule exit (blocked_exit, severity 3) is taken out",)),
        (part(LANE | {"shadow": True}, EXIT), ("becomes fire_lane_obstruction, in the shadow",)),
        (part(LANE, EXIT | {"hazard": "illegal_parking"}), ("blocked_exit, severity 3 becomes illegal_parking",)),
        (part(LANE | {"severity_by_place": {"residential": 3}}, EXIT), ("severity 3",)),
        (part(LANE | {"severity_by_place": {"school": 3}}, EXIT), ()),
    ],
    ids=["a dwell", "a new rule", "milder", "more severe", "taken out", "shadow", "hazard", "by place", "other place"],
)
def test_who_changes_a_severity_needs_a_second_person(wanted: CameraRules, words: tuple[str, ...]) -> None:
    said = severity_changes(wanted, [part(LANE, EXIT)])
    assert bool(said) == bool(words)
    for one in words:
        assert one in "; ".join(said)


def test_a_place_class_that_changes_severities_needs_one_too_and_so_does_what_nobody_knows() -> None:
    by_place = LANE | {"severity_by_place": {"school": 1}}
    assert severity_changes(part(by_place, place_class="school"), [part(by_place)])
    assert "not known" in severity_changes(part(LANE), [])[0]


def test_both_what_runs_and_what_is_wanted_count() -> None:
    mild, usual = part(LANE | {"severity": 4}), part(LANE)
    assert severity_changes(usual, [usual, mild])
    assert severity_changes(mild, [usual, mild])
    assert not severity_changes(usual, [usual, usual])


def report(**values: Any) -> dict[str, Any]:
    usual = {"digest": "a", "takes_rules": True, "answer_version": None, "outcome": None}
    return usual | values


@pytest.mark.parametrize(
    ("desired", "said", "state"),
    [
        (None, None, RulesState.UNKNOWN),
        (None, report(), RulesState.AS_NODE),
        ({"version": 4, "digest": "b"}, None, RulesState.WAITING),
        ({"version": 4, "digest": "b"}, report(), RulesState.WAITING),
        ({"version": 4, "digest": "b"}, report(answer_version=3, outcome="applied"), RulesState.WAITING),
        ({"version": 4, "digest": "b"}, report(answer_version=3, outcome="refused"), RulesState.WAITING),
        ({"version": 4, "digest": "b"}, report(answer_version=4, outcome="refused"), RulesState.REFUSED),
        ({"version": 4, "digest": "b"}, report(answer_version=4, outcome="applied"), RulesState.DRIFTED),
        ({"version": 4, "digest": "b"}, report(answer_version=9, outcome="applied"), RulesState.DRIFTED),
        ({"version": 4, "digest": "b"}, report(takes_rules=False), RulesState.NOT_TAKEN),
        ({"version": 4, "digest": "a"}, report(answer_version=4, outcome="applied"), RulesState.IN_FORCE),
        ({"version": 4, "digest": "a"}, report(), RulesState.IN_FORCE),
    ],
)
def test_state_of_a_camera(desired: Any, said: Any, state: RulesState) -> None:
    assert state_of(desired, said) is state


def test_differences_are_told_by_rule_and_field() -> None:
    before = part(LANE, EXIT).as_written
    after = part(EXIT, LANE | {"dwell_s": 9, "zone": ZONE[::-1]}, LANE | {"rule_id": "new"}, look_every_s=2).as_written
    found = {one.where: (one.before, one.after) for one in differences(before, after)}
    assert found["look_every_s"] == (None, 2.0)
    assert found["rules.lane.dwell_s"] == (None, 9.0)
    assert found["rules.lane.zone"][0] == before["rules"][0]["zone"]
    assert found["rules.new"] == (None, after["rules"][2])
    assert len(found) == 4
    assert differences(before, before) == ()
    swapped = differences(before, part(EXIT, LANE).as_written)
    assert [(one.where, one.before, one.after) for one in swapped] == [("rules", ["lane", "exit"], ["exit", "lane"])]


def test_what_cannot_be_kept_or_sent_is_said() -> None:
    assert why_not_storable(part(LANE).as_written) is None
    assert "NUL" in (why_not_storable({"rules": ["\0"]}) or "")
    assert "none" in (why_not_storable({"rules": ["\ud800"]}) or "")
    assert "none" in (why_not_storable({"rules": [float("nan")]}) or "")
    assert "bytes" in (why_not_storable({"rules": ["x" * MAX_MESSAGE_BYTES]}) or "")

"""The rules of one camera together: changed settings, restarts, detectors."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from tests.unit.edge.observing import CAR, START, camera, judged, lane_rule, seen, times, told
from xueliang_alerts.contract import EndReason, Phase
from xueliang_edge.observations import ViewState
from xueliang_edge.rules.judge import CameraJudge
from xueliang_edge.rules.registry import RULES

CROWD = {"hazard": "crowd", "raise_at_count": 5, "clear_at_count": 2}
OF_HAZARD = {
    "wrong_way": {"direction": [[0.9, 0.5], [0.1, 0.5]], "classes": ["person"]},
    "line_crossing": {"classes": ["person"], "clear_after_s": 60},
}
OFFLINE = {"hazard": "camera_fault", "fault": "offline"}


def test_rules_that_did_not_change_keep_their_open_episodes() -> None:
    judge = CameraJudge(camera(lane_rule(), CROWD))
    judged(judge, [seen(t, [CAR]) for t in times(12)])
    assert judge.open_rules == {"r0"}
    assert judge.change(camera(lane_rule(), CROWD | {"raise_at_count": 9}, OFFLINE)) == []
    decisions = judged(judge, [seen(t) for t in times(20, 0.5, 12.5)])
    assert [(d.phase, d.began.mono_s) for d in decisions] == [(Phase.CLEARED, 1000.0)]


@pytest.mark.parametrize(
    ("rules", "end_reason", "code"),
    [
        ((lane_rule(dwell_s=20), CROWD), EndReason.RULE_CHANGED, "rule_changed"),
        ((CROWD | {"rule_id": "other"},), EndReason.RULE_REMOVED, "rule_removed"),
    ],
    ids=["changed", "removed"],
)
def test_a_changed_or_removed_rule_ends_its_episode_and_says_why(
    rules: tuple[dict[str, object], ...], end_reason: EndReason, code: str
) -> None:
    judge = CameraJudge(camera(lane_rule(), CROWD))
    judged(judge, [seen(t, [CAR]) for t in times(12)])
    ((rule, decision),) = judge.change(camera(*rules))
    assert (rule.rule_id, getattr(rule, "dwell_s", None)) == ("r0", 10)
    assert (decision.end_reason, decision.reason.code) == (end_reason, code)
    assert decision.ended is not None
    assert decision.ended.mono_s == 1012.0


def test_a_changed_rule_starts_its_dwell_anew() -> None:
    judge = CameraJudge(camera(lane_rule()))
    judged(judge, [seen(t, [CAR]) for t in times(8)])
    judge.change(camera(lane_rule(dwell_s=5)))
    assert told(judged(judge, [seen(t, [CAR]) for t in times(20, 0.5, 8.5)]))[0] == ("raised", 13.5)


def test_the_end_of_the_node_is_not_the_end_of_the_hazard() -> None:
    judge = CameraJudge(camera(lane_rule()))
    judged(judge, [seen(t, [CAR]) for t in times(12)])
    ((_, decision),) = judge.end_all(EndReason.NODE_STOPPED)
    assert (decision.phase, decision.end_reason) == (Phase.CLEARED, EndReason.NODE_STOPPED)
    assert judge.end_all(EndReason.NODE_STOPPED) == []


def test_a_rule_looks_only_through_its_own_detector() -> None:
    judge = CameraJudge(camera(lane_rule(detector="night")))
    assert judged(judge, [seen(t, [CAR]) for t in times(30)]) == []
    assert told(judged(judge, [seen(t, [CAR], detector="night") for t in times(42, 0.5, 30.5)])) == [("raised", 40.5)]


RESTART_MONO_S = 7.0  # the next boot's clock begins anew


def restarted(judge: CameraJudge, *, after_s: float, rules: tuple[dict[str, object], ...] = ()) -> CameraJudge:
    """As after a kill: the snapshot through JSON, another boot's clock, `after_s` from the start."""
    snapshot = json.loads(json.dumps(judge.snapshot()))
    new, ends = CameraJudge.restore(
        camera(*(rules or (lane_rule(),))), snapshot, mono_s=RESTART_MONO_S, at=START + timedelta(seconds=after_s)
    )
    assert ends == []
    return new


def test_an_open_episode_goes_on_over_a_restart() -> None:
    judge = CameraJudge(camera(lane_rule()))
    (raised,) = judged(judge, [seen(t, [CAR]) for t in times(12)])
    again = restarted(judge, after_s=15)
    start = RESTART_MONO_S - 15
    assert judged(again, [seen(t, [CAR], mono_start_s=start) for t in times(40, 0.5, 15)]) == []
    (cleared,) = judged(again, [seen(t, mono_start_s=start) for t in times(50, 0.5, 40.5)])
    assert cleared.end_reason is EndReason.SEEN_CLEAR
    assert (cleared.began.at, cleared.raised.at) == (raised.began.at, raised.raised.at)
    assert cleared.observed.mono_s == start + 43.5


def test_an_open_episode_of_a_rule_with_every_common_setting_goes_on_over_a_restart() -> None:
    rule = lane_rule(
        schedule={"bands": [{"start": "00:05", "until": "23:59"}], "exceptions": [{"first": "2026-10-01"}]},
        heights={"near": {"y": 1.0, "height": 0.8}, "far": {"y": 0.1, "height": 0.02}},
        severity_by_place={"other": 1},
        min_scores={"car": 0.4},
        exclude_zones=[[[0, 0], [0.1, 0], [0.1, 0.1]]],
        shadow=True,
    )
    judge = CameraJudge(camera(rule))
    (raised,) = judged(judge, [seen(t, [CAR]) for t in times(12)])
    again = restarted(judge, after_s=15, rules=(rule,))
    assert again.open_rules == {"r0"}
    start = RESTART_MONO_S - 15
    (cleared,) = judged(again, [seen(t, mono_start_s=start) for t in times(20, 0.5, 15)])
    assert (cleared.end_reason, cleared.began.at) == (EndReason.SEEN_CLEAR, raised.began.at)
    assert cleared.severity == 1


def test_a_dwell_goes_on_over_a_short_restart() -> None:
    judge = CameraJudge(camera(lane_rule()))
    judged(judge, [seen(t, [CAR]) for t in times(6)])
    again = restarted(judge, after_s=9)
    (raised,) = judged(again, [seen(t, [CAR], mono_start_s=RESTART_MONO_S - 9) for t in times(14, 0.5, 9)])
    assert (raised.began.at, (raised.observed.at - START).total_seconds()) == (START, 10.0)


def test_after_a_long_stop_an_open_episode_ends_as_view_lost() -> None:
    judge = CameraJudge(camera(lane_rule()))
    judged(judge, [seen(t, [CAR]) for t in times(12)])
    again = restarted(judge, after_s=5000)
    (lost,) = judged(again, [seen(5000, [], mono_start_s=RESTART_MONO_S - 5000)])
    assert lost.end_reason is EndReason.VIEW_LOST


def test_a_wall_clock_that_went_back_does_not_stop_the_rules() -> None:
    judge = CameraJudge(camera(lane_rule()))
    judged(judge, [seen(t, [CAR]) for t in times(12)])
    again = restarted(judge, after_s=-86_400)
    looks = [seen(t, mono_start_s=RESTART_MONO_S, wall_start=START - timedelta(days=1)) for t in times(10, 0.5, 0.5)]
    assert [d.end_reason for d in judged(again, looks)] == [EndReason.SEEN_CLEAR]


def test_rules_changed_while_the_node_was_down_end_their_episodes() -> None:
    judge = CameraJudge(camera(lane_rule()))
    judged(judge, [seen(t, [CAR]) for t in times(12)])
    at = START + timedelta(seconds=15)
    _, ends = CameraJudge.restore(camera(lane_rule(dwell_s=30)), judge.snapshot(), mono_s=0.0, at=at)
    assert [item.decision.end_reason for item in ends] == [EndReason.RULE_CHANGED]


@pytest.mark.parametrize(
    "damage",
    [{}, {"version": 99}, {"camera_id": "other"}, {"at": "yesterday"}, {"rules": {"r0": {}}}, {"rule_time_s": "x"}],
    ids=["empty", "version", "camera", "time", "rule", "number"],
)
def test_a_snapshot_that_cannot_be_used_gives_a_fresh_start(damage: dict[str, object]) -> None:
    judge = CameraJudge(camera(lane_rule()))
    judged(judge, [seen(t, [CAR]) for t in times(12)])
    snapshot = judge.snapshot() | damage if damage else {}
    fresh, ends = CameraJudge.restore(camera(lane_rule()), snapshot, mono_s=1000.0, at=START)
    assert ends == []
    assert fresh.open_rules == frozenset()
    assert told(judged(fresh, [seen(t, [CAR]) for t in times(11)])) == [("raised", 10.0)]


def test_snapshots_of_every_rule_survive_json() -> None:
    names = [hazard.value for hazard in RULES if hazard.value not in ("fire_lane_obstruction", "crowd", "camera_fault")]
    rules = (lane_rule(), CROWD, OFFLINE, *({"hazard": name} | OF_HAZARD.get(name, {}) for name in names))
    judge = CameraJudge(camera(*rules))
    change = np.zeros((18, 32), np.float32)
    change[12:15, 20:24] = 1.0
    for t in times(30):
        walker = ("person", 0.8, (0.45 + t / 300, 0.5, 0.5 + t / 300, 0.7))
        flame = ("fire", 0.8, (0.7, 0.6, 0.8 + t % 1 / 50, 0.8))
        bicycle = ("bicycle", 0.8, (0.2, 0.6, 0.25, 0.7))
        judged(judge, [seen(t, [CAR, walker, flame, bicycle], track_ids=[1, 2, 3, 4], change=change)])
    assert len(judge.open_rules) >= 6
    judged(judge, [seen(31, view=ViewState.OFFLINE)])
    again = restarted(judge, after_s=31, rules=rules)
    assert again.snapshot()["rules"] == judge.snapshot()["rules"]

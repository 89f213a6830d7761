"""What a rule says of one look, told after it was judged, over the whole life of an episode."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.edge.observing import CAR, START, camera, lane_rule, seen
from xueliang_alerts.commands import Says
from xueliang_edge.observations import ViewFault, ViewState, blind
from xueliang_edge.rules.judge import CameraJudge
from xueliang_edge.rules.present import Present


def told(judge: CameraJudge, at_s: float, *, there: bool = False, **values: object) -> Present:
    observation = seen(at_s, [CAR] if there else [], **values)  # type: ignore[arg-type]
    judge.look(observation)
    present = judge.present(judge.camera.rules[0].rule_id, [observation])
    assert present is not None
    return present


def test_an_episode_from_nothing_to_nothing() -> None:
    judge = CameraJudge(camera(lane_rule(dwell_s=10, clear_after_s=3)))
    said = [told(judge, float(at_s), there=5 <= at_s < 30) for at_s in range(40)]
    assert {one.says for one in said[:5]} == {Says.CLEAR}
    assert {one.says for one in said[10:30]} == {Says.HOLDS}
    before, after = said[12], said[25]
    assert (before.has_alert, after.has_alert) == (False, True)
    assert after.since is not None
    assert abs(after.since.at - (START + timedelta(seconds=5))) <= timedelta(seconds=1)
    assert after.figure is not None
    assert (after.figure.name, after.figure.unit) == ("share", "share")
    assert after.figure.value > 0.1
    assert after.figure.boxes_xyxyn
    leaving, gone = said[31], said[39]
    assert (leaving.says, leaving.has_alert) == (Says.CLEAR, True)  # seen absent, not for long enough to end it
    assert leaving.since is not None
    assert leaving.since.at == START + timedelta(seconds=29)
    assert (gone.says, gone.has_alert) == (Says.CLEAR, False)
    assert gone.since is not None
    assert START + timedelta(seconds=29) < gone.since.at < START + timedelta(seconds=39)


def test_clear_since_is_not_said_of_a_time_that_nobody_watched() -> None:
    judge = CameraJudge(camera(lane_rule(dwell_s=10, clear_after_s=3)))
    for at_s in range(40):
        told(judge, float(at_s), there=5 <= at_s < 30)
    assert told(judge, 40.0).since is not None
    assert told(judge, 42.0).since is not None
    later = told(judge, 4000.0)
    assert (later.says, later.since) == (Says.CLEAR, None)


def test_another_detector_that_failed_is_not_taken_for_the_rules_own() -> None:
    judge = CameraJudge(camera(lane_rule(dwell_s=10)))
    for at_s in range(20):
        judge.look(seen(float(at_s), [CAR]))
    own = seen(19.0, [CAR])
    other = blind(own.camera_id, ViewState.UNKNOWN, mono_s=own.observed_mono_s, at=own.observed_at, detector="smoke")
    alone, beside = (judge.present(judge.camera.rules[0].rule_id, those) for those in ([own], [own, other]))
    assert alone == beside


def test_what_cannot_be_judged_says_why() -> None:
    judge = CameraJudge(camera(lane_rule()))
    told(judge, 0.0)
    offline = told(judge, 1.0, view=ViewState.OFFLINE)
    assert (offline.says, offline.why, offline.figure) == (Says.CANNOT_SEE, "offline", None)
    covered = told(judge, 2.0, view=ViewState.UNKNOWN, view_fault=ViewFault.COVERED)
    assert (covered.says, covered.why) == (Says.CANNOT_SEE, "covered")
    assert told(judge, 3.0).says is Says.CLEAR


def test_asking_twice_says_the_same_and_changes_nothing() -> None:
    judge = CameraJudge(camera(lane_rule(dwell_s=10)))
    for at_s in range(20):
        judge.look(seen(float(at_s), [CAR]))
    rule_id, before = judge.camera.rules[0].rule_id, judge.snapshot()
    last = seen(19.0, [CAR])
    assert judge.present(rule_id, [last]) == judge.present(rule_id, [last])
    assert judge.snapshot() == before
    assert judge.present("another", [last]) is None

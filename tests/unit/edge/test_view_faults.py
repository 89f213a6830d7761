"""The camera goes offline and comes back."""

from __future__ import annotations

from tests.unit.edge.observing import after_s, camera, judged, lane_rule, seen, times
from xueliang_alerts.contract import EndReason, Phase
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge

OFFLINE = {"hazard": "camera_fault", "fault": "offline", "offline_after_s": 30, "clear_after_s": 3}


def story(looks: list[Observation]) -> list[Decision]:
    return judged(CameraJudge(camera(OFFLINE)), looks)


def looks(offline_from_s: float, offline_until_s: float, end_s: float, every_s: float = 2.0) -> list[Observation]:
    return [
        seen(t, view=ViewState.OFFLINE if offline_from_s <= t < offline_until_s else ViewState.GOOD)
        for t in times(end_s, every_s)
    ]


def test_offline_counts_from_the_last_picture_and_ends_when_pictures_are_back() -> None:
    raised, cleared = story(looks(20, 300, 320))
    assert (raised.phase, raised.began.mono_s - 1000, after_s(raised)) == (Phase.RAISED, 18.0, 48.0)
    assert raised.reason.code == "camera_offline"
    assert raised.boxes_xyxyn == ()
    assert raised.model_digest is None
    assert (cleared.end_reason, after_s(cleared)) == (EndReason.SEEN_CLEAR, 304.0)
    assert cleared.reason.code == "camera_back"
    assert cleared.ended is not None
    assert cleared.ended.mono_s - 1000 == 298.0


def test_a_short_break_is_no_fault() -> None:
    assert story(looks(20, 46, 100)) == []


def test_a_camera_that_was_never_there_counts_from_the_first_look() -> None:
    (raised,) = story(looks(0, 100, 50))
    assert (raised.began.mono_s - 1000, after_s(raised)) == (0.0, 30.0)


def test_hours_offline_stay_one_episode_told_every_ten_minutes() -> None:
    decisions = story(looks(20, 99_999, 4000, 10))
    assert [d.phase for d in decisions] == [Phase.RAISED] + [Phase.UPDATED] * 6
    assert decisions[-1].began == decisions[0].began


def test_a_picture_that_could_not_be_judged_is_a_picture() -> None:
    blinking = [
        seen(t, view=ViewState.UNKNOWN if index % 5 == 4 else ViewState.OFFLINE)
        for index, t in enumerate(times(300, 5))
    ]
    assert story(blinking) == []


def test_a_picture_that_could_not_be_judged_does_not_end_a_fault() -> None:
    views = looks(0, 100, 50) + [seen(t, view=ViewState.UNKNOWN) for t in times(100, 2, 52)]
    assert [d.phase for d in story(views)] == [Phase.RAISED]


def test_silence_of_the_node_itself_raises_nothing() -> None:
    assert story([seen(0), seen(500), seen(1000)]) == []


def test_an_offline_camera_makes_its_other_rules_unknown_not_clear() -> None:
    car = [("car", 0.8, (0.3, 0.4, 0.5, 0.8))]
    judge = CameraJudge(camera(lane_rule(), OFFLINE))
    views = [seen(t, car) for t in times(20, 1)] + [seen(t, view=ViewState.OFFLINE) for t in times(200, 2, 22)]
    said = [(item.rule.hazard.value, item.decision.phase) for view in views for item in judge.look(view)]
    assert said == [("fire_lane_obstruction", Phase.RAISED), ("camera_fault", Phase.RAISED)]

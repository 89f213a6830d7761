"""The camera goes offline and comes back; its view shows nothing of the place and is good again."""

from __future__ import annotations

import pytest

from tests.unit.edge.observing import after_s, camera, judged, lane_rule, seen, times
from xueliang_alerts.contract import EndReason, Phase
from xueliang_edge.observations import Observation, ViewFault, ViewState
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


def test_the_time_a_node_was_down_is_no_time_without_a_picture() -> None:
    """A restart says that nobody watched before; what follows counts from there."""
    before = looks(999, 999, 20)
    after = [seen(45, view=ViewState.UNKNOWN)] + [seen(t, view=ViewState.OFFLINE) for t in times(100, 2, 51)]
    (raised,) = story(before + after)
    assert (raised.began.mono_s - 1000, after_s(raised)) == (45.0, 75.0)


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


# The view.

VIEW = {"hazard": "camera_fault", "fault": "view", "view_after_s": 20, "clear_after_s": 3}


def covered(from_s: float, until_s: float, end_s: float, fault: ViewFault = ViewFault.COVERED) -> list[Observation]:
    """Doubtful for the first six seconds, as live."""

    def one(t: float) -> Observation:
        if from_s <= t < from_s + 6:
            return seen(t, view=ViewState.UNKNOWN)
        return seen(t, view_fault=fault, view_figure=0.9) if from_s <= t < until_s else seen(t)

    return [one(t) for t in times(end_s, 2)]


@pytest.mark.parametrize(
    ("fault", "text", "cause"),
    [
        (ViewFault.FROZEN, "the picture does not change though the camera sends, for 20 s >= 20 s", "cannot_see"),
        (ViewFault.BLACK, "view black for 20 s >= 20 s: 90% of the picture is dark", "cannot_see"),
        (ViewFault.OVER_EXPOSED, "view over-exposed for 20 s >= 20 s: 90% of it is blown out", "cannot_see"),
        (ViewFault.DEFOCUSED, "view out of focus for 20 s >= 20 s: 90% of its sharpness is gone", "tampering"),
        (ViewFault.COVERED, "view covered for 20 s >= 20 s: 90% of the scene's detail is gone", "tampering"),
        (ViewFault.MOVED, "view moved for 20 s >= 20 s: the scene is shifted by 90% of the picture", "tampering"),
    ],
    ids=lambda value: value.value if isinstance(value, ViewFault) else "",
)
def test_each_fault_of_the_view_is_raised_in_words_and_cleared_by_a_good_view(
    fault: ViewFault, text: str, cause: str
) -> None:
    raised, cleared = judged(CameraJudge(camera(VIEW)), covered(20, 60, 80, fault))
    assert (raised.phase, raised.began.mono_s - 1000, after_s(raised)) == (Phase.RAISED, 26.0, 46.0)
    assert (raised.reason.code, raised.reason.about) == (f"camera_{fault}", {"fault": fault.value, "cause": cause})
    assert raised.reason.text.startswith(text)
    assert raised.measures == {"seconds": (20.0, "s"), "share": (0.9, "share")}
    assert (cleared.reason.code, cleared.end_reason, after_s(cleared)) == (
        "camera_view_back",
        EndReason.SEEN_CLEAR,
        64.0,
    )


def test_a_camera_turned_to_another_place_is_said_so() -> None:
    looks_ = [seen(t, view_fault=ViewFault.MOVED, view_figure=1.0) for t in times(30, 2)]
    (raised,) = judged(CameraJudge(camera(VIEW)), looks_)
    assert raised.reason.text.startswith("view moved for 20 s >= 20 s: nothing of the scene is in the picture")


def test_a_rule_for_one_fault_hears_of_no_other() -> None:
    rule = VIEW | {"fault": "moved"}
    assert judged(CameraJudge(camera(rule)), covered(20, 60, 80)) == []
    assert [one.phase for one in judged(CameraJudge(camera(rule)), covered(20, 60, 80, ViewFault.MOVED))] == [
        Phase.RAISED,
        Phase.CLEARED,
    ]


def test_one_fault_turning_into_another_stays_one_episode() -> None:
    turning = covered(20, 50, 48) + [seen(t, view_fault=ViewFault.BLACK, view_figure=1.0) for t in times(130, 2, 50)]
    decisions = judged(CameraJudge(camera(VIEW)), [*turning, *(seen(t) for t in times(140, 2, 132))])
    assert [one.phase for one in decisions] == [Phase.RAISED, Phase.CLEARED]


def test_looks_that_are_unknown_otherwise_neither_raise_nor_clear_a_fault_of_the_view() -> None:
    for view in (ViewState.UNKNOWN, ViewState.OFFLINE):
        silent = [seen(t, view=view) for t in times(400, 2)]
        assert judged(CameraJudge(camera(VIEW)), silent) == []
        hidden = covered(20, 999, 60) + [seen(t, view=view) for t in times(900, 2, 62)]
        assert [one.phase for one in judged(CameraJudge(camera(VIEW)), hidden)] == [Phase.RAISED]


def test_a_lane_alert_is_not_cleared_by_covering_the_lens() -> None:
    car = [("car", 0.8, (0.3, 0.4, 0.5, 0.8))]
    judge = CameraJudge(camera(lane_rule(), VIEW))
    shown = [seen(t, car) for t in times(18, 2)] + covered(20, 300, 298)[10:]
    said = [(item.rule.hazard.value, item.decision.phase) for look in shown for item in judge.look(look)]
    assert said == [("fire_lane_obstruction", Phase.RAISED), ("camera_fault", Phase.RAISED)]


def test_a_restart_while_the_lens_is_covered_goes_on_with_the_same_alert() -> None:
    judge = CameraJudge(camera(VIEW))
    (raised,) = judged(judge, covered(20, 999, 60))
    again, ended = CameraJudge.restore(camera(VIEW), judge.snapshot(), mono_s=1070.0, at=seen(70).observed_at)
    assert ended == []
    (cleared,) = judged(again, [seen(t) for t in times(80, 2, 72)])
    assert (cleared.phase, cleared.began.at) == (Phase.CLEARED, raised.began.at)

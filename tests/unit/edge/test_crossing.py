"""A line in the middle of the picture, drawn from its foot upwards: right of it is the picture's right half."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.edge.observing import START, after_s, camera, judged, seen, times, told
from xueliang_alerts.contract import EndReason, Phase
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge

Way = Callable[[float], float]


def walker(x: float, y: float = 0.6) -> tuple[str, float, tuple[float, float, float, float]]:
    return ("person", 0.8, (x - 0.02, y - 0.2, x + 0.02, y))


def story(looks: Sequence[Observation], **settings: object) -> list[Decision]:
    return judged(CameraJudge(camera({"hazard": "line_crossing", "clear_after_s": 4} | settings)), looks)


def walks(*ways: Way, end_s: float = 20, every_s: float = 0.5) -> list[Observation]:
    """Each way is one track."""
    return [seen(t, [walker(way(t)) for way in ways], track_ids=range(1, len(ways) + 1)) for t in times(end_s, every_s)]


def to_right(t: float) -> float:
    return 0.2 + 0.04 * t  # on the line after 7.5 s


def to_left(t: float) -> float:
    return 0.8 - 0.04 * t


def test_a_crossing_is_told_once_it_is_surely_across_and_ends_when_it_is_quiet() -> None:
    raised, cleared = story(walks(to_right))
    assert raised.phase is Phase.RAISED
    assert 7.5 < after_s(raised) <= 8.0
    assert raised.reason.code == "line_crossed"
    assert raised.reason.text == "line crossed by person (either way counts), 1 in this alert so far"
    assert raised.measures["count"] == (1.0, "crossings")
    assert len(raised.boxes_xyxyn) == 1
    assert cleared.end_reason is EndReason.SEEN_CLEAR
    assert 4 <= after_s(cleared) - after_s(raised) <= 5
    assert cleared.reason.text == "nothing crossed for 4 s, after 1 crossings"


@pytest.mark.parametrize(
    ("direction", "right", "left"), [("any", 1, 1), ("to_right", 1, 0), ("to_left", 0, 1)], ids=str
)
def test_only_the_way_that_counts_counts(direction: str, right: int, left: int) -> None:
    assert sum(d.phase is Phase.RAISED for d in story(walks(to_right), direction=direction)) == right
    assert sum(d.phase is Phase.RAISED for d in story(walks(to_left), direction=direction)) == left


def test_standing_on_the_line_and_jitter_are_no_crossings() -> None:
    shaking = [0.494, 0.503, 0.498, 0.506, 0.4955]
    assert story(walks(lambda t: shaking[round(t * 2) % 5], end_s=60), band=0.02) == []


def test_who_comes_near_and_turns_back_has_not_crossed() -> None:
    assert story(walks(lambda t: 0.2 + 0.04 * min(t, 7.4, max(14.8 - t, 0.0)), end_s=14)) == []


def test_who_waits_on_the_line_and_goes_on_has_crossed_once() -> None:
    decisions = story(walks(lambda t: 0.2 + 0.04 * (min(t, 7.5) + max(t - 17.5, 0.0)), end_s=30))
    assert [d.phase for d in decisions][:1] == [Phase.RAISED]
    assert after_s(decisions[0]) > 17


def test_who_goes_round_the_end_of_the_line_has_not_crossed_it() -> None:
    short = {"line": [[0.5, 0.4], [0.5, 0.1]]}
    assert story(walks(to_right), **short) == []
    assert story([seen(t, [walker(to_right(t), 0.3)], track_ids=[1]) for t in times(20)], **short) != []


def test_another_track_on_the_other_side_is_no_crossing() -> None:
    looks = [seen(t, [walker(0.3 if t < 5 else 0.7)], track_ids=[1 if t < 5 else 2]) for t in times(20)]
    assert story(looks) == []


def test_crossings_that_follow_each_other_are_one_alert_with_a_count() -> None:
    decisions = story(walks(*(lambda t, late=late: to_right(t - late) for late in range(0, 66, 3)), end_s=100))
    assert [d.phase for d in decisions] == [Phase.RAISED, Phase.UPDATED, Phase.CLEARED]
    assert decisions[1].measures["count"][0] > 15
    assert "after 22 crossings" in decisions[2].reason.text


def test_one_vehicle_followed_as_two_is_one_crossing() -> None:
    decisions = story(walks(to_right, to_right))
    assert decisions[0].measures["count"] == (1.0, "crossings")


def test_over_a_blind_stretch_nobody_has_crossed() -> None:
    looks = [seen(t, [walker(0.3 if t < 5 else 0.7)], track_ids=[1]) for t in [*times(4), *times(40, 0.5, 20)]]
    assert story(looks) == []


@pytest.mark.parametrize("view", [ViewState.OFFLINE, ViewState.UNKNOWN])
def test_a_view_that_is_not_good_never_ends_it(view: ViewState) -> None:
    looks = [*walks(to_right, end_s=9), *[seen(t, view=view) for t in times(300, 0.5, 9.5)]]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]


def test_track_numbers_of_another_run_are_not_taken_up() -> None:
    judge = CameraJudge(camera({"hazard": "line_crossing"}))
    judged(judge, [seen(t, [walker(0.3)], track_ids=[1]) for t in times(5)])
    again, _ = CameraJudge.restore(camera({"hazard": "line_crossing"}), judge.snapshot(), mono_s=1006.0, at=START)
    assert judged(again, [seen(t, [walker(0.7)], track_ids=[1]) for t in times(8, 0.5, 6.5)]) == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0.02, 0.98), min_size=2, max_size=40),
    st.sampled_from([0.1, 0.25, 0.5]),
    st.sampled_from([0.0, 4096.0, 2.0**20]),
)
def test_it_is_raised_only_at_a_look_that_is_across_from_the_last_sure_side(
    places: list[float], every_s: float, shift_s: float
) -> None:
    looks = [seen(i * every_s, [walker(x)], track_ids=[1], mono_start_s=1000.0 + shift_s) for i, x in enumerate(places)]
    aspect, band = 1280 / 720, 0.01
    sides = [0 if abs(x - 0.5) * aspect <= band + 1e-6 else 1 if x > 0.5 else -1 for x in places]
    decisions = story(looks)
    if any(abs(abs(x - 0.5) * aspect - band) < 1e-5 for x in places):
        return
    crossings, last = [], 0
    for index, side in enumerate(sides):
        if side and last == -side:
            crossings.append(index)
        last = side or last
    raised = [round((after_s(d) - shift_s) / every_s) for d in decisions if d.phase is Phase.RAISED]
    assert set(raised) <= set(crossings)
    assert raised[:1] == crossings[:1]
    for decision in decisions:
        if decision.phase is Phase.CLEARED:
            index = round((after_s(decision) - shift_s) / every_s)
            assert not [one for one in crossings if index - 4 / every_s < one <= index]


@pytest.mark.parametrize("every_s", [0.1, 0.2, 0.5])
def test_the_story_is_the_same_at_any_look_rate(every_s: float) -> None:
    (_, raised_s), (_, cleared_s) = told(story(walks(to_right, every_s=every_s)))
    assert 7.5 < raised_s <= 7.75 + every_s
    assert raised_s + 4 <= cleared_s <= raised_s + 4 + 2 * every_s

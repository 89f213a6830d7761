"""A street whose permitted direction is down the picture; the zone is its lower half."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.edge.observing import Thing, after_s, camera, judged, seen, times, told
from xueliang_alerts.contract import EndReason, Phase
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge

ZONE = [[0, 0], [1, 0], [1, 1], [0, 1]]
RULE = {"hazard": "wrong_way", "zone": ZONE, "direction": [[0.5, 0.1], [0.5, 0.9]], "clear_after_s": 3}
Way = Callable[[float], tuple[float, float]]


def car(x: float, y: float) -> Thing:
    return ("car", 0.8, (x - 0.08, y - 0.15, x + 0.08, y))


def story(looks: list[Observation], **settings: object) -> list[Decision]:
    return judged(CameraJudge(camera(RULE | settings)), looks)


def drives(way: Way, end_s: float = 20, every_s: float = 0.5, until_s: float | None = None) -> list[Observation]:
    looks = [seen(t, [car(*way(t))], track_ids=[1]) for t in times(end_s, every_s)]
    return looks + [seen(t) for t in times(until_s or end_s, every_s, end_s + every_s)]


def up(t: float) -> tuple[float, float]:
    return 0.5, 0.9 - 0.05 * t


def test_a_car_against_the_direction_is_raised_after_distance_and_time_and_cleared_when_gone() -> None:
    raised, cleared = story(drives(up, 12, until_s=30), min_distance=0.2, dwell_s=2)
    assert (raised.phase, raised.began.mono_s - 1000) == (Phase.RAISED, 0.0)
    assert 4.0 <= after_s(raised) <= 4.5
    assert raised.reason.code == "wrong_way_seen"
    assert raised.reason.text.startswith("1 the wrong way (car): ")
    assert raised.measures["distance"][0] == pytest.approx(0.2, abs=0.03)
    assert (cleared.end_reason, after_s(cleared)) == (EndReason.SEEN_CLEAR, 15.5)
    assert cleared.reason.code == "wrong_way_over"


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(lambda t: (0.5, 0.2 + 0.04 * t), id="the right way"),
        pytest.param(lambda t: (0.05 + 0.045 * t, 0.6), id="across"),
        pytest.param(lambda t: (0.05 + 0.04 * t, 0.8 - 0.02 * t), id="at a flat angle"),
        pytest.param(lambda t: (0.5, 0.6 + 0.01 * (round(2 * t) % 3)), id="standing, a shaking box"),
        pytest.param(lambda t: (0.5, 0.6 - 0.06 * (t % 2 if t % 4 < 2 else 2 - t % 2)), id="to and fro"),
        pytest.param(lambda t: (0.5, 0.6 - 0.05 * min(t, 1.5)), id="a short way back"),
    ],
)
def test_what_is_not_the_wrong_way(way: Way) -> None:
    assert story(drives(way), min_distance=0.15) == []


def test_the_time_of_standing_before_is_not_time_on_the_wrong_way() -> None:
    def way(t: float) -> tuple[float, float]:
        return 0.5, 0.9 - 0.2 * max(0.0, t - 10)

    raised = story(drives(way, 13), min_distance=0.1, dwell_s=2)[0]
    assert raised.began.mono_s - 1000 >= 10
    assert after_s(raised) >= 12


def test_who_turns_round_counts_from_the_turn() -> None:
    raised = story(drives(lambda t: (0.5, 0.4 + 0.05 * (t if t < 8 else 16 - t)), 16), dwell_s=1)[0]
    assert 7.5 <= raised.began.mono_s - 1000 <= 8.5


def test_a_car_that_stops_on_the_wrong_way_stays_an_alert() -> None:
    assert [d.phase for d in story(drives(lambda t: up(min(t, 6.0)), 60))] == [Phase.RAISED]


@pytest.mark.parametrize("view", [ViewState.OFFLINE, ViewState.UNKNOWN])
def test_a_view_that_is_not_good_never_clears_and_a_way_across_it_does_not_count(view: ViewState) -> None:
    looks = [*drives(up, 6), *[seen(t, view=view) for t in times(300, 0.5, 6.5)]]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]
    ends = [seen(t, [car(*up(t))], track_ids=[1]) for t in (0.0, 0.5, 9.0, 9.5)]
    assert story(ends) == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-0.06, 0.06), st.floats(-0.04, 0.04)), min_size=4, max_size=60),
    st.sampled_from([0.0, 2.0**20]),
)
def test_it_is_never_raised_without_having_gone_so_far_for_so_long(
    steps: list[tuple[float, float]], shift_s: float
) -> None:
    x, y, places = 0.5, 0.6, []
    for across, along in steps:
        x, y = min(0.9, max(0.1, x + across)), min(0.95, max(0.2, y + along))
        places.append((x, y))
    looks = [
        seen(0.5 * i, [car(*place)], track_ids=[1], mono_start_s=1000.0 + shift_s) for i, place in enumerate(places)
    ]
    for decision in story(looks, min_distance=0.1, dwell_s=1):
        if decision.phase is Phase.RAISED:
            index = round((after_s(decision) - shift_s) * 2)
            began = round((decision.began.mono_s - 1000 - shift_s) * 2)
            assert index - began >= 2
            assert max(place[1] for place in places[: index + 1]) - places[index][1] >= 0.1 - 1e-5
        else:  # it has turned round, or stands where that counts no more
            index = round((after_s(decision) - shift_s) * 2)
            steps_now = [(b[0] - a[0], a[1] - b[1]) for a, b in pairwise(places[index - 6 : index + 1])]
            is_straight = all(up > 0 and abs(across) <= up for across, up in steps_now)
            assert not (is_straight and sum(up for _, up in steps_now) >= 0.1 + 1e-5)


@pytest.mark.parametrize("every_s", [0.1, 0.25, 0.5])
def test_the_story_is_the_same_at_any_look_rate(every_s: float) -> None:
    (_, raised_s), (_, cleared_s) = told(story(drives(up, 12, every_s, until_s=30), min_distance=0.2))
    assert 4.0 - 1e-6 <= raised_s <= 4.0 + every_s + 1e-6
    assert 15 <= cleared_s <= 15 + 2 * every_s

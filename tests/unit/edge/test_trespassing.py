"""People in a danger zone, two-wheelers indoors: who stands where, and when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.edge.observing import Thing, after_s, camera, judged, seen, times, told
from xueliang_alerts.contract import EndReason, Phase
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge

WALKER: Thing = ("person", 0.8, (0.4, 0.4, 0.45, 0.7))
RULE = {"hazard": "intrusion", "dwell_s": 3, "clear_after_s": 4}


def story(looks: list[Observation], **settings: object) -> list[Decision]:
    return judged(CameraJudge(camera(RULE | settings)), looks)


def there(is_there: Callable[[float], bool], end_s: float, every_s: float = 0.5) -> list[Observation]:
    return [seen(t, [WALKER] if is_there(t) else []) for t in times(end_s, every_s)]


def test_somebody_in_the_zone_is_raised_after_the_dwell_and_cleared_when_it_is_empty() -> None:
    raised, cleared = story(there(lambda t: 5 <= t < 20, 40))
    assert (raised.phase, after_s(raised), raised.began.mono_s - 1000) == (Phase.RAISED, 8.0, 5.0)
    assert raised.reason.code == "intrusion_seen"
    assert raised.reason.text == "1 in the danger zone (person) for 3 s >= 3 s, seen in 2 of 3 looks"
    assert raised.boxes_xyxyn == (pytest.approx(WALKER[2]),)
    assert (cleared.end_reason, after_s(cleared)) == (EndReason.SEEN_CLEAR, 24.0)
    assert cleared.ended is not None
    assert cleared.ended.mono_s - 1000 == 19.5
    assert cleared.reason.text == "danger zone seen empty for 4 s, after 14 s"


@pytest.mark.parametrize(
    "thing",
    [
        pytest.param(("person", 0.3, WALKER[2]), id="too faint"),
        pytest.param(("car", 0.9, WALKER[2]), id="no person"),
        pytest.param(("person", 0.9, (0.4, 0.1, 0.45, 0.45)), id="feet outside"),
    ],
)
def test_what_is_no_intrusion(thing: Thing) -> None:
    assert story([seen(t, [thing]) for t in times(30)]) == []


def test_one_false_detection_is_none_however_short_the_dwell() -> None:
    assert story(there(lambda t: t == 5, 30), dwell_s=0) == []
    assert story(there(lambda t: t % 3 == 0, 60), dwell_s=0) == []  # every sixth look
    assert story(there(lambda t: t in (5, 6), 30), dwell_s=0)[0].phase is Phase.RAISED


def test_a_false_detection_that_is_only_carried_is_still_one() -> None:
    looks = [seen(0), seen(0.5, [WALKER]), *[seen(t, [WALKER], is_carried=True) for t in times(30, 0.5, 1)]]
    assert story(looks, dwell_s=0) == []


def test_somebody_who_stands_still_is_not_cleared_while_the_answer_is_carried() -> None:
    looks = [*there(lambda _: True, 10), *[seen(t, [WALKER], is_carried=True) for t in times(60, 0.5, 10.5)]]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]


def test_a_missed_look_neither_restarts_nor_clears() -> None:
    raised = story([seen(t, [] if i % 3 == 2 else [WALKER]) for i, t in enumerate(times(30))])
    assert [(d.phase, d.began.mono_s - 1000) for d in raised] == [(Phase.RAISED, 0.0)]


def test_a_second_one_is_told_a_minute_later_not_at_once() -> None:
    other: Thing = ("person", 0.7, (0.6, 0.4, 0.65, 0.7))
    looks = [seen(t, [WALKER, other] if t >= 10 else [WALKER]) for t in times(80)]
    raised, updated = story(looks)
    assert (updated.phase, after_s(updated)) == (Phase.UPDATED, after_s(raised) + 60)
    assert updated.measures["count"] == (2.0, "objects")
    assert updated.reason.text.startswith("still: 2 in the danger zone")


@pytest.mark.parametrize("view", [ViewState.OFFLINE, ViewState.UNKNOWN])
def test_a_view_that_is_not_good_never_raises_and_never_clears(view: ViewState) -> None:
    looks = [*there(lambda _: True, 2), *[seen(t, view=view) for t in times(300, 0.5, 2.5)]]
    assert story(looks) == []
    looks = [*there(lambda _: True, 10), *[seen(t, view=view) for t in times(300, 0.5, 10.5)]]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]


def test_looks_from_before_a_blind_stretch_do_not_confirm_one_after_it() -> None:
    assert story([seen(0, [WALKER]), seen(60, [WALKER]), seen(60.5), seen(61)], dwell_s=0) == []


def test_an_ebike_in_a_lift_is_raised_and_a_pram_seen_as_one_now_and_then_is_not() -> None:
    bike: Thing = ("motorcycle", 0.6, (0.4, 0.5, 0.6, 0.85))
    rule = {"hazard": "ebike_indoors"}
    raised = judged(CameraJudge(camera(rule)), [seen(t, [bike]) for t in times(10)])[0]
    assert raised.reason.code == "ebike_seen"
    assert raised.reason.about == {"objects": "motorcycle", "place": "indoor zone"}
    now_and_then = [seen(t, [bike] if i % 3 == 0 else []) for i, t in enumerate(times(60))]
    assert judged(CameraJudge(camera(rule)), now_and_then) == []
    assert judged(CameraJudge(camera(rule)), [seen(t, [WALKER]) for t in times(10)]) == []


RUNS = st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=10)


@settings(max_examples=60, deadline=None)
@given(RUNS, st.sampled_from([0.25, 0.5, 1.0]))
def test_it_never_raises_sooner_than_the_dwell_and_never_clears_while_somebody_is_there(
    runs: list[tuple[bool, int]], every_s: float
) -> None:
    is_there = [present for present, length in runs for _ in range(length)]
    looks = [seen(i * every_s, [WALKER] if present else []) for i, present in enumerate(is_there)]
    for decision in story(looks):
        index = round(after_s(decision) / every_s)
        if decision.phase is Phase.RAISED:
            began = round((decision.began.mono_s - 1000) / every_s)
            assert after_s(decision) - (decision.began.mono_s - 1000) >= 3
            assert is_there[index]
            assert is_there[began]
            # Seen all along, but for a single look here and there.
            assert all(is_there[i] or is_there[i + 1] for i in range(began, index))
        if decision.phase is Phase.CLEARED:
            assert not any(is_there[index - round(4 / every_s) : index + 1])


@settings(max_examples=25, deadline=None)
@given(RUNS, st.sampled_from([0.0, 4096.0, 2.0**20]))
def test_the_same_scene_at_another_time_gives_the_same_story(runs: list[tuple[bool, int]], shift_s: float) -> None:
    is_there = [present for present, length in runs for _ in range(length)]

    def at(shift: float) -> list[tuple[Phase, object]]:
        start = 1000.0 + shift
        looks = [seen(i * 0.5, [WALKER] if p else [], mono_start_s=start) for i, p in enumerate(is_there)]
        return [(d.phase, d.observed.at) for d in story(looks)]

    assert at(0.0) == at(shift_s)


@pytest.mark.parametrize("every_s", [0.1, 0.25, 1.0, 2.0])
def test_the_story_is_the_same_at_any_look_rate(every_s: float) -> None:
    (_, raised_s), (_, cleared_s) = told(story(there(lambda t: t < 30, 60, every_s)))
    assert 3 <= raised_s <= 3 + every_s
    assert 30 + 4 - every_s <= cleared_s <= 30 + 4 + 2 * every_s

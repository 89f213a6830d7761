"""People gather: counts in, episodes out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.edge.observing import Thing, after_s, camera, judged, seen, times, told
from xueliang_alerts.contract import EndReason, Phase, Severity
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules.crowding import CountAt, growth_per_minute
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge

SQUARE = [[0.0, 0.5], [1.0, 0.5], [1.0, 1.0], [0.0, 1.0]]


def people(count: int, *, score: float = 0.7, bottom: float = 0.8) -> list[Thing]:
    return [("person", score, (0.05 * i, bottom - 0.15, 0.05 * i + 0.03, bottom)) for i in range(count)]


def story(looks: list[Observation], **settings: object) -> list[Decision]:
    rule = {
        "hazard": "crowd",
        "zone": SQUARE,
        "raise_at_count": 6,
        "clear_at_count": 3,
        "dwell_s": 5,
        "clear_after_s": 4,
        "smooth_s": 0,
    }
    return judged(CameraJudge(camera(rule | settings)), looks)


def counts(count_at: Callable[[float], int], end_s: float, every_s: float = 0.5) -> list[Observation]:
    return [seen(t, people(count_at(t))) for t in times(end_s, every_s)]


def test_a_crowd_is_raised_after_its_dwell_and_cleared_after_it_dispersed() -> None:
    raised, cleared = story(counts(lambda t: 7 if 10 <= t < 40 else 2, 60))
    assert (raised.phase, after_s(raised), raised.began.mono_s - 1000) == (Phase.RAISED, 15.0, 9.75)
    assert raised.reason.code == "crowd_reached"
    assert raised.reason.text == "7 people in the zone >= 6 for 5 s >= 5 s"
    assert raised.measures["count"] == (7.0, "people")
    assert len(raised.boxes_xyxyn) == 7
    assert (cleared.end_reason, after_s(cleared)) == (EndReason.SEEN_CLEAR, 44.0)
    assert cleared.ended is not None
    assert cleared.ended.mono_s - 1000 == 39.5
    assert cleared.reason.code == "crowd_dispersed"


def test_looks_that_still_show_a_crowd_while_it_disperses_carry_no_onset_into_the_next_episode() -> None:
    looks = [seen(t, people(7 if t < 60 or t >= 90 or t % 5 == 0 else 2)) for t in times(110)]
    first, cleared, second = story(looks, smooth_s=5)
    assert (cleared.phase, second.phase) == (Phase.CLEARED, Phase.RAISED)
    assert cleared.ended is not None
    assert first.began.at < cleared.ended.at < second.began.at
    assert (second.began.mono_s - 1000, after_s(second)) == (89.75, 95.0)


def test_between_the_two_counts_an_open_crowd_stays_and_none_begins() -> None:
    assert [d.phase for d in story(counts(lambda t: 7 if t < 20 else 4, 60))] == [Phase.RAISED]
    assert story(counts(lambda _: 5, 60)) == []


def test_a_crowd_shorter_than_the_dwell_is_none() -> None:
    assert story(counts(lambda t: 9 if 10 <= t < 14.5 else 0, 40)) == []


def test_a_detector_that_loses_people_now_and_then_is_smoothed() -> None:
    blinking = [seen(t, people(2 if index % 4 == 1 else 7)) for index, t in enumerate(times(20))]
    assert [d.phase for d in story(blinking, smooth_s=1.5)] == [Phase.RAISED]
    assert story(blinking) == []


def test_a_look_that_lost_some_starts_no_dwell_anew_and_the_first_look_is_the_onset() -> None:
    low = [seen(t, people(4 if t in (12.0, 14.0, 15.0) else 7 if t >= 10 else 2)) for t in times(20, 1.0)]
    (raised,) = story(low, smooth_s=1.5)
    assert (raised.began.mono_s - 1000, after_s(raised)) == (9.5, 16.0)


def _part(before: int, after: int) -> float:
    return (before / 6) ** 1.25 - (after / 6) ** 1.25


@pytest.mark.parametrize(
    ("before", "began_s"),
    [
        # Midway between two looks, weighed by what was still to be seen before and after: `HIDES_LATER`.
        ([0, 2, 4, 5], _part(6, 4) * 6.5 + _part(4, 2) * 7.5 + _part(2, 1) * 8.5 + _part(1, 0) * 9.5),
        ([0, 5, 5, 3], _part(6, 3) * 7.5 + _part(3, 0) * 9.5),
        ([0, 5, 0, 0], 9.5),
        ([0, 0, 0, 0], 9.5),
    ],
    ids=["one_by_one", "two_lost_again", "all_gone_again", "all_at_once"],
)
def test_a_group_that_comes_to_be_seen_by_and_by_began_in_the_first_half_of_it(
    before: list[int], began_s: float
) -> None:
    series = [0] * 6 + before + [7] * 10
    (raised,) = story([seen(float(t), people(count)) for t, count in enumerate(series)])
    assert raised.began.mono_s - 1000 == pytest.approx(began_s)
    assert after_s(raised) == 15.0, "the dwell counts from the first look that shows enough"


def test_who_has_been_there_for_long_says_nothing_of_when_a_crowd_began() -> None:
    series = [0, *(1 + t // 4 for t in range(20))] + [6] * 10
    (raised,) = story([seen(float(t), people(count)) for t, count in enumerate(series)])
    assert raised.began.mono_s - 1000 == pytest.approx(18 + 2.5 * 0.5**1.25), "the last two of the six"


def test_what_an_older_version_remembered_of_a_crowd_is_read() -> None:
    rule = {"hazard": "crowd", "zone": SQUARE, "raise_at_count": 6, "clear_at_count": 3, "dwell_s": 5}
    judge = CameraJudge(camera(rule))
    assert judged(judge, counts(lambda t: 7 if t >= 10 else 2, 12)) == []
    remembered = judge.snapshot()
    for one in remembered["rules"].values():
        assert one["state"].pop("lows")
    judge, ends = CameraJudge.resume(camera(rule), remembered)
    (raised,) = judged(judge, [seen(t, people(7)) for t in times(20, 0.5, 12.5)])
    assert (ends, after_s(raised), raised.began.mono_s - 1000) == ([], 15.0, 9.75)


def test_too_few_at_every_other_look_and_one_more_are_no_crowd() -> None:
    rare = [seen(t, people(7 if index % 3 == 0 else 4)) for index, t in enumerate(times(60))]
    assert story(rare, smooth_s=1.5) == []


def test_one_look_alone_is_no_crowd_even_without_a_dwell() -> None:
    once = [seen(t, people(7 if t == 10 else 2)) for t in times(20)]
    assert story(once, smooth_s=1.5, dwell_s=0) == []


@pytest.mark.parametrize(
    "things",
    [people(9, score=0.2), people(9, bottom=0.45), [("car", 0.9, box) for _, _, box in people(9)], people(1) * 9],
    ids=["too_faint", "feet_outside", "not_people", "one_person_nine_times"],
)
def test_what_is_no_crowd_is_not_counted(things: list[Thing]) -> None:
    assert story([seen(t, things) for t in times(30)]) == []


def test_feet_at_the_lower_edge_of_the_picture_are_inside_a_zone_that_reaches_it() -> None:
    assert story([seen(t, people(7, bottom=1.0)) for t in times(10)])[0].phase is Phase.RAISED


def test_a_crowd_that_doubles_is_more_severe_at_once() -> None:
    raised, worse, _cleared = story(counts(lambda t: 7 if t < 20 else 15 if t < 60 else 0, 80), severe_at_count=12)
    assert (raised.severity, worse.severity) == (Severity.ORANGE, Severity.RED)
    assert (worse.phase, after_s(worse)) == (Phase.UPDATED, 20.0)
    assert worse.reason.code == "crowd_still"


def test_growth_is_told_per_minute() -> None:
    assert growth_per_minute(tuple(CountAt(5.0 * i, 2.0 + i) for i in range(10))) == pytest.approx(12.0)
    assert growth_per_minute((CountAt(0.0, 2.0), CountAt(5.0, 9.0))) == 0.0


def test_an_update_is_told_when_the_count_changed_and_not_every_look() -> None:
    decisions = story(counts(lambda t: 7 + int(t / 20), 140))
    assert [d.phase for d in decisions][:2] == [Phase.RAISED, Phase.UPDATED]
    assert len(decisions) <= 4
    assert decisions[1].measures["growth"][0] == pytest.approx(3.0, abs=1.0)


def test_blind_looks_neither_raise_nor_clear() -> None:
    looks = counts(lambda _: 7, 8) + [seen(t, view=ViewState.UNKNOWN) for t in times(100, 0.5, 8.5)]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]


def test_counts_from_before_a_blind_stretch_do_not_count_after_it() -> None:
    looks = counts(lambda _: 7, 4) + [seen(t, people(7)) for t in times(203, 0.5, 200)]
    assert told(story(looks)) == [("raised", 201.0)]  # 4 s before, 1 s after: watched 5 s in all


# The lower half of the picture is 5 m wide and 2 m deep, seen straight from above: 10 m².
FLOOR = {"rectangle": {"corners": [[0, 1], [1, 1], [1, 0.5], [0, 0.5]], "width_m": 5, "depth_m": 2}}
DENSE = {"ground": FLOOR, "raise_at_count": 1000, "clear_at_count": 999, "levels": {"busy": 0.5, "dangerous": 1}}


def test_people_per_square_metre_raise_with_a_band_and_a_level() -> None:
    raised, cleared = story(counts(lambda t: 7 if t < 20 else 3, 40), **DENSE)
    assert (raised.phase, after_s(raised)) == (Phase.RAISED, 5.0)
    assert raised.measures["density"] == (pytest.approx(0.7), "people/m2")
    low, high = raised.measures["density_low"][0], raised.measures["density_high"][0]
    assert 0.6 < low < 0.7 < high < 0.8
    assert raised.reason.text.startswith("7 people in the zone, 0.7 per m² (0.7 to 0.7), busy >= 0.5 per m² for 5 s")
    assert (cleared.end_reason, after_s(cleared)) == (EndReason.SEEN_CLEAR, 24.0)


def test_a_count_that_swings_makes_the_band_wide() -> None:
    swinging = [seen(t, people(5 if index % 2 else 9)) for index, t in enumerate(times(20))]
    raised = story(swinging, **DENSE, smooth_s=4)[0]
    assert raised.measures["density_low"][0] < 0.5
    assert raised.measures["density_high"][0] > 0.9


def test_each_level_is_more_severe_and_told_at_once() -> None:
    decisions = story(counts(lambda t: 6 if t < 20 else 11 if t < 30 else 16, 40), **DENSE, severity=3)
    levels = {"levels": {"busy": 0.5, "dangerous": 1, "critical": 1.5}}
    assert [d.severity for d in decisions] == [Severity.YELLOW, Severity.ORANGE]
    decisions = story(counts(lambda t: 6 if t < 20 else 11 if t < 30 else 16, 40), **(DENSE | levels), severity=3)
    assert [(after_s(d), d.severity) for d in decisions] == [
        (5.0, Severity.YELLOW),
        (20.0, Severity.ORANGE),
        (30.0, Severity.RED),
    ]
    assert "critical" in decisions[2].reason.text


def test_between_three_quarters_of_busy_and_busy_a_crowd_stays_and_none_begins() -> None:
    assert [d.phase for d in story(counts(lambda t: 7 if t < 20 else 4, 60), **DENSE)] == [Phase.RAISED]
    assert story(counts(lambda _: 4, 60), **DENSE) == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.integers(1, 30)), min_size=1, max_size=8))
def test_it_never_raises_below_the_density_and_never_clears_above_it(runs: list[tuple[int, int]]) -> None:
    series = [count for count, length in runs for _ in range(length)]
    looks = [seen(index * 0.5, people(count)) for index, count in enumerate(series)]
    for decision in story(looks, **DENSE):
        index = round(after_s(decision) / 0.5)
        if decision.phase is Phase.RAISED:
            assert min(series[index - 10 : index + 1]) >= 5
        if decision.phase is Phase.CLEARED:
            assert max(series[index - 8 : index + 1]) / 10 < 0.75 * 0.5


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.integers(1, 30)), min_size=1, max_size=8))
def test_it_never_raises_below_the_count_and_never_clears_above_it(runs: list[tuple[int, int]]) -> None:
    series = [count for count, length in runs for _ in range(length)]
    looks = [seen(index * 0.5, people(count)) for index, count in enumerate(series)]
    for decision in story(looks):
        index = round(after_s(decision) / 0.5)
        if decision.phase is Phase.RAISED:
            assert min(series[index - 10 : index + 1]) >= 6
        if decision.phase is Phase.CLEARED:
            assert max(series[index - 8 : index + 1]) <= 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.integers(1, 12)), min_size=1, max_size=12))
def test_the_onset_told_lies_after_the_last_crowd_and_before_the_look_that_began_the_dwell(
    runs: list[tuple[int, int]],
) -> None:
    series = [count for count, length in runs for _ in range(length)]
    ended_s = -1.0
    for decision in story([seen(index * 0.5, people(count)) for index, count in enumerate(series)], smooth_s=1.5):
        began_s = decision.began.mono_s - 1000
        if decision.phase is Phase.RAISED:
            assert ended_s < began_s <= after_s(decision) - 5
            assert began_s >= 0, "never before the first look"
        if decision.ended is not None:
            ended_s = decision.ended.mono_s - 1000

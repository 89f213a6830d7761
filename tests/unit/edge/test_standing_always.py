"""Something stands here, over drawn scenes: what holds whatever stands there and whichever looks are missed."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.edge.observing import CAR, Thing, after_s, seen, told
from tests.unit.edge.test_standing import story
from xueliang_alerts.contract import Phase
from xueliang_edge.observations import Observation
from xueliang_edge.rules.places import MIN_PRESENCE, SETTLE_S


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[tuple[float, float]], list[float], list[tuple[float, float, bool]]]:
    """When a car stands (start, end), when the camera looks, and how each look is disturbed (dx, dy, missed)."""
    stretches, t = [], draw(st.floats(0, 10))
    for _ in range(draw(st.integers(1, 3))):
        length = draw(st.floats(3, 40))
        stretches.append((t, t + length))
        t += length + draw(st.floats(6, 20))
    looks, at = [], 0.0
    while at < t + 10:
        looks.append(at)
        at += draw(st.sampled_from([0.1875, 0.25, 0.5, 1.0]))  # exact in binary: a shift in time rounds nothing
    jitter = st.floats(-0.005, 0.005)
    disturbed = draw(
        st.lists(
            st.tuples(jitter, jitter, st.sampled_from([False] * 7 + [True])), min_size=len(looks), max_size=len(looks)
        )
    )
    return stretches, looks, disturbed


def missed_in(scene: tuple[list[tuple[float, float]], list[float], list[tuple[float, float, bool]]]) -> list[bool]:
    """Of each look, whether it misses what is there: never two in a row."""
    missed: list[bool] = []
    for _, _, is_missed in scene[2]:
        missed.append(is_missed and not (missed and missed[-1]))
    return missed


def looks_in(
    scene: tuple[list[tuple[float, float]], list[float], list[tuple[float, float, bool]]], start: float, end: float
) -> list[tuple[float, bool]]:
    """The looks while it stands, from the first that shows it: when, and whether it is missed."""
    looks = [(at, missed) for at, missed in zip(scene[1], missed_in(scene), strict=True) if start <= at < end]
    first = next(index for index, (_, missed) in enumerate(looks) if not missed)
    return looks[first:]


def is_steady(
    scene: tuple[list[tuple[float, float]], list[float], list[tuple[float, float, bool]]], start: float, end: float
) -> bool:
    """Whether it is seen for the share of its time that a place needs, at every look once it has settled."""
    seen_s = visible_s = 0.0
    for (before, _), (at, missed) in pairwise(looks_in(scene, start, end)):
        visible_s += at - before
        seen_s += 0.0 if missed else at - before
        if visible_s >= SETTLE_S and seen_s < MIN_PRESENCE * visible_s:
            return False
    return True


def is_due(
    scene: tuple[list[tuple[float, float]], list[float], list[tuple[float, float, bool]]], start: float, end: float
) -> bool:
    """Whether a look shows it the dwell after the first one that does."""
    looks = looks_in(scene, start, end)
    return any(not missed and at >= looks[0][0] + 10 for at, missed in looks)


def observed(
    scene: tuple[list[tuple[float, float]], list[float], list[tuple[float, float, bool]]],
    *,
    names: tuple[str, ...] = ("car",),
    ids: tuple[int, ...] = (1,),
    shift_s: float = 0.0,
) -> list[Observation]:
    stretches, looks, disturbed = scene
    made = []
    for index, (t, (dx, dy, _), missed) in enumerate(zip(looks, disturbed, missed_in(scene), strict=True)):
        there = any(start <= t < end for start, end in stretches) and not missed
        left, top, right, bottom = CAR[2]
        thing: Thing = (names[index % len(names)], 0.8, (left + dx, top + dy, right + dx, bottom + dy))
        made.append(
            seen(
                t,
                [thing] if there else [],
                track_ids=[ids[index % len(ids)]] if there else [],
                mono_start_s=1000.0 + shift_s,
            )
        )
    return made


def every_second(*missed: int, until_s: int) -> tuple[list[float], list[tuple[float, float, bool]]]:
    """A look a second; which of them miss what is there."""
    return [float(t) for t in range(until_s)], [(0.0, 0.0, t in missed) for t in range(until_s)]


@settings(max_examples=30, deadline=None)
@given(scenes())
@example(([(0.1, 12.9)], *every_second(1, 12, until_s=23)))  # missed at its first look and when its dwell was over
@example(([(0.0, 40.0)], *every_second(*range(5, 40, 2), until_s=51)))  # no longer seen for the share a place needs
def test_it_never_raises_without_having_stood_for_the_dwell_and_never_clears_while_it_stands(
    scene: tuple[list[tuple[float, float]], list[float], list[tuple[float, float, bool]]],
) -> None:
    steady = [(start, end) for start, end in scene[0] if is_steady(scene, start, end)]
    decisions = story(*observed(scene))
    for decision in decisions:
        t = after_s(decision)
        if decision.phase is Phase.RAISED:
            assert any(start + 10 <= t + 1e-6 and t < end for start, end in scene[0]), told(decisions)
        if decision.phase is Phase.CLEARED:
            assert not any(start <= t < end for start, end in steady), told(decisions)
    due = [1 for start, end in steady if is_due(scene, start, end)]
    assert sum(d.phase is Phase.RAISED for d in decisions) >= len(due)


@settings(max_examples=12, deadline=None)
@given(scenes(), st.sampled_from([0.0, 4096.0, 2.0**20]))
def test_the_same_scene_at_another_time_gives_the_same_story(
    scene: tuple[list[tuple[float, float]], list[float], list[tuple[float, float, bool]]], shift_s: float
) -> None:
    plain = [(d.phase, d.end_reason, d.began.at, d.observed.at) for d in story(*observed(scene))]
    shifted = [(d.phase, d.end_reason, d.began.at, d.observed.at) for d in story(*observed(scene, shift_s=shift_s))]
    assert plain == shifted


@settings(max_examples=12, deadline=None)
@given(scenes(), st.lists(st.integers(1, 50), min_size=1, max_size=7))
def test_changing_track_ids_and_classes_changes_nothing(
    scene: tuple[list[tuple[float, float]], list[float], list[tuple[float, float, bool]]], ids: list[int]
) -> None:
    switching = observed(scene, names=("car", "truck", "bus"), ids=tuple(ids))
    assert told(story(*switching)) == told(story(*observed(scene)))

"""Water that stands, things on a road: told by which cells of the zone differ from the scene, and when."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.unit.edge.observing import CAR, Thing, after_s, camera, judged, seen, times, told
from xueliang_alerts.contract import EndReason, Phase
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge

Grid = NDArray[np.float32]
DEBRIS = {"hazard": "debris_on_road", "dwell_s": 10, "clear_after_s": 4}
WATER = {"hazard": "water_level", "dwell_s": 10, "clear_after_s": 4}


def grid(rows: slice = slice(0, 0), columns: slice = slice(0, 0)) -> Grid:
    """A change grid 18 x 32; the lane covers rows 9 to 16 and columns 3 to 28."""
    cells = np.zeros((18, 32), dtype=np.float32)
    cells[rows, columns] = 1.0
    return cells


BOX = grid(slice(11, 13), slice(10, 13))
EVERYWHERE = grid(slice(0, 18), slice(0, 32))


def story(looks: list[Observation], rule: dict[str, object] = DEBRIS, **settings: object) -> list[Decision]:
    return judged(CameraJudge(camera(rule | settings)), looks)


def lies(is_there: Callable[[float], bool], end_s: float, every_s: float = 0.5, cells: Grid = BOX) -> list[Observation]:
    return [seen(t, change=cells if is_there(t) else grid()) for t in times(end_s, every_s)]


def test_an_object_is_raised_after_its_dwell_and_cleared_when_the_road_looks_as_always() -> None:
    raised, cleared = story(lies(lambda t: 5 <= t < 40, 60))
    assert (raised.phase, after_s(raised), raised.began.mono_s - 1000) == (Phase.RAISED, 15.0, 5.0)
    assert raised.reason.code == "debris_seen"
    assert raised.reason.text.startswith("4% of the zone changed for 10 s, >= 1% for 10 s: an object without a name")
    assert raised.boxes_xyxyn == (pytest.approx((10 / 32, 11 / 18, 13 / 32, 13 / 18)),)
    assert raised.model_digest is None
    assert (cleared.end_reason, after_s(cleared)) == (EndReason.SEEN_CLEAR, 44.0)
    assert cleared.reason.code == "debris_gone"


@pytest.mark.parametrize("name", ["person", "car"])
def test_people_and_vehicles_that_pass_or_stand_are_no_debris(name: str) -> None:
    def passes(t: float) -> Observation:
        left = 0.1 + (0.1 * t) % 0.6
        thing: Thing = (name, 0.7, (left, 0.5, left + 0.1, 0.8))
        return seen(t, [thing], change=grid(slice(9, 15), slice(round(left * 32), round((left + 0.1) * 32))))

    assert story([passes(t) for t in times(120)]) == []
    stands: Thing = (name, 0.7, (0.3, 0.55, 0.42, 0.75))
    assert story([seen(t, [stands], change=BOX) for t in times(120)]) == []


def test_a_shadow_that_creeps_is_no_debris_and_water_that_spreads_is_water() -> None:
    def creeping(t: float) -> Grid:
        return grid(slice(9, 17), slice(3, 3 + int(t / 30)))  # a column of cells every half minute

    looks = [seen(t, change=creeping(t)) for t in times(600, 2.0)]
    assert story(looks, min_changed=0.08) == []
    raised = story(looks, WATER, min_changed=0.3)[0]
    assert raised.reason.code == "water_seen"
    assert raised.measures["share"][0] >= 0.3


def test_light_that_changes_much_at_once_is_neither_there_nor_gone() -> None:
    assert story([seen(t, change=EVERYWHERE) for t in times(120)]) == []
    looks = [seen(t, change=BOX if t < 20 else EVERYWHERE if t < 60 else BOX) for t in times(90)]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]


@pytest.mark.parametrize("unknown", [None, np.full((18, 32), np.nan, np.float32)], ids=["no_scene", "forgotten"])
def test_nothing_to_compare_with_neither_raises_nor_clears(unknown: Grid | None) -> None:
    assert story([seen(t, change=BOX if t < 8 else unknown) for t in times(60)]) == []
    looks = [seen(t, change=BOX if t < 20 else unknown) for t in times(120)]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]
    looks = [seen(t, change=BOX if t < 20 else unknown) for t in times(900, 1.0)]
    assert [d.end_reason for d in story(looks)] == [None, EndReason.VIEW_LOST]


@pytest.mark.parametrize("view", [ViewState.OFFLINE, ViewState.UNKNOWN])
def test_a_view_that_is_not_good_never_raises_and_never_clears(view: ViewState) -> None:
    looks = [*lies(lambda _: True, 8), *[seen(t, view=view) for t in times(300, 0.5, 8.5)]]
    assert story(looks) == []
    looks = [*lies(lambda _: True, 15), *[seen(t, view=view) for t in times(300, 0.5, 15.5)]]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]


def test_what_is_hidden_by_a_vehicle_is_not_gone() -> None:
    lorry: Thing = ("truck", 0.9, (0.25, 0.3, 0.6, 0.95))
    looks = [seen(t, [lorry] if 20 <= t < 60 else [], change=BOX) for t in times(90)]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]


def test_the_bare_road_under_a_vehicle_that_was_learnt_is_no_debris() -> None:
    ghost = grid(slice(10, 14), slice(10, 16))
    looks = [seen(t, [CAR] if t < 30 else [], change=grid() if t < 30 else ghost) for t in times(120)]
    assert story(looks) == []


def test_a_vehicle_that_only_passes_hides_nothing_that_falls_from_it() -> None:
    looks = [seen(t, [CAR] if 10 <= t < 13 else [], change=grid() if t < 12 else BOX) for t in times(60)]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]


def test_scattered_flicker_is_no_piece() -> None:
    scattered = grid()
    scattered[9:17:2, 3:29:3] = 1.0
    assert story([seen(t, change=scattered) for t in times(60)], min_changed=0.02) == []


def test_an_excluded_part_counts_for_nothing() -> None:
    tree = [[0.28, 0.55], [0.45, 0.55], [0.45, 0.75], [0.28, 0.75]]
    assert story(lies(lambda _: True, 60), exclude_zones=[tree]) == []


RUNS = st.lists(st.tuples(st.sampled_from(["there", "gone", "hidden", "blind"]), st.integers(1, 60)), max_size=8)


@settings(max_examples=40, deadline=None)
@given(RUNS, st.sampled_from([0.0, 2.0**20]))
def test_it_never_raises_without_its_dwell_and_never_clears_while_it_lies_there(
    runs: list[tuple[str, int]], shift_s: float
) -> None:
    states = [state for state, length in runs for _ in range(length)]
    hiding: Thing = ("person", 0.8, (0.25, 0.5, 0.5, 0.95))

    def look(i: int, state: str) -> Observation:
        start = 1000.0 + shift_s
        if state == "blind":
            return seen(0.5 * i, view=ViewState.UNKNOWN, mono_start_s=start)
        things = [hiding] if state == "hidden" else []
        return seen(0.5 * i, things, change=grid() if state == "gone" else BOX, mono_start_s=start)

    for decision in story([look(i, state) for i, state in enumerate(states)]):
        index = round((after_s(decision) - shift_s) * 2)
        if decision.phase is Phase.RAISED:
            began = round((decision.began.mono_s - 1000 - shift_s) * 2)
            assert index - began >= 20
            assert "gone" not in states[began : index + 1]
            assert states[index] == "there"
        elif decision.end_reason is EndReason.SEEN_CLEAR:
            assert_seen_gone([state for state in states[: index + 1] if state != "blind"])


def assert_seen_gone(judged_looks: list[str]) -> None:
    """Gone at the last look, and in nine in all since it was last there for two seconds."""
    assert judged_looks[-1] == "gone"
    gone, there = 0, 0
    for state in reversed(judged_looks):
        if gone >= 9:
            return
        gone, there = gone + (state == "gone"), there + 1 if state == "there" else 0
        assert there < 5, judged_looks[-40:]


def test_what_was_seen_gone_once_is_not_gone_while_somebody_stands_before_it() -> None:
    walker: Thing = ("person", 0.8, (0.25, 0.5, 0.5, 0.95))
    looks = [seen(t, change=BOX if t < 20 else grid()) for t in times(20.5)]
    looks += [seen(t, [walker], change=grid()) for t in times(60, 0.5, 21)]
    assert [d.phase for d in story(looks)] == [Phase.RAISED]


@pytest.mark.parametrize("every_s", [0.1, 0.25, 1.0, 2.0])
def test_the_story_is_the_same_at_any_look_rate(every_s: float) -> None:
    (_, raised_s), (_, cleared_s) = told(story(lies(lambda t: t < 30, 60, every_s)))
    assert 10 <= raised_s <= 10 + every_s
    assert 34 <= cleared_s <= 34 + 2 * every_s

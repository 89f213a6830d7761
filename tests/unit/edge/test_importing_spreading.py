"""Cameras shared out among nodes: by cores and Mbit/s, or refused with the arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_edge.carrying import FILLED_SHARE, NODE_CAMERAS
from xueliang_edge.importing.spreading import LINK_SHARE, DoesNotFit, Load, NodeRoom, Spread, spread

SMALL, LARGE = NodeRoom("small", 1.0, 100.0), NodeRoom("large", 4.0, 400.0)


def shared(loads: list[Load], nodes: list[NodeRoom]) -> Spread:
    result = spread(loads, nodes)
    assert isinstance(result, Spread), result
    return result


def test_cameras_go_where_most_room_is() -> None:
    loads = [Load(f"cam-{index}", 0.02, 4.0) for index in range(50)]
    result = shared(loads, [SMALL, LARGE])
    cameras = {one.node.name: one.cameras for one in result.filled}
    assert cameras == {"small": 10, "large": 40}
    assert set(result.node_of) == {load.camera_id for load in loads}


def test_the_largest_come_first_so_that_everything_fits() -> None:
    """In the table's order the small ones would fill both nodes half, and the large one would find no room."""
    nodes = [NodeRoom("a", 1.0, 1e6), NodeRoom("b", 1.0, 1e6)]
    loads = [*(Load(f"small-{index}", 0.2, 1.0) for index in range(4)), Load("vast", 0.8, 1.0)]
    result = shared(loads, nodes)
    assert [load for load in loads if result.node_of[load.camera_id] == result.node_of["vast"]] == [loads[-1]]


def test_a_link_may_be_what_limits() -> None:
    result = shared([Load(f"cam-{index}", 0.001, 8.0) for index in range(9)], [SMALL])
    (filled,) = result.filled
    assert filled.first_limit == "Mbit/s"
    assert filled.words() == (
        "small: 9 cameras, 0.01 of 80% x 1 = 0.80 cores, 72.0 of 80% x 100 = 80 Mbit/s; full first: Mbit/s (90%)"
    )


def test_a_camera_that_the_table_places_stays_there() -> None:
    loads = [Load("pinned", 0.5, 1.0, node="small"), *(Load(f"cam-{index}", 0.1, 1.0) for index in range(5))]
    result = shared(loads, [SMALL, LARGE])
    assert result.node_of["pinned"] == "small"
    assert all(result.node_of[f"cam-{index}"] == "large" for index in range(5))


@pytest.mark.parametrize(
    ("loads", "nodes", "first"),
    [
        pytest.param([Load(f"c-{n}", 0.1, 1.0) for n in range(20)], [SMALL], "cores first (250%", id="cores"),
        pytest.param([Load(f"c-{n}", 0.001, 20.0) for n in range(10)], [SMALL], "Mbit/s first (250%", id="link"),
        pytest.param(
            [Load(f"c-{n}", 1e-6, 1e-6) for n in range(NODE_CAMERAS + 1)], [SMALL], "cameras first (100%", id="file"
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_arithmetic(loads: list[Load], nodes: list[NodeRoom], first: str) -> None:
    result = spread(loads, nodes)
    assert isinstance(result, DoesNotFit)
    assert result.left
    assert first in result.words
    assert f"{len(loads)} cameras need" in result.words
    assert "try: name another node" in result.words


def test_a_camera_larger_than_any_node_is_named() -> None:
    result = spread([Load("vast", 3.0, 4.0), Load("usual", 0.02, 4.0)], [SMALL, NodeRoom("other", 2.0, 50.0)])
    assert isinstance(result, DoesNotFit)
    assert result.left == ("vast",)


def test_one_that_is_pinned_where_no_room_is_says_so() -> None:
    result = spread([Load("pinned", 0.9, 1.0, node="small")], [SMALL, LARGE])
    assert isinstance(result, DoesNotFit)
    assert "given a node by the table" in result.words


def test_room_that_nobody_stated_is_called_assumed() -> None:
    result = shared([Load("cam", 0.1, 1.0)], [NodeRoom("edge-01", 2.0, 100.0, is_assumed=True)])
    assert result.filled[0].words().endswith("(assumed: say --node edge-01=CORES,MBIT)")


@given(
    loads=st.lists(st.tuples(st.floats(0.0, 0.5), st.floats(0.0, 20.0)), max_size=60),
    nodes=st.lists(st.tuples(st.floats(0.1, 16.0), st.floats(1.0, 1000.0)), min_size=1, max_size=5),
    turn=st.randoms(use_true_random=False),
)
def test_no_node_is_ever_overfull_and_the_order_of_the_table_does_not_matter(
    loads: list[tuple[float, float]], nodes: list[tuple[float, float]], turn: object
) -> None:
    wanted = [Load(f"cam-{index}", cores, mbit) for index, (cores, mbit) in enumerate(loads)]
    rooms = [NodeRoom(f"node-{index}", cores, mbit) for index, (cores, mbit) in enumerate(nodes)]
    result = spread(wanted, rooms)
    mixed = wanted[:]
    turn.shuffle(mixed)  # type: ignore[attr-defined]
    assert spread(mixed, rooms) == result or isinstance(result, DoesNotFit)
    if isinstance(result, Spread):
        assert set(result.node_of) == {load.camera_id for load in wanted}
        for filled in result.filled:
            there = [load for load in wanted if result.node_of[load.camera_id] == filled.node.name]
            assert sum(load.cores for load in there) <= FILLED_SHARE * filled.node.cores * (1 + 1e-9)
            assert sum(load.mbit_per_s for load in there) <= LINK_SHARE * filled.node.mbit_per_s * (1 + 1e-9)
            assert filled.cameras == len(there)

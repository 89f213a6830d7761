"""From prices to cameras, and what limits first."""

from __future__ import annotations

import pytest

from xueliang_edge.carrying import (
    CAMERA_BYTES,
    FILLED_SHARE,
    NODE_BYTES,
    NODE_CAMERAS,
    SHM_CAMERA_BYTES,
    Prices,
    Room,
    Spread,
    carried,
    spread_of,
)


def _exactly(value_ms: float) -> Spread:
    return Spread(value_ms, value_ms, value_ms)


PRICES = Prices(_exactly(20), _exactly(4), _exactly(4), _exactly(1), _exactly(10))
WIDE = Prices(Spread(15, 20, 30), Spread(3, 4, 6), Spread(3, 4, 6), Spread(0.8, 1, 1.5), Spread(8, 10, 15))
PLENTY = Room(cores=2.0, all_cores_share=1.0, memory_bytes=64 * 2**30, shm_bytes=32 * 2**30)


def test_cameras_per_core_are_a_minute_by_the_cost() -> None:
    for one in carried(PRICES, PLENTY):
        assert one.per_core.middle == pytest.approx(60 / one.cost.cpu_s_per_minute)
        assert one.per_machine.middle == pytest.approx(2 * FILLED_SHARE * one.per_core.middle)
        assert one.limits[0][0] == "processor"


def test_sub_streams_carry_more_and_watching_all_carries_less() -> None:
    main_only, with_sub, all_watched = (one.per_core.middle for one in carried(PRICES, PLENTY))
    assert with_sub > main_only
    assert all_watched < with_sub


def test_the_spread_of_the_measurements_becomes_a_band() -> None:
    for one in carried(WIDE, PLENTY):
        assert one.per_core.low < one.per_core.middle < one.per_core.high


@pytest.mark.parametrize(
    ("room", "first", "cameras"),
    [
        pytest.param(Room(2.0, 1.0, NODE_BYTES + 10 * CAMERA_BYTES, None), "memory", 10, id="memory"),
        pytest.param(Room(2.0, 1.0, None, 7 * SHM_CAMERA_BYTES), "shared memory", 7, id="a container's 64 MB"),
        pytest.param(Room(64.0, 1.0, None, None), "one settings file", NODE_CAMERAS, id="a large machine"),
    ],
)
def test_what_limits_first_is_named_and_holds(room: Room, first: str, cameras: int) -> None:
    for one in carried(PRICES, room):
        assert one.limits[0] == (first, cameras)
        assert one.per_machine.high <= cameras


def test_a_machine_smaller_than_the_node_carries_none() -> None:
    assert carried(PRICES, Room(2.0, 1.0, NODE_BYTES // 2, None))[0].per_machine.high == 0


def test_cores_that_share_their_parts_count_less() -> None:
    half = Room(cores=2.0, all_cores_share=0.6, memory_bytes=None, shm_bytes=None)
    assert carried(PRICES, half)[0].per_machine.middle == pytest.approx(
        0.6 * carried(PRICES, Room(2.0, 1.0, None, None))[0].per_machine.middle
    )


def test_spread_is_by_rank() -> None:
    assert spread_of([3.0]) == Spread(3.0, 3.0, 3.0)
    assert spread_of([float(value) for value in range(1, 101)]) == Spread(11.0, 51.0, 91.0)
    with pytest.raises(ValueError, match="at least one"):
        spread_of([])
    with pytest.raises(ValueError, match="low <= middle"):
        Spread(2.0, 1.0, 3.0)

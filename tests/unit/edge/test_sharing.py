"""What the node may do is given to its capture processes by how many of their cameras are away."""

from __future__ import annotations

import pytest

from xueliang_edge.capture.orders import RECONNECTS_PER_S
from xueliang_edge.capture.sharing import count_away, node_reconnects_per_s, shares_per_s
from xueliang_edge.looks import CaptureHealth
from xueliang_streams.source import SourceState


@pytest.mark.parametrize("away", [[0], [0, 0], [16, 16, 16, 16], [16, 0, 0, 0], [1, 15, 3]], ids=str)
def test_the_shares_are_together_what_the_node_may_do_and_none_is_nothing(away: list[int]) -> None:
    shares = shares_per_s(away, 0.45)
    assert sum(shares) == pytest.approx(0.45)
    assert min(shares) > 0
    assert sorted(range(len(away)), key=lambda index: (away[index], index)) == sorted(
        range(len(away)), key=lambda index: (shares[index], index)
    )


def test_a_process_whose_cameras_are_all_away_gets_nearly_everything() -> None:
    assert shares_per_s([16, 0, 0, 0], 0.45)[0] == pytest.approx(0.45 * 17 / 20)


def test_a_node_without_cameras_shares_nothing() -> None:
    assert shares_per_s([], 0.45) == []


def test_a_node_of_more_than_64_cameras_may_try_in_proportion() -> None:
    assert node_reconnects_per_s(1) == node_reconnects_per_s(64) == RECONNECTS_PER_S <= 0.5
    assert node_reconnects_per_s(256) == 4 * RECONNECTS_PER_S


def test_only_cameras_that_are_tried_again_and_again_count_as_away() -> None:
    healths = {state.value: CaptureHealth(state, 0.0, None, 0) for state in SourceState}
    assert count_away(healths) == 3

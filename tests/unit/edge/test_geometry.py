"""Boxes and zones: the plain-number forms say what the array forms say, and areas are exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_edge.rules import geometry
from xueliang_edge.rules.geometry import Box, Zone

SQUARE: Zone = ((0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6))
HORSESHOE: Zone = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.7, 0.9), (0.7, 0.3), (0.3, 0.3), (0.3, 0.9), (0.1, 0.9))

shares = st.floats(0.0, 1.0, width=32)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    left, top = draw(st.floats(0.0, 0.875, width=32)), draw(st.floats(0.0, 0.875, width=32))
    width, height = draw(st.floats(2.0**-6, 1.0, width=32)), draw(st.floats(2.0**-6, 1.0, width=32))
    return left, top, min(1.0, left + width), min(1.0, top + height)


@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=20), st.sampled_from([SQUARE, HORSESHOE]))
def test_one_point_is_inside_as_many_are(points: list[tuple[float, float]], zone: Zone) -> None:
    together = geometry.points_inside(np.array(points, dtype=np.float64), zone)
    assert [geometry.is_inside(x, y, zone) for x, y in points] == together.tolist()


@given(boxes(), boxes())
def test_one_pair_overlaps_as_many_do(a: Box, b: Box) -> None:
    both = geometry.ious(np.array([a], np.float32), np.array([b], np.float32))[0, 0]
    assert geometry.iou_of(a, b) == pytest.approx(float(both), abs=1e-4)
    assert geometry.touches(a, b) or geometry.common_area(a, b) == 0.0


@given(boxes())
def test_feet_and_ground_of_one_box_are_those_of_many(box: Box) -> None:
    many = np.array([box], np.float32)
    assert geometry.feet_of_one(box) == pytest.approx(geometry.feet_of(many)[0].tolist(), abs=1e-6)
    assert geometry.ground_of_one(box) == pytest.approx(geometry.ground_of(many)[0].tolist(), abs=1e-6)


@given(boxes(), st.sampled_from([SQUARE, HORSESHOE]))
def test_the_area_common_to_box_and_zone_is_what_counting_points_gives(box: Box, zone: Zone) -> None:
    steps = (np.arange(200) + 0.5) / 200
    xs, ys = np.meshgrid(box[0] + steps * (box[2] - box[0]), box[1] + steps * (box[3] - box[1]))
    share = geometry.points_inside(np.stack([xs.ravel(), ys.ravel()], axis=1), zone).mean()
    assert geometry.common_with_zone(box, zone) == pytest.approx(share * geometry.area_of(box), abs=0.01)


@pytest.mark.parametrize(
    ("box", "area"),
    [
        pytest.param((0.0, 0.0, 1.0, 1.0), 0.16, id="zone inside box"),
        pytest.param((0.3, 0.3, 0.4, 0.5), 0.02, id="box inside zone"),
        pytest.param((0.5, 0.0, 0.7, 0.3), 0.01, id="a corner"),
        pytest.param((0.6, 0.0, 0.9, 1.0), 0.0, id="a common edge"),
        pytest.param((0.7, 0.7, 0.9, 0.9), 0.0, id="apart"),
    ],
)
def test_the_area_common_to_box_and_square(box: Box, area: float) -> None:
    assert geometry.common_with_zone(box, SQUARE) == pytest.approx(area)


def test_a_zone_that_falls_apart_counts_its_pieces_only() -> None:
    across_both_legs: Box = (0.0, 0.5, 1.0, 0.6)
    assert geometry.common_with_zone(across_both_legs, HORSESHOE) == pytest.approx(0.4 * 0.1)
    between_the_legs: Box = (0.35, 0.5, 0.65, 0.8)
    assert geometry.common_with_zone(between_the_legs, HORSESHOE) == pytest.approx(0.0)


@given(st.lists(st.tuples(boxes(), st.floats(0.125, 1.0, width=32)), max_size=12))
def test_what_was_reported_several_times_stays_once(found: list[tuple[Box, float]]) -> None:
    rows = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in found], np.float32)
    kept = geometry.merged(rows, scores, 0.55, 0.85).tolist()
    assert kept == sorted(kept, key=lambda index: (-scores[index], index))
    overlaps = geometry.ious(rows, rows)
    for place, index in enumerate(kept):
        assert not (overlaps[index, kept[:place]] > 0.551).any()
    for index in set(range(len(found))) - set(kept):
        surer = [other for other in kept if scores[other] >= scores[index]]
        assert any(geometry.touches(found[index][0], found[other][0]) for other in surer)

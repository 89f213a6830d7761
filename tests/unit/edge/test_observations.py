"""An observation that contradicts itself is refused where it is made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from xueliang_edge.observations import Observation, ViewFault, ViewState, blind

GOOD: dict[str, Any] = {
    "camera_id": "lane",
    "observed_mono_s": 1.0,
    "observed_at": datetime(2026, 11, 23, tzinfo=UTC),
    "view": ViewState.GOOD,
    "boxes_xyxyn": np.array([[0.1, 0.1, 0.2, 0.2]], dtype=np.float32),
    "scores": np.array([0.5], dtype=np.float32),
    "class_names": ("car",),
    "track_ids": np.array([1], dtype=np.int64),
}


def test_an_empty_picture_is_a_good_observation() -> None:
    empty = Observation(**{key: GOOD[key] for key in ("camera_id", "observed_mono_s", "observed_at", "view")})
    assert empty.is_good
    assert empty.boxes_xyxyn.shape == (0, 4)


def test_cells_may_be_unknown() -> None:
    assert Observation(**GOOD, change=np.full((2, 3), np.nan, dtype=np.float32)).change is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"scores": np.array([], dtype=np.float32)},
        {"class_names": ("car", "car")},
        {"track_ids": np.array([1, 2])},
        {"boxes_xyxyn": np.array([[0.1, np.nan, 0.2, 0.2]], dtype=np.float32)},
        {"scores": np.array([np.nan], dtype=np.float32)},
        {"observed_mono_s": float("nan")},
        {"observed_at": datetime(2026, 11, 23)},  # noqa: DTZ001
        {"change": np.zeros(5, dtype=np.float32)},
        {"change": np.full((2, 2), np.inf, dtype=np.float32)},
        {"view": ViewState.OFFLINE},
        {"view_fault": ViewFault.COVERED},
        {"view_figure": 0.123},
    ],
    ids=[
        "scores",
        "names",
        "tracks",
        "nan_box",
        "nan_score",
        "nan_time",
        "naive_time",
        "flat_grid",
        "inf",
        "blind_boxes",
        "faulty_good_view",
        "figure_between_steps",
    ],
)
def test_what_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Observation(**(GOOD | wrong))


def test_a_good_view_is_not_blind() -> None:
    with pytest.raises(ValueError):
        blind("lane", ViewState.GOOD, mono_s=0.0, at=GOOD["observed_at"])


def test_rows_are_the_same_boxes_and_a_later_one_keeps_them() -> None:
    seen = Observation(**GOOD)
    later = seen.later(5.0)
    assert later.observed_mono_s == seen.observed_mono_s + 5.0
    for one in (seen, later):
        boxes, scores, names = zip(*one.rows, strict=True)
        assert np.array_equal(np.array(boxes, np.float32), seen.boxes_xyxyn)
        assert np.array_equal(np.array(scores, np.float32), seen.scores)
        assert names == seen.class_names

"""Observations of every kind for tests of the log, and what is the same as what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from xueliang_edge.observation_log.encoding import as_logged
from xueliang_edge.observation_log.files import write_segment
from xueliang_edge.observation_log.groups import Group
from xueliang_edge.observations import VIEW_FIGURE_STEPS, Observation, ViewFault, ViewState

GRIDS = ((18, 32), (2, 3))
NAMES = st.sampled_from(["person", "car", "truck", "电动车", "", 'odd "name"\n'])


def assert_same(left: Observation, right: Observation) -> None:
    """Every field, to the last bit."""
    for name in (field.name for field in fields(Observation) if field.init):
        one, other = getattr(left, name), getattr(right, name)
        if isinstance(one, np.ndarray):
            assert isinstance(other, np.ndarray), name
            assert one.dtype == other.dtype, name
            assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), name
        else:
            assert one == other, name


def assert_all_same(left: Iterable[Observation], right: Iterable[Observation]) -> None:
    for one, other in zip(left, right, strict=True):
        assert_same(one, other)


@st.composite
def observations(draw: st.DrawFn, camera_id: str = "lane") -> Observation:
    """Any observation that `Observation` allows, boxes outside of the picture and upside down too."""
    view = draw(st.sampled_from([ViewState.GOOD, ViewState.GOOD, ViewState.GOOD, ViewState.OFFLINE, ViewState.UNKNOWN]))
    is_good = view is ViewState.GOOD
    fault = draw(st.sampled_from([None, *ViewFault])) if view is ViewState.UNKNOWN else None
    n = draw(st.integers(0, 6)) if is_good else 0
    numbers = st.floats(-0.5, 1.5, width=32)
    grid_hw = draw(st.sampled_from([None, GRIDS[0], GRIDS[0], GRIDS[1]])) if is_good else None
    shares = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0, float("nan")]), st.floats(-0.125, 1.125, width=32))
    return Observation(
        camera_id=camera_id,
        observed_mono_s=draw(st.floats(-1e6, 1e9)),
        observed_at=draw(st.datetimes(datetime(1960, 1, 1), datetime(2200, 1, 1))).replace(tzinfo=UTC),  # noqa: DTZ001
        view=view,
        boxes_xyxyn=draw(arrays.arrays(np.float32, (n, 4), elements=numbers)),
        scores=draw(arrays.arrays(np.float32, (n,), elements=numbers)),
        class_names=tuple(draw(st.lists(NAMES, min_size=n, max_size=n))),
        track_ids=np.array(draw(st.lists(st.integers(-2, 5), min_size=n, max_size=n)), np.int64),
        frame_size_wh=draw(st.sampled_from([None, (1920, 1080), (640, 360)])),
        model_digest=draw(st.sampled_from([None, "a" * 64])),
        confident_score=draw(st.sampled_from([0.35, 0.45])),
        change=None if grid_hw is None else draw(arrays.arrays(np.float32, grid_hw, elements=shares, fill=shares)),
        detector=draw(st.sampled_from(["objects", "night"])),
        is_carried=draw(st.booleans()),
        view_fault=fault,
        view_figure=0.0 if fault is None else draw(st.integers(0, VIEW_FIGURE_STEPS)) / VIEW_FIGURE_STEPS,
        view_id=draw(st.sampled_from([None, "gate", "yard"])) if is_good else None,
    )


def group_of(looks: Iterable[Observation], *, run_id: str = "run-1", first: int = 1) -> Group:
    """These looks, encoded, numbered from `first` on."""
    group = Group(run_id)
    for sequence, one in enumerate(looks, first):
        group.add(as_logged(one), sequence, None)
    return group


def keep(folder: Path, serial: int, group: Group) -> Path:
    """As a segment."""
    folder.mkdir(exist_ok=True)
    return write_segment(folder, serial, group.segment())

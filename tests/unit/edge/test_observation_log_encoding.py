"""What rules judge is what the log keeps: encoding twice is encoding once, and thresholds stay where they were."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.edge.logged import assert_all_same, assert_same, group_of, observations
from tests.unit.edge.observing import CAR, START, seen
from xueliang_edge.errors import NotRepresentable
from xueliang_edge.observation_log import blocks
from xueliang_edge.observation_log.encoding import as_logged, change_levels, changes_of, score_steps, scores_of
from xueliang_edge.observation_log.rows import MAX_BOXES, Context, Tables
from xueliang_edge.observations import Observation, ViewFault, ViewState

KEPT = settings(max_examples=60, deadline=None)


@KEPT
@given(observations())
def test_encoding_what_was_encoded_changes_nothing(one: Observation) -> None:
    logged = as_logged(one)
    assert_same(as_logged(logged), logged)


@KEPT
@given(st.lists(observations(), min_size=1, max_size=25))
def test_a_block_gives_back_what_was_encoded(looks: list[Observation]) -> None:
    read = []
    for block in group_of(looks).blocks:
        head, data = blocks.encoded(block.camera_id, block.rows, block.tables)
        read += list(blocks.decoded(head, memoryview(data), "run-1").observations())
    assert_all_same(read, map(as_logged, looks))


def test_times_are_never_in_the_future_and_stay() -> None:
    one = seen(0.1239)
    logged = as_logged(replace(one, observed_at=START + timedelta(microseconds=123_999)))
    assert (logged.observed_mono_s, logged.observed_at) == (1000.123, START + timedelta(milliseconds=123))


@pytest.mark.parametrize("percent", range(0, 101, 5))
def test_a_score_of_two_digits_is_kept_exactly(percent: int) -> None:
    score = np.array([percent / 100], np.float32)
    assert scores_of(score_steps(score)) == score


@pytest.mark.parametrize("threshold", [0.25, 0.5])
def test_a_cell_stays_on_its_side_of_what_rules_ask_for(threshold: float) -> None:
    shares = (np.arange(26) / 25).astype(np.float32)
    assert np.array_equal(changes_of(change_levels(shares)) >= threshold, shares >= threshold)


def test_a_cell_that_is_not_known_stays_so() -> None:
    change = np.array([[np.nan, 0.0, 1.0]], np.float32)
    assert np.array_equal(changes_of(change_levels(change)), change, equal_nan=True)


def test_boxes_come_track_by_track() -> None:
    people = [("person", 0.5, (0.1 * n, 0.1, 0.1 * n + 0.05, 0.3)) for n in range(3)]
    logged = as_logged(seen(0, [CAR, *people], track_ids=[7, -1, 2, 5]))
    assert logged.track_ids.tolist() == [2, 5, 7, -1]
    assert logged.class_names == ("person", "person", "car", "person")


def test_a_carried_answer_costs_a_few_bytes() -> None:
    grid = np.zeros((18, 32), np.float32)
    first = seen(0, [CAR] * 20, change=grid)
    looks = [first, *(replace(first, observed_mono_s=1000.0 + t, is_carried=True) for t in range(1, 1001))]
    (block,) = group_of(looks).blocks
    _, data = blocks.encoded("lane", block.rows, block.tables)
    _, alone = blocks.encoded("lane", block.rows[:1], block.tables)
    assert len(data) - len(alone) < 1000 * 1.0


def test_a_look_too_large_to_keep_is_refused() -> None:
    with pytest.raises(NotRepresentable, match="4097 boxes"):
        Tables().pack(seen(0, [CAR] * (MAX_BOXES + 1)), 1)


def test_a_log_from_before_views_had_faults_is_read() -> None:
    written = ["unknown", "objects", None, 0.35, [1280, 720]]
    context = Context.from_json(written)
    assert (context.view, context.view_fault, context.view_figure) == (ViewState.UNKNOWN, None, 0.0)
    assert context.to_json() == ["unknown", "objects", None, 0.35, (1280, 720)], "what has no fault is written as then"


def test_a_fault_of_the_view_is_kept_with_its_figure() -> None:
    one = as_logged(seen(0, view_fault=ViewFault.COVERED, view_figure=0.85))
    (block,) = group_of([one]).blocks
    head, data = blocks.encoded(block.camera_id, block.rows, block.tables)
    (read,) = blocks.decoded(head, memoryview(data), "run-1").observations()
    assert_same(read, one)
    assert (read.view_fault, read.view_figure) == (ViewFault.COVERED, 0.85)

"""SequenceRanges against a plain set."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_alerts.ranges import SequenceRanges

spans = st.tuples(st.integers(1, 60), st.integers(0, 9)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(st.tuples(st.booleans(), spans), max_size=30))
def test_it_is_a_set_of_sequences(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    ranges, model = SequenceRanges(), set[int]()
    for adds, (first, last) in steps:
        if adds:
            ranges.add(first, last)
            model |= set(range(first, last + 1))
        else:
            ranges.discard(first, last)
            model -= set(range(first, last + 1))
    assert {sequence for sequence in range(1, 80) if sequence in ranges} == model
    assert ranges.count() == len(model)
    assert ranges.highest == max(model, default=0)
    through = next((number for number in range(1, 90) if number not in model), 1) - 1
    assert ranges.contiguous_through == through
    assert ranges == SequenceRanges((number, number) for number in model)
    beyond = {n for first, last in ranges.beyond_contiguous() for n in range(first, last + 1)}
    assert beyond == {number for number in model if number > through}
    missing = {n for first, last in ranges.missing_within(5, 50) for n in range(first, last + 1)}
    assert missing == set(range(5, 51)) - model
    pairs = list(ranges)
    assert all(after[0] > before[1] + 1 for before, after in pairwise(pairs)), "merged and sorted"


@pytest.mark.parametrize(("first", "last"), [(0, 3), (4, 3), (-1, -1)])
def test_what_is_no_range_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="counts from 1"):
        SequenceRanges([(first, last)])

from __future__ import annotations

import pytest

from xueliang_streams.decoding import RateLimit


@pytest.mark.parametrize(
    ("source_fps", "max_fps", "expected"),
    [(25, 10, 100), (12, 5, 50), (12, 10, 100), (10, 10, 100), (5, 10, 50), (25, 0.5, 5), (25, None, 250)],
)
def test_ten_seconds_give_the_rate_asked_for_or_the_sources(
    source_fps: float, max_fps: float | None, expected: int
) -> None:
    limit = RateLimit(max_fps)
    passed = sum(limit.is_due(1000 + index / source_fps) for index in range(round(10 * source_fps)))
    assert abs(passed - expected) <= 1


def test_jitter_does_not_halve_the_rate_of_a_source_as_fast_as_the_limit() -> None:
    limit = RateLimit(10)
    passed = sum(limit.is_due(index / 10 + (0.02 if index % 2 else -0.02)) for index in range(100))
    assert passed == 100


def test_times_that_jump_begin_a_new_grid() -> None:
    limit = RateLimit(1)
    assert limit.is_due(100.0)
    assert limit.is_due(5.0)
    assert not limit.is_due(5.5)
    assert limit.is_due(500.0)
    assert not limit.is_due(500.5)

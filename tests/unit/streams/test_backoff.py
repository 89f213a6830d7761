from __future__ import annotations

from random import Random

import pytest

from xueliang_streams.backoff import Backoff, delay_s


def test_delay_grows_from_one_second_and_stays_within_the_cap() -> None:
    rng = Random(1)
    shape = Backoff()
    for failures, (low_s, high_s) in {1: (1, 2), 2: (2, 4), 4: (8, 16), 6: (30, 60), 5_000: (30, 60)}.items():
        delays = [delay_s(failures, shape, rng) for _ in range(200)]
        assert low_s <= min(delays)
        assert max(delays) <= high_s
        assert max(delays) - min(delays) > (high_s - low_s) / 2, "no jitter"


def test_same_seed_gives_the_same_delays() -> None:
    first, second = ([delay_s(n, Backoff(), Random(7)) for n in range(1, 9)] for _ in range(2))
    assert first == second


def test_refused_login_is_never_tried_within_the_cap() -> None:
    rng = Random(3)
    assert all(60 <= delay_s(n, Backoff(), rng, login_refused=True) <= 90 for n in range(1, 200))


def test_impossible_shapes_and_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="first_s"):
        Backoff(first_s=10, cap_s=1)
    with pytest.raises(ValueError, match="counts from 1"):
        delay_s(0, Backoff(), Random(1))

"""How long a receipt may take before its record goes again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xueliang_alerts.patience import Patience


def test_without_an_answer_it_waits_the_shortest_time_and_twice_as_long_after_each_repeat() -> None:
    patience = Patience(3.0, 60.0)
    waits = [patience.first_wait_s]
    for _ in range(6):
        waits.append(patience.next_wait_s(waits[-1]))
    assert waits == [3, 6, 12, 24, 48, 60, 60]


def test_prompt_answers_leave_the_shortest_wait_and_steady_slow_ones_bring_it_to_what_they_take() -> None:
    patience = Patience(3.0, 60.0)
    for _ in range(50):
        patience.answered(0.2)
    assert patience.first_wait_s == 3.0
    for _ in range(100):
        patience.answered(20.0)
    assert 20.0 < patience.first_wait_s < 21.0


def test_a_time_of_slowness_is_forgotten() -> None:
    patience = Patience(3.0, 60.0)
    for _ in range(20):
        patience.answered(300.0)
    assert patience.first_wait_s == 60.0
    for _ in range(60):
        patience.answered(0.1)
    assert patience.first_wait_s == 3.0


@given(st.lists(st.floats(0.0, 1e6), max_size=50))
def test_it_stays_between_its_limits(answers: list[float]) -> None:
    patience = Patience(3.0, 60.0)
    for answer in answers:
        patience.answered(answer)
    assert 3.0 <= patience.first_wait_s <= 60.0

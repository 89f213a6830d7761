"""Plans of hazards that are kept open: what is missing, how long, who is told when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_central.kept_open.planning import (
    LONGEST,
    Plan,
    problem_of_deadline,
    remind_at,
    told_when_overdue,
)

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
ABOVE = ("city", "county", "township", "village", "grid")


def test_a_plan_names_what_it_leaves_empty() -> None:
    assert Plan("village", "Zhao", "Estate", "props", "12,000", "evacuate").missing() == ()
    assert Plan("village", " ", "Estate", "", "12,000", "evacuate").missing() == ("holder", "measures")


@given(days=st.floats(min_value=1e-3, max_value=1000))
def test_the_reminder_lies_between_now_and_the_deadline_and_at_most_three_days_before_it(days: float) -> None:
    deadline = NOW + timedelta(days=days)
    reminder = remind_at(NOW, deadline)
    assert NOW < reminder < deadline
    assert deadline - reminder <= timedelta(days=3)
    assert days < 6 or deadline - reminder == timedelta(days=3)


@pytest.mark.parametrize(
    ("deadline", "after", "is_good"),
    [
        (NOW + timedelta(days=30), None, True),
        (NOW, None, False),
        (NOW + LONGEST + timedelta(days=1), None, False),
        (NOW + timedelta(days=30), NOW + timedelta(days=30), False),
        (NOW + timedelta(days=31), NOW + timedelta(days=30), True),
        (NOW - timedelta(days=1), NOW - timedelta(days=2), False),
    ],
    ids=["a month", "now", "four years", "the same", "a day more", "in the past"],
)
def test_which_deadlines_can_be(deadline: datetime, after: datetime | None, is_good: bool) -> None:
    assert (problem_of_deadline(NOW, deadline, after) is None) == is_good


def test_overdue_the_level_that_follows_it_up_is_told_first_then_those_above() -> None:
    assert told_when_overdue("township", ABOVE) == ("township", "county", "city")
    assert told_when_overdue("city", ABOVE) == ("city",)

"""Rows with hours: what they leave out, and which of them decides nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xueliang_configs.hours_covered import first_gap, is_of_use
from xueliang_configs.schedules import Schedule


def hours(*bands: tuple[str, str], days: str = "", **more: Any) -> Schedule:
    named = {"days": days.split()} if days else {}
    return Schedule.model_validate({"bands": [{"start": a, "until": b} | named for a, b in bands]} | more)


DAY, NIGHT = hours(("06:00", "22:00")), hours(("22:00", "06:00"))
HOLIDAYS = {"first": "2026-10-01", "last": "2026-10-07"}


@pytest.mark.parametrize(
    ("rows", "gap"),
    [
        ([None], None),
        ([DAY, None], None),
        ([DAY, NIGHT], None),
        ([hours(("00:00", "24:00"))], None),
        ([DAY], "mon 00:00"),
        ([NIGHT], "mon 06:00"),
        ([DAY, hours(("22:00", "06:00"), days="mon tue wed thu fri sat")], "mon 00:00"),
        ([DAY, hours(("22:00", "24:00")), hours(("00:00", "05:30"))], "mon 05:30"),
        ([DAY, hours(("22:00", "06:00"), exceptions=[HOLIDAYS])], "2026-10-01 22:00"),
        ([hours(("00:00", "24:00"), exceptions=[{"first": "2026-12-31"}])], "2026-12-31 00:00"),
        ([DAY, NIGHT, hours(("09:00", "10:00"), exceptions=[HOLIDAYS])], None),
        ([DAY, NIGHT.model_copy(update={"time_zone": "UTC"})], "any hour (rows of several time zones, or none)"),
        ([], "any hour (rows of several time zones, or none)"),
    ],
)
def test_the_first_hour_that_no_row_holds_is_named(rows: list[Schedule | None], gap: str | None) -> None:
    assert first_gap(rows) == gap


@pytest.mark.parametrize(
    ("row", "above", "is_useful"),
    [
        (DAY, [], True),
        (DAY, [None], False),
        (NIGHT, [DAY], True),
        (hours(("23:00", "05:00")), [DAY, NIGHT], False),
        (hours(("23:00", "05:00")), [NIGHT], False),
        (hours(("23:00", "05:00")), [hours(("22:00", "06:00"), exceptions=[HOLIDAYS])], True),
        (hours(("21:00", "05:00")), [NIGHT], True),
        (None, [DAY], True),
        (None, [DAY, NIGHT], False),
    ],
)
def test_a_row_is_of_use_if_it_decides_at_some_hour(
    row: Schedule | None, above: list[Schedule | None], is_useful: bool
) -> None:
    assert is_of_use(row, above) == is_useful


_TIMES = st.sampled_from(["00:00", "06:30", "12:00", "18:00", "23:15"])
_BANDS = st.tuples(_TIMES, _TIMES, st.sets(st.sampled_from(["mon", "wed", "sun"]), min_size=1)).filter(
    lambda one: one[0] != one[1]
)
_FIRST = date(2026, 3, 2)


@st.composite
def _schedules(draw: st.DrawFn) -> Schedule:
    def bands(most: int, least: int) -> list[dict[str, Any]]:
        found = draw(st.lists(_BANDS, min_size=least, max_size=most))
        return [{"start": a, "until": b, "days": sorted(days)} for a, b, days in found]

    exceptions = []
    for begins, lasts in draw(st.lists(st.tuples(st.integers(20, 45), st.integers(0, 12)), max_size=2)):
        first = _FIRST + timedelta(days=begins)
        exceptions.append({"first": first, "last": first + timedelta(days=lasts), "bands": bands(2, 0)})
    every = [{"start": "00:00", "until": "24:00"}] if draw(st.booleans()) else bands(3, 1)
    return Schedule.model_validate({"bands": every, "exceptions": exceptions})


@settings(max_examples=60, deadline=None)
@given(st.lists(_schedules(), min_size=1, max_size=3))
def test_a_gap_is_found_exactly_where_some_quarter_of_an_hour_has_no_row(rows: list[Schedule]) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    begin = datetime(_FIRST.year, _FIRST.month, _FIRST.day, tzinfo=zone)
    quarters = (begin + timedelta(minutes=15 * number) for number in range(80 * 96))
    is_left_out = any(not any(row.is_active(moment) for row in rows) for moment in quarters)
    assert (first_gap(rows) is not None) == is_left_out

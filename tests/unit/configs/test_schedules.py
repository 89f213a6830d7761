"""When a rule may raise, in local time: midnight, exceptions, DST."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_configs.schedules import Schedule


def schedule(*bands: dict[str, Any], **more: Any) -> Schedule:
    return Schedule.model_validate({"bands": bands} | more)


def at(text: str, zone: str = "Asia/Shanghai") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


NIGHT = {"start": "22:00", "until": "06:00"}
FRIDAY_NIGHT = NIGHT | {"days": ["fri"]}


@pytest.mark.parametrize(
    ("local", "is_active"),
    [
        ("2026-11-27T21:59:59", False),
        ("2026-11-27T22:00:00", True),
        ("2026-11-28T05:59:59", True),
        ("2026-11-28T06:00:00", False),
        ("2026-11-28T23:00:00", False),
        ("2026-11-27T05:00:00", False),
    ],
)
def test_a_band_over_midnight_belongs_to_the_day_it_began(local: str, is_active: bool) -> None:
    assert schedule(FRIDAY_NIGHT).is_active(at(local)) == is_active


def test_the_end_is_not_included_and_24_is_midnight() -> None:
    all_day = schedule({"days": ["mon"], "start": "00:00", "until": "24:00"})
    assert all_day.is_active(at("2026-11-23T00:00:00"))
    assert all_day.is_active(at("2026-11-23T23:59:59"))
    assert not all_day.is_active(at("2026-11-24T00:00:00"))


def test_on_exceptional_days_other_bands_apply_to_what_begins_there() -> None:
    holidays = {"first": "2026-10-01", "last": "2026-10-07", "bands": [{"start": "08:00", "until": "20:00"}]}
    watched = schedule(NIGHT, exceptions=[holidays, {"first": "2026-12-31"}])
    assert watched.is_active(at("2026-10-03T12:00:00"))
    assert not watched.is_active(at("2026-10-03T23:00:00"))
    assert watched.is_active(at("2026-10-01T05:00:00")), "the night before began on a usual day"
    assert not watched.is_active(at("2026-10-08T05:00:00")), "the night began on an exceptional day"
    assert not watched.is_active(at("2026-12-31T23:00:00"))


def test_times_written_without_quotes_mean_what_they_look_like() -> None:
    """YAML reads 22:00 as 1320, and 06:00 as a text."""
    band = schedule({"start": 1320, "until": "06:00"}).bands[0]
    assert (band.start, band.until) == (1320, 360)
    assert band.model_dump(mode="json")["start"] == "22:00"
    assert Schedule.model_validate(schedule({"start": "00:30", "until": "06:00"}).model_dump(mode="json")).bands


def test_over_a_change_of_dst_the_clock_on_the_wall_decides() -> None:
    """Berlin, 2026-03-29: 02:00 becomes 03:00; 2026-10-25: 03:00 becomes 02:00."""
    early = schedule({"start": "01:30", "until": "03:30"}, time_zone="Europe/Berlin")
    spring = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)  # 01:00 there
    active = [minute for minute in range(0, 240, 10) if early.is_active(spring + timedelta(minutes=minute))]
    assert (active[0], active[-1]) == (30, 80), "an hour is left out: 01:30 to 02:00, 03:00 to 03:30"
    autumn = datetime(2026, 10, 24, 23, 0, tzinfo=UTC)  # 01:00 there
    active = [minute for minute in range(0, 300, 10) if early.is_active(autumn + timedelta(minutes=minute))]
    assert (active[0], active[-1]) == (30, 200), "an hour comes twice"


@given(st.integers(0, 365 * 1440), st.integers(1, 1439), st.integers(1, 1439))
def test_a_band_and_what_it_leaves_out_make_the_whole_day(passed: int, start: int, until: int) -> None:
    if start == until:
        return
    first, second = (f"{start // 60:02d}:{start % 60:02d}", f"{until // 60:02d}:{until % 60:02d}")
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=passed)
    inside = schedule({"start": first, "until": second}).is_active(moment)
    assert inside != schedule({"start": second, "until": first}).is_active(moment)

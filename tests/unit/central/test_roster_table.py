"""The table of rosters: what rows become, and what is said of bad ones."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.support.fixtures import REPOSITORY
from xueliang_central.errors import ImportRefused
from xueliang_central.people.duty import ShiftKind
from xueliang_central.people.roster_table import RosterTable, parse_roster_table, read_roster_table, told
from xueliang_configs.schedules import Day

HEAD = "username,kind,area,days,start,until,time_zone,valid_from,valid_to,starts_at,ends_at\n"


def said(table: RosterTable) -> list[str]:
    return [told(row, problem) for row, problem in table.problems]


def test_a_row_is_a_shift() -> None:
    table = parse_roster_table(
        HEAD
        + "Wang,weekly,,mon-fri,08:00,18:00,,2026-12-01,2026/12/31,,\n"
        + "\n"
        + "wang,weekly,370102001001001,sat sun,22:00,06:00,Europe/Berlin,,,,\n"
        + "wang,span,,,,,,,,2026-12-24 20:00,2026-12-25T08:00+01:00\n"
        + "wang,leave,,,,,,,,2026-12-24 00:00,2026-12-26 24:00\n"
        + "li,always\n"
    )
    assert said(table) == []
    weekly, night, span, leave, always = table.lines
    assert [line.row for line in table.lines] == [2, 4, 5, 6, 7]
    assert {line.username for line in table.lines[:4]} == {"wang"}
    assert weekly.shift is not None
    assert weekly.shift.weekly is not None
    assert weekly.shift.weekly.bands[0].days == (Day.MONDAY, Day.TUESDAY, Day.WEDNESDAY, Day.THURSDAY, Day.FRIDAY)
    assert (weekly.shift.valid_from, weekly.shift.valid_to) == (date(2026, 12, 1), date(2026, 12, 31))
    assert night.shift is not None
    assert night.shift.area_code == "370102001001001"
    assert night.shift.weekly is not None
    assert (night.shift.weekly.time_zone, night.shift.weekly.bands[0].is_over_midnight) == ("Europe/Berlin", True)
    assert span.shift is not None
    assert span.shift.starts_at == datetime(2026, 12, 24, 12, 0, tzinfo=UTC)
    assert span.shift.ends_at == datetime(2026, 12, 25, 7, 0, tzinfo=UTC)
    assert leave.shift is not None
    assert (leave.shift.kind, leave.shift.ends_at) == (ShiftKind.LEAVE, datetime(2026, 12, 26, 16, 0, tzinfo=UTC))
    assert (always.username, always.shift) == ("li", None)


def test_headings_and_words_may_be_chinese() -> None:
    table = parse_roster_table("用户名,类型,星期,上班,下班\nwang,每周,周六、周日,08:00,20:00\nli,常在岗,,,\n")
    assert said(table) == []
    shift = table.lines[0].shift
    assert shift is not None
    assert shift.weekly is not None
    assert shift.weekly.bands[0].days == (Day.SATURDAY, Day.SUNDAY)
    assert table.lines[1].shift is None


def test_the_table_of_the_page_is_one() -> None:
    page = (REPOSITORY / "docs/rosters.md").read_text(encoding="utf-8")
    written = next(part for part in page.split("```\n") if part.startswith("username,"))
    table = parse_roster_table(written)
    assert (said(table), len(table.lines)) == ([], 4)


def test_days_may_go_over_the_end_of_the_week() -> None:
    table = parse_roster_table("username,kind,days,start,until\nwang,weekly,sat-mon,08:00,20:00\n")
    shift = table.lines[0].shift
    assert shift is not None
    assert shift.weekly is not None
    assert shift.weekly.bands[0].days == (Day.MONDAY, Day.SATURDAY, Day.SUNDAY)


@pytest.mark.parametrize(
    ("row", "problems"),
    [
        (",weekly,,mon,08:00,18:00", ["row 2, username: expected a user name, got nothing"]),
        ("wang,wekly", ['row 2, kind: expected one of weekly, span, leave, always, got "wekly"']),
        ("wang,", ["row 2, kind: expected one of weekly, span, leave, always, got nothing"]),
        ("wang,weekly,,mon-fry,08:00,18:00", ['row 2, days: expected days like mon-fri or sat sun, got "mon-fry"']),
        (
            "wang,weekly",
            [f"row 2, {name}: expected a time of day like 08:00, got nothing" for name in ("start", "until")],
        ),
        (
            "wang,weekly,,,25:00,18:00",
            ['row 2, start: expected a time of day from "00:00" to "24:00", got "25:00"'],
        ),
        ("wang,weekly,,,08:00,08:00", ["row 2, until: expected another time than start, got 08:00"]),
        (
            "wang,weekly,,,08:00,18:00,Mars/North",
            ['row 2, time_zone: expected a time zone that this machine knows, got "Mars/North"'],
        ),
        (
            "wang,weekly,,,08:00,18:00,,2026-02-30",
            ['row 2, valid_from: expected a day like 2026-12-01, got "2026-02-30"'],
        ),
        (
            "wang,span,,mon,,,,,,2026-12-01,2026-12-02 08:00",
            [
                'row 2, days: expected nothing: a span has starts_at and ends_at, got "mon"',
                'row 2, starts_at: expected a moment like "2026-12-01 08:00", got "2026-12-01"',
            ],
        ),
        (
            "wang,span,,,,,Mars/North,,,2026-12-01 08:00,2026-12-02 08:00+08:00",
            ['row 2, time_zone: expected a time zone that this machine knows, got "Mars/North"'],
        ),
        ("wang,always,370102", ['row 2, area: expected nothing: always needs no more, got "370102"']),
        (
            "wang,leave,,,,,,,,2026-12-01 00:00,2026-12-02 00:00,x",
            ["row 2: expected 11 cells, as there are headings, got 12"],
        ),
    ],
)
def test_what_is_wrong_with_a_row_is_said(row: str, problems: list[str]) -> None:
    table = parse_roster_table(f"{HEAD}{row}\n")
    assert (said(table), table.lines) == (problems, ())


def test_every_bad_row_is_said_and_the_good_ones_are_there() -> None:
    table = parse_roster_table(
        f"{HEAD}wang,weekly,,,08:00,18:00\nli,weekly\nhe,holiday\nzhou,always\nzhou,weekly,,,08:00,12:00\n"
    )
    assert [row for row, _ in table.problems] == [3, 3, 4, 5]
    assert said(table)[-1] == "row 5, kind: expected always as the only row of zhou, got 2 rows"
    assert [line.row for line in table.lines] == [2, 5, 6]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected a row of headings"),
        ("username,kind,shoe size\n", 'heading "shoe size": expected one of username'),
        ("username,kind,kind\n", "expected each column once"),
        ("kind\nweekly\n", "the column username is missing"),
        ('username,kind\n"wang,weekly\n', "is no CSV"),
    ],
)
def test_a_table_of_which_nothing_can_be_used_is_refused(text: str, says: str) -> None:
    with pytest.raises(ImportRefused, match=says):
        parse_roster_table(text)


def test_a_file_may_be_what_a_chinese_spreadsheet_writes(tmp_path: Path) -> None:
    file = tmp_path / "值班.csv"
    file.write_bytes("用户名,类型\nwang,常在岗\n".encode("gb18030"))
    assert read_roster_table(file).lines[0].username == "wang"
    with pytest.raises(ImportRefused, match="cannot be read"):
        read_roster_table(file.with_name("none.csv"))

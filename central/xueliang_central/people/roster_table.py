"""A CSV of rosters: one shift a row, headings and words in Chinese or English; every bad row is told.

    username,kind,area,days,start,until,time_zone,valid_from,valid_to,starts_at,ends_at
    wang,weekly,,mon-fri,08:00,18:00,,2026-12-01,,,
    wang,leave,,,,,,,,2026-12-24 00:00,2026-12-27 00:00

A person whose only row is of kind `always` has no shifts. Whether the people and areas are known, `importing` asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfoNotFoundError

from pydantic import ValidationError

from xueliang_central.errors import ImportRefused
from xueliang_central.people.checking import Problem
from xueliang_central.people.duty import Shift, ShiftKind
from xueliang_central.table_files import csv_rows, decoded, read_bytes
from xueliang_configs.schedules import DEFAULT_TIME_ZONE, EVERY_DAY, Day, Schedule, zone_of

MAX_ROWS: Final = 20_000  # a city's 4,000 field staff with five lines each
_ALWAYS: Final = "always"

_HEADINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "username": ("用户名", "账号"),
    "kind": ("类型",),
    "area": ("区域", "区域编码"),
    "days": ("星期",),
    "start": ("上班", "开始"),
    "until": ("下班", "结束"),
    "time_zone": ("时区",),
    "valid_from": ("生效日期",),
    "valid_to": ("失效日期",),
    "starts_at": ("开始时间",),
    "ends_at": ("结束时间",),
}
_COLUMN_OF: Final = {word: column for column, words in _HEADINGS.items() for word in (column, *words)}
_KINDS: Final = {
    **{kind.value: kind.value for kind in ShiftKind},
    _ALWAYS: _ALWAYS,
    "每周": "weekly",
    "班次": "span",
    "请假": "leave",
    "常在岗": _ALWAYS,
}
_DAYS: Final = {
    **{day.value: day for day in Day},
    **{f"周{letter}": day for letter, day in zip("一二三四五六日", Day, strict=True)},
}
_DATE: Final = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_MOMENT: Final = re.compile(_DATE.pattern + r"[ T](\d{1,2}):(\d\d)(?::\d\d)?(Z|[+-]\d\d:\d\d)?")
_COLUMN_OF_FIELD: Final = {"area_code": "area", "weekly": "start"}


@dataclass(frozen=True, slots=True)
class Line:
    """One row. `shift` None: it says that the person has no shifts. The shift's `user_id` is the user name as yet."""

    row: int
    username: str
    shift: Shift | None


@dataclass(frozen=True, slots=True)
class RosterTable:
    """What was read. `problems`: by row; a row that has one is not among `lines`."""

    lines: tuple[Line, ...]
    problems: tuple[tuple[int, Problem], ...]


def told(row: int, problem: Problem) -> str:
    """A problem of a row as the person who mends the table reads it."""
    column = _COLUMN_OF_FIELD.get(problem.where, problem.where)
    where = f"row {row}, {column}" if column else f"row {row}"
    return f"{where}: expected {problem.expected}, got {problem.got}"


def read_roster_table(path: Path) -> RosterTable:
    """Raises ImportRefused when nothing of the file can be used."""
    return parse_roster_table(decoded(path.name, read_bytes(path)), path.name)


def parse_roster_table(text: str, name: str = "table") -> RosterTable:
    """Raises ImportRefused when nothing of it can be used."""
    rows = csv_rows(text, name)
    if not rows:
        raise ImportRefused([f"{name}: expected a row of headings ({', '.join(_HEADINGS)}), got nothing"])
    if len(rows) - 1 > MAX_ROWS:
        raise ImportRefused([f"{name}: expected at most {MAX_ROWS} rows, got {len(rows) - 1}; split the table"])
    columns = _columns(name, rows[0][1])
    lines: list[Line] = []
    problems: list[tuple[int, Problem]] = []
    for number, row in rows[1:]:
        found = list(_spare(columns, row))
        cells = {column: cell for column, cell in zip(columns, row, strict=False) if cell}
        line = _line(number, cells, found)
        problems += [(number, problem) for problem in found]
        if not found and line is not None:
            lines.append(line)
    return RosterTable(tuple(lines), (*problems, *_not_alone(lines)))


def _columns(name: str, header: Sequence[str]) -> list[str]:
    problems = []
    columns = [_COLUMN_OF.get(word.lower(), "") for word in header]
    for word, column in zip(header, columns, strict=True):
        if not column:
            problems.append(f'{name}: heading "{word[:40]}": expected one of {", ".join(_HEADINGS)}')
        elif columns.count(column) > 1:
            problems.append(f'{name}: heading "{word[:40]}": expected each column once')
    problems += [f"{name}: the column {needed} is missing" for needed in ("username", "kind") if needed not in columns]
    if problems:
        raise ImportRefused(problems)
    return columns


def _spare(columns: Sequence[str], row: Sequence[str]) -> Iterator[Problem]:
    if any(row[len(columns) :]):
        yield Problem("", f"{len(columns)} cells, as there are headings", str(len(row)))


def _line(number: int, cells: Mapping[str, str], problems: list[Problem]) -> Line | None:
    """None, with what is wrong added to `problems`."""
    username = cells.get("username", "").lower()
    if not username:
        problems.append(Problem("username", "a user name", "nothing"))
    kind = _KINDS.get(cells.get("kind", "").lower())
    if kind is None:
        problems.append(Problem("kind", "one of weekly, span, leave, always", _shown(cells.get("kind"))))
        return None
    if kind == _ALWAYS:
        more = sorted(set(cells) - {"username", "kind"})
        problems += [Problem(column, "nothing: always needs no more", _shown(cells[column])) for column in more]
        return None if problems else Line(number, username, None)
    if kind == ShiftKind.WEEKLY:
        weekly = _weekly(cells, problems)
    else:
        weekly = None
        _want_no_bands(cells, kind, problems)
    shift = Shift(
        user_id=username,
        kind=ShiftKind(kind),
        area_code=cells.get("area"),
        weekly=weekly,
        valid_from=_day("valid_from", cells, problems),
        valid_to=_day("valid_to", cells, problems),
        starts_at=_moment("starts_at", cells, problems),
        ends_at=_moment("ends_at", cells, problems),
    )
    return None if problems else Line(number, username, shift)


def _not_alone(lines: Sequence[Line]) -> list[tuple[int, Problem]]:
    """A row `always` beside other rows of the same person."""
    rows_of: dict[str, list[Line]] = {}
    for line in lines:
        rows_of.setdefault(line.username, []).append(line)
    return [
        (line.row, Problem("kind", f"always as the only row of {line.username}", f"{len(found)} rows"))
        for found in rows_of.values()
        for line in found
        if line.shift is None and len(found) > 1
    ]


def _want_no_bands(cells: Mapping[str, str], kind: str, problems: list[Problem]) -> None:
    expected = f"nothing: a {kind} has starts_at and ends_at"
    spare = [column for column in ("days", "start", "until") if column in cells]
    problems += [Problem(column, expected, _shown(cells[column])) for column in spare]


def _weekly(cells: Mapping[str, str], problems: list[Problem]) -> Schedule | None:
    band: dict[str, Any] = {column: cells[column] for column in ("start", "until") if column in cells}
    missing = [column for column in ("start", "until") if column not in cells]
    problems += [Problem(column, "a time of day like 08:00", "nothing") for column in missing]
    days = _days(cells["days"], problems) if "days" in cells else EVERY_DAY
    written = {"bands": [{**band, "days": days or EVERY_DAY}], "time_zone": cells.get("time_zone", DEFAULT_TIME_ZONE)}
    if len(band) < 2:
        return None
    try:
        return Schedule.model_validate(written)
    except ValidationError as error:
        for item in error.errors():
            if item["type"] == "too_short":
                continue  # bands without the one that is refused: it only follows
            column = str(item["loc"][-1])
            expected, _, got = str(item["msg"]).removeprefix("expected ").partition(", got ")
            problems.append(Problem(column, expected, got or _shown(cells.get(column))))
        return None


def _days(cell: str, problems: list[Problem]) -> tuple[Day, ...]:
    found: list[Day] = []
    for word in re.split(r"[\s,;、，/]+", cell.lower()):
        first, dash, last = word.partition("-")
        ends = (_DAYS.get(first), _DAYS.get(last) if dash else _DAYS.get(first))
        if ends[0] is None or ends[1] is None:
            problems.append(Problem("days", "days like mon-fri or sat sun", _shown(word)))
            return ()
        begin, end = EVERY_DAY.index(ends[0]), EVERY_DAY.index(ends[1])
        found += [EVERY_DAY[index % 7] for index in range(begin, end + (1 if begin <= end else 8))]
    return tuple(day for day in EVERY_DAY if day in found)


def _day(column: str, cells: Mapping[str, str], problems: list[Problem]) -> date | None:
    if column not in cells:
        return None
    match = _DATE.fullmatch(cells[column])
    try:
        if match is not None:
            return date(*(int(part) for part in match.groups()))
    except ValueError:
        pass
    problems.append(Problem(column, "a day like 2026-12-01", _shown(cells[column])))
    return None


def _moment(column: str, cells: Mapping[str, str], problems: list[Problem]) -> datetime | None:
    """Without an offset it is local time of the row's time zone. 24:00 is the end of that day."""
    if column not in cells:
        return None
    match = _MOMENT.fullmatch(cells[column])
    try:
        if match is not None:
            year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
            days = timedelta(days=1 if (hour, minute) == (24, 0) else 0)
            zone = _offset(match[6]) if match[6] else zone_of(cells.get("time_zone", DEFAULT_TIME_ZONE))
            at = datetime(year, month, day, 0 if days else hour, minute, tzinfo=zone) + days
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    except ZoneInfoNotFoundError:
        problems.append(Problem("time_zone", "a time zone that this machine knows", _shown(cells["time_zone"])))
        return None
    problems.append(Problem(column, 'a moment like "2026-12-01 08:00"', _shown(cells[column])))
    return None


def _offset(text: str) -> tzinfo | None:
    """ "+08:00" or "Z"."""
    return datetime.fromisoformat(f"2000-01-01T00:00{text}").tzinfo


def _shown(cell: str | None) -> str:
    return f'"{cell[:40]}"' if cell else "nothing"

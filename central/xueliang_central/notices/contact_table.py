"""A table of addresses: one person a row, one channel of this centre a column; every bad row is told.

    username,mail,sms
    wang,wang@city.example,13800000001
    li,,-

An empty cell leaves the address as it is, `-` takes it away. Nothing that is told repeats a cell: people put numbers
into wrong columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xueliang_central.errors import ImportRefused
from xueliang_central.notices.contacts import problems_of
from xueliang_central.table_files import Rows, read_rows
from xueliang_configs.notices import Channel

MAX_ROWS: Final = 20_000  # a city's 4,000 field staff and all its desks
_USERNAME: Final = frozenset({"username", "用户名", "账号"})
_TAKEN_AWAY: Final = "-"


@dataclass(frozen=True, slots=True)
class ContactLine:
    """One row: `wanted` by channel; None: the address is taken away."""

    row: int
    username: str
    wanted: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class ContactTable:
    """What was read. `problems`: by row, in words; a row that has one is not among `lines`."""

    lines: tuple[ContactLine, ...]
    problems: tuple[tuple[int, str], ...]


def read_contact_table(path: Path, channels: Mapping[str, Channel]) -> ContactTable:
    """Raises ImportRefused when nothing of the file can be used."""
    return contact_table(read_rows(path, most=MAX_ROWS), channels, path.name)


def contact_table(rows: Rows, channels: Mapping[str, Channel], name: str = "table") -> ContactTable:
    """Raises ImportRefused when nothing of it can be used."""
    if not rows:
        raise ImportRefused([f"{name}: expected a row of headings (username, then channels), got nothing"])
    columns = _columns(name, rows[0][1], channels)
    lines: list[ContactLine] = []
    problems: list[tuple[int, str]] = []
    first: dict[str, int] = {}
    for number, row in rows[1:]:
        line = _line(number, columns, row)
        found = _problems(line, columns, row, channels)
        if line.username in first:
            found.append(f"username: expected each person once, got the same as row {first[line.username]}")
        first.setdefault(line.username, number)
        problems += [(number, text) for text in found]
        if not found:
            lines.append(line)
    return ContactTable(tuple(lines), tuple(problems))


def _columns(name: str, header: Sequence[str], channels: Mapping[str, Channel]) -> list[str]:
    columns = ["username" if word.lower() in _USERNAME else word for word in header]
    while columns and not columns[-1]:
        columns.pop()
    there = ", ".join(sorted(channels)) or "none; add it to centre.yaml"
    problems = [
        f"{name}: heading of column {place}: expected username or a channel of this centre ({there})"
        for place, column in enumerate(columns, start=1)
        if column != "username" and column not in channels
    ]
    problems += [
        f"{name}: heading of column {place}: expected each column once"
        for place, column in enumerate(columns, start=1)
        if column and column in columns[: place - 1]
    ]
    if "username" not in columns:
        problems.append(f"{name}: the column username is missing")
    elif len(columns) < 2:
        problems.append(f"{name}: expected a column for at least one channel ({there})")
    if problems:
        raise ImportRefused(problems)
    return columns


def _line(number: int, columns: Sequence[str], row: Sequence[str]) -> ContactLine:
    cells = {column: cell for column, cell in zip(columns, row, strict=False) if cell}
    username = cells.pop("username", "").lower()
    wanted = {channel: None if cell == _TAKEN_AWAY else cell for channel, cell in cells.items()}
    return ContactLine(number, username, wanted)


def _problems(
    line: ContactLine, columns: Sequence[str], row: Sequence[str], channels: Mapping[str, Channel]
) -> list[str]:
    found = [] if line.username else ["username: expected a user name, got nothing"]
    if any(row[len(columns) :]):
        found.append(f"expected {len(columns)} cells, as there are headings, got more")
    written = {channel: address for channel, address in line.wanted.items() if address is not None}
    found += [
        f"{one.where.removeprefix('addresses.')}: expected {one.expected}" for one in problems_of(written, channels)
    ]
    return found

"""A camera table out of an .xlsx or .csv file: rows of text with the numbers people see in their spreadsheet.

Invariants
    - A file is read within bounds: its size, what it unpacks to, its rows, the length of a cell.
    - A cell that a spreadsheet has spoilt (an error, a long number cut short) becomes a problem, never a guess.
    - Nothing of a cell is shown in a problem where it may be a secret.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, Final

from xueliang_edge.errors import TableUnreadable
from xueliang_edge.importing.columns import SECRET, Column, column_of, headers

MAX_BYTES: Final = 10 * 2**20
MAX_UNPACKED_BYTES: Final = 200 * 2**20
MAX_ROWS: Final = 2_000
"""Cameras of one import: ten villages' worth and more."""
MAX_CELL_LETTERS: Final = 2_000
MAX_COLUMNS: Final = 100
HEADER_WITHIN: Final = 10
"""Rows in which the headings are looked for: tables have a title and a date above them."""
EMPTY_ROWS_END: Final = 1_000
"""A sheet that was formatted to its last row has a million of them."""
_EXACT_BELOW: Final = 10**15  # spreadsheets keep 15 digits of a number
_ENCODINGS: Final = ("utf-8-sig", "gb18030")  # the second one is what Chinese spreadsheets write


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One thing that is wrong with one cell, for the person who will mend it.

    Attributes:
        row: as the spreadsheet counts.
        column: name of the column; empty: the row as a whole.
        text: what was expected and what came, never a secret.
        hint: what to try; may be empty.
    """

    row: int
    column: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return f"{where}: {self.text}" + (f"\n  try: {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True)
class Row:
    """One camera as written. A column that is empty is not in `cells`."""

    number: int
    cells: dict[Column, str]


@dataclass(slots=True)
class Table:
    """What was read. `notes`: what looks odd and is no problem."""

    path: Path
    columns: tuple[Column, ...] = ()
    rows: list[Row] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_table(path: Path, sheet: str | None = None) -> Table:
    """The first sheet, unless another one is named.

    Raises:
        TableUnreadable: nothing of the file can be used; in words that say what to do.
    """
    kind = path.suffix.lower()
    if kind not in (".xlsx", ".xlsm", ".csv", ".txt"):
        hint = "save it as .xlsx" if kind == ".xls" else "give a spreadsheet saved as .xlsx, or .csv"
        raise TableUnreadable(f'{path}: expected a file ending in .xlsx or .csv, got "{kind or path.name}"; {hint}')
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise TableUnreadable(f"{path}: expected at most {MAX_BYTES} bytes, got {size}; is it the right file?")
        data = path.read_bytes()
    except OSError as error:
        raise TableUnreadable(f"{path}: cannot be read ({error.strerror}); check the path") from error
    lines = _workbook_lines(path, data, sheet) if kind.startswith(".xls") else _text_lines(path, data)
    return _table(path, lines)


@dataclass(frozen=True, slots=True)
class _Spoilt:
    """A cell that does not say what was typed in."""

    text: str
    hint: str


_Cell = str | _Spoilt


def _table(path: Path, lines: Iterable[Sequence[_Cell]]) -> Table:
    numbered = enumerate(lines, start=1)
    first = [(number, line) for number, line in islice(numbered, HEADER_WITHIN)]
    header_at = next((index for index, (_, line) in enumerate(first) if _is_header(line)), None)
    if header_at is None:
        shown = ", ".join(f'"{cell}"' for _, line in first[:1] for cell in line[:6] if isinstance(cell, str) and cell)
        raise TableUnreadable(
            f"{path}: expected a row of headings ({', '.join(headers())}) within the first {HEADER_WITHIN} rows, "
            f"got {shown or 'nothing'}"
        )
    header_row, header = first[header_at]
    table = Table(path)
    places = _columns(table, header_row, header)
    empty = 0
    for number, line in [*first[header_at + 1 :], *numbered]:
        row = _row(table, number, line, places)
        empty = 0 if row.cells else empty + 1
        if row.cells:
            table.rows.append(row)
        if len(table.rows) > MAX_ROWS:
            raise TableUnreadable(f"{path}: expected at most {MAX_ROWS} cameras; split the table")
        if empty > EMPTY_ROWS_END:
            break
    if not table.rows:
        raise TableUnreadable(f"{path}: no row below the headings in row {header_row}")
    return table


def _is_header(line: Sequence[_Cell]) -> bool:
    found = {column_of(cell) for cell in line if isinstance(cell, str)} - {None}
    return len(found) > 1 and bool(found & {Column.NAME, Column.URL})


def _columns(table: Table, row: int, header: Sequence[_Cell]) -> dict[int, Column]:
    places: dict[int, Column] = {}
    for index, cell in enumerate(header):
        if not isinstance(cell, str) or not cell:
            continue
        column = column_of(cell)
        if column is None:
            near = get_close_matches(cell.lower(), headers(), n=1, cutoff=0.7)
            did = f"; did you mean {near[0]}?" if near else ""
            table.notes.append(f'column "{cell[:40]}" is not known here and not read{did}')
        elif column in places.values():
            text = f'expected each column once, got "{cell[:40]}" as a second {column}'
            table.problems.append(RowProblem(row, column, text, "rename or delete one of them"))
        else:
            places[index] = column
    table.columns = tuple(places.values())
    return places


def _row(table: Table, number: int, line: Sequence[_Cell], places: dict[int, Column]) -> Row:
    cells: dict[Column, str] = {}
    for index, column in places.items():
        cell = line[index] if index < len(line) else ""
        if isinstance(cell, _Spoilt):
            text = "what came was spoilt by the spreadsheet" if column in SECRET else cell.text
            table.problems.append(RowProblem(number, column, text, cell.hint))
        elif len(cell) > MAX_CELL_LETTERS:
            text = f"expected at most {MAX_CELL_LETTERS} characters, got {len(cell)}"
            table.problems.append(RowProblem(number, column, text))
        elif cell:
            cells[column] = cell
    return Row(number, cells)


def _text_lines(path: Path, data: bytes) -> Iterator[list[_Cell]]:
    text = _decoded(path, data)
    best = max(",;\t", key=lambda mark: _known_headings(text, mark))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=best, strict=True)
    try:
        for line in reader:
            yield [_clean(cell) for cell in line[:MAX_COLUMNS]]
    except csv.Error as error:
        raise TableUnreadable(f"{path}: line {reader.line_num}: is no CSV ({error}); close the quotes") from error


def _decoded(path: Path, data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = _ENCODINGS
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TableUnreadable(f"{path}: expected text in UTF-8 or GB 18030; save it as CSV UTF-8, or as .xlsx")


def _known_headings(text: str, mark: str) -> int:
    lines = text.splitlines()[:HEADER_WITHIN]
    return max((sum(column_of(cell) is not None for cell in line.split(mark)) for line in lines), default=0)


def _workbook_lines(path: Path, data: bytes, sheet: str | None) -> Iterator[list[_Cell]]:
    _refuse_bombs(path, data)
    from openpyxl import load_workbook  # half a second, and only for workbooks

    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        names = book.sheetnames
        if sheet is not None and sheet not in names:
            raise TableUnreadable(f'{path}: has no sheet "{sheet}"; there are {", ".join(names)}')
        chosen = book[sheet or names[0]]
        chosen.reset_dimensions()  # what a file says of its own size is not believed
        for line in chosen.iter_rows(max_col=MAX_COLUMNS):
            yield [_cell(cell.value, cell.data_type) for cell in line]
    except (TableUnreadable, GeneratorExit):
        raise
    except Exception as error:  # whatever a library throws at a file that is no workbook, the answer is the same
        raise TableUnreadable(
            f"{path}: is no .xlsx workbook that can be read ({type(error).__name__}); open it and save it again"
        ) from error


def _refuse_bombs(path: Path, data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        hint = (
            "if it is protected by a password, save it without" if data[:4] == b"\xd0\xcf\x11\xe0" else "save it again"
        )
        raise TableUnreadable(f"{path}: is no .xlsx workbook; {hint}") from error
    if unpacked > MAX_UNPACKED_BYTES:
        raise TableUnreadable(f"{path}: unpacks to {unpacked} bytes, expected at most {MAX_UNPACKED_BYTES}")


def _cell(value: Any, kind: str) -> _Cell:
    if value is None:
        return ""
    if kind == "e":
        return _Spoilt(f"expected a value, got the error {str(value)[:20]}", "type the value in instead of a formula")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        if abs(value) >= _EXACT_BELOW:
            return _Spoilt(
                "expected text, got a number of more than 15 digits", "format the column as text, type it again"
            )
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return _clean(str(value))


def _clean(text: str) -> str:
    """Without what is not seen at the ends: spaces of all kinds, byte order marks."""
    return text.strip().strip("\u200b\ufeff\u00a0").strip()

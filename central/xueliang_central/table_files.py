"""Tables that people have made, as rows of text: CSV in UTF-8 or GB 18030, and workbooks. Read within bounds.

No problem that is told repeats a cell: it may hold a person's number.
"""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any, Final

from xueliang_central.errors import ImportRefused

MAX_BYTES: Final = 10 * 2**20
MAX_UNPACKED_BYTES: Final = 200 * 2**20
MAX_COLUMNS: Final = 100
EMPTY_ROWS_END: Final = 1_000  # a sheet that was formatted to its last row has a million of them
_ENCODINGS: Final = ("utf-8-sig", "gb18030")  # the second one is what Chinese spreadsheets write
_EXACT_BELOW: Final = 10**15  # spreadsheets keep 15 digits of a number

Rows = list[tuple[int, list[str]]]
"""Rows that are not empty, with the number by which the person who made the table finds each."""


def read_rows(path: Path, *, most: int) -> Rows:
    """A CSV, or the first sheet of a workbook. Raises ImportRefused when nothing of the file can be used."""
    kind = path.suffix.lower()
    if kind == ".xls":
        raise ImportRefused([f"{path.name}: expected .csv or .xlsx, got .xls; save it as CSV UTF-8"])
    data = read_bytes(path)
    rows = _workbook_rows(path.name, data, most) if kind == ".xlsx" else csv_rows(decoded(path.name, data), path.name)
    if len(rows) - 1 > most:
        raise ImportRefused([f"{path.name}: expected at most {most} rows, got more; split the table"])
    return rows


def read_bytes(path: Path) -> bytes:
    """Raises ImportRefused."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImportRefused([f"{path}: cannot be read ({error.strerror}); check the path"]) from error
    if len(data) > MAX_BYTES:
        raise ImportRefused([f"{path}: expected at most {MAX_BYTES} bytes, got more; is it the right file?"])
    return data


def decoded(name: str, data: bytes) -> str:
    """Raises ImportRefused."""
    for encoding in _ENCODINGS:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ImportRefused([f"{name}: expected text in UTF-8 or GB 18030; save it as CSV UTF-8"])


def csv_rows(text: str, name: str) -> Rows:
    """Numbered by line. Raises ImportRefused."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise ImportRefused([f"{name}: line {reader.line_num}: is no CSV ({error}); close the quotes"]) from error


def _workbook_rows(name: str, data: bytes, most: int) -> Rows:
    """Numbered as the sheet does. Raises ImportRefused."""
    try:
        from openpyxl import load_workbook  # loaded when a workbook comes: CSV needs none
    except ImportError:
        raise ImportRefused(
            [f"{name}: workbooks need openpyxl, which is not installed; save it as CSV UTF-8"]
        ) from None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(item.file_size for item in packed.infolist()) > MAX_UNPACKED_BYTES:
                raise ImportRefused([f"{name}: unpacks to more than {MAX_UNPACKED_BYTES} bytes; split the table"])
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a file says of its own size is not believed
        return _sheet_rows(sheet, most)
    except ImportRefused:
        raise
    except Exception as error:  # the library raises whatever a broken file leads it to
        hint = "open it and save it again, or save it as CSV UTF-8"
        raise ImportRefused(
            [f"{name}: is no .xlsx workbook that can be read ({type(error).__name__}); {hint}"]
        ) from error


def _sheet_rows(sheet: Any, most: int) -> Rows:
    rows: Rows = []
    empty = 0
    for number, line in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), start=1):
        cells = [_cell_text(cell) for cell in line]
        empty = 0 if any(cells) else empty + 1
        if any(cells):
            rows.append((number, cells))
        if empty > EMPTY_ROWS_END or len(rows) > most + 1:
            break
    return rows


def _cell_text(cell: object) -> str:
    """A number as it was typed; one of which the spreadsheet has lost digits as what no pattern takes."""
    if cell is None:
        return ""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        if abs(cell) >= _EXACT_BELOW:
            return "#DIGITS LOST"
        return str(int(cell)) if cell == int(cell) else str(cell)
    return str(cell).strip()

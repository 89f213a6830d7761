"""Rows to csv and xlsx, a piece at a time: what is held in memory is one page of rows.

No cell ever is a formula: a text that a spreadsheet would take for one gets an apostrophe before it, in both forms, so
that nothing becomes one when the file is saved as another kind.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from typing import Final, Protocol
from xml.sax.saxutils import escape

Cell = str | int | float | None

# What begins a formula, also in full width as Chinese input methods type it; a tab or line end before it is skipped.
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")
_NOT_IN_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LONGEST_CELL: Final = 32_767  # characters; Excel opens nothing with more
_BOM: Final = "\ufeff"  # Excel takes a csv without it for the machine's old code page

_TYPES: Final = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
)
_RELATIONS: Final = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}" Target="{target}"/>'
    "</Relationships>"
)
_BOOK: Final = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
    '<sheets><sheet name="{name}" sheetId="1" r:id="rId1"/></sheets></workbook>'
)
_SHEET_BEGIN: Final = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    '<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" '
    'state="frozen"/></sheetView></sheetViews><sheetData>'
)
_SHEET_END: Final = "</sheetData></worksheet>"


class Writer(Protocol):
    """Each call gives the bytes that follow those before; `end` the last of them."""

    def rows(self, rows: Sequence[Sequence[Cell]]) -> bytes: ...

    def end(self) -> bytes: ...


def safe(text: str) -> str:
    """The text as a spreadsheet shows it, and never calculates it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


class CsvWriter:
    """UTF-8 with a byte order mark, lines ended as RFC 4180 has them."""

    def __init__(self) -> None:
        self._before = _BOM

    def rows(self, rows: Sequence[Sequence[Cell]]) -> bytes:
        text = io.StringIO()
        csv.writer(text).writerows([safe(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
        before, self._before = self._before, ""
        return (before + text.getvalue()).encode("utf-8", "replace")

    def end(self) -> bytes:
        return self._before.encode()


class _Outlet(io.RawIOBase):
    """What the archive has written since it was last asked. It cannot be wound back, so the archive never tries."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)  # type: ignore[call-overload]
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


class XlsxWriter:
    """One sheet, its first row frozen. `name`: of the sheet, at most 31 characters, none of []:*?/\\."""

    def __init__(self, name: str) -> None:
        self._outlet = _Outlet()
        self._archive = zipfile.ZipFile(self._outlet, "w", zipfile.ZIP_DEFLATED, compresslevel=3)
        self._archive.writestr("[Content_Types].xml", _TYPES)
        self._archive.writestr("_rels/.rels", _RELATIONS.format(kind="officeDocument", target="xl/workbook.xml"))
        self._archive.writestr("xl/workbook.xml", _BOOK.format(name=escape(name, {'"': "&quot;"})))
        to_sheet = _RELATIONS.format(kind="worksheet", target="worksheets/sheet1.xml")
        self._archive.writestr("xl/_rels/workbook.xml.rels", to_sheet)
        self._sheet = self._archive.open("xl/worksheets/sheet1.xml", "w")
        self._sheet.write(_SHEET_BEGIN.encode())

    def rows(self, rows: Sequence[Sequence[Cell]]) -> bytes:
        self._sheet.write("".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows).encode())
        return self._outlet.take()

    def end(self) -> bytes:
        self._sheet.write(_SHEET_END.encode())
        self._sheet.close()
        self._archive.close()
        return self._outlet.take()


def _cell(value: Cell) -> str:
    if value is None or value == "":
        return "<c/>"
    if isinstance(value, str):
        text = escape(_NOT_IN_XML.sub("", safe(value))[:_LONGEST_CELL])
        return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    return f"<c><v>{value}</v></c>"

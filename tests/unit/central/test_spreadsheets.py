"""csv and xlsx: what a spreadsheet reads back, no formula among it, and a page of memory however long they are."""

from __future__ import annotations

import csv
import io
import tracemalloc

import openpyxl
import pytest

from xueliang_central.reports.spreadsheets import Cell, CsvWriter, Writer, XlsxWriter

ROWS: list[list[Cell]] = [["编号", "note"], ["1", 'a "b", <c> & 丁\nnext'], [3, None], [2.5, ""]]
EVIL = [f"{sign}1+1" for sign in "=+-@＝＋－＠"] + ["\t=1", "\r=1", "\n=1"]


def written(writer: Writer, *pages: list[list[Cell]]) -> bytes:
    return b"".join([*(writer.rows(page) for page in pages), writer.end()])


def read_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def read_xlsx(content: bytes) -> list[tuple[object, ...]]:
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == ["一单四制"]
    return list(book.active.iter_rows(values_only=True))


def test_a_csv_is_read_back_as_it_was() -> None:
    content = written(CsvWriter(), ROWS[:1], ROWS[1:])
    assert content.startswith(b"\xef\xbb\xbf")
    assert read_csv(content) == [["编号", "note"], ["1", 'a "b", <c> & 丁\nnext'], ["3", ""], ["2.5", ""]]


def test_an_xlsx_is_read_back_as_it_was() -> None:
    assert read_xlsx(written(XlsxWriter("一单四制"), ROWS[:1], ROWS[1:])) == [
        ("编号", "note"),
        ("1", 'a "b", <c> & 丁\nnext'),
        (3, None),
        (2.5, None),
    ]


@pytest.mark.parametrize("text", EVIL, ids=repr)
def test_no_text_becomes_a_formula(text: str) -> None:
    assert read_csv(written(CsvWriter(), [[text, "b"]])) == [[f"'{text}", "b"]]
    book = openpyxl.load_workbook(io.BytesIO(written(XlsxWriter("一单四制"), [[text]])))
    cell = book.active["A1"]
    assert cell.data_type != "f"
    assert str(cell.value).startswith("'")


def test_what_xml_cannot_hold_is_left_out() -> None:
    assert read_xlsx(written(XlsxWriter("一单四制"), [["a\x00\x1b\ud800\uffffb", "x" * 40_000]])) == [
        ("ab", "x" * 32_767)
    ]
    assert read_csv(written(CsvWriter(), [["a\ud800b"]])) == [["a?b"]]


@pytest.mark.parametrize("writer", [CsvWriter, lambda: XlsxWriter("一单四制")], ids=["csv", "xlsx"])
def test_memory_does_not_grow_with_the_rows(writer: type[CsvWriter]) -> None:
    page: list[list[Cell]] = [[f"text {column} of a row" for column in range(30)] for _ in range(500)]
    made, total = writer(), 0
    made.rows(page)
    tracemalloc.start()
    try:
        for _ in range(60):
            total += len(made.rows(page))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    made.end()
    assert total > 0
    assert peak_bytes < 6_000_000, peak_bytes  # one page is 0.8 MB of text; 60 of them would be 50

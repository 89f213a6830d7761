"""Camera tables: headings in two languages, encodings, what spreadsheets do to cells, and files that are none."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from xueliang_edge.errors import TableUnreadable
from xueliang_edge.importing.columns import Column, column_of, datum_of, place_of
from xueliang_edge.importing.tables import MAX_ROWS, RowProblem, read_table

HEADER = ("name", "url", "sub_url", "datum", "longitude", "latitude", "area_code")
GATE = ("东门", "rtsp://10.0.0.9/s1", "rtsp://10.0.0.9/s2", "gcj02", "117.02", "36.67", "370102003005007")


def csv_file(folder: Path, *lines: Sequence[str], mark: str = ",", encoding: str = "utf-8") -> Path:
    path = folder / "cameras.csv"
    path.write_bytes("\r\n".join(mark.join(line) for line in lines).encode(encoding))
    return path


def workbook(folder: Path, *lines: Sequence[Any], sheet: str = "Sheet") -> Path:
    book = Workbook()
    assert book.active is not None
    book.active.title = sheet
    for line in lines:
        book.active.append(list(line))
    path = folder / "cameras.xlsx"
    book.save(path)
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_csv_of_every_spreadsheet_is_read(mark: str, encoding: str, tmp_path: Path) -> None:
    table = read_table(csv_file(tmp_path, HEADER, GATE, mark=mark, encoding=encoding))
    assert [row.number for row in table.rows] == [2]
    assert table.rows[0].cells[Column.NAME] == "东门"
    assert table.rows[0].cells[Column.AREA_CODE] == "370102003005007"
    assert table.problems == []


def test_headings_may_be_chinese_and_stand_below_a_title(tmp_path: Path) -> None:
    lines = [
        ("雪亮工程点位表",),
        ("2026-11-01", ""),
        ("摄像机名称", "主码流", "子码流地址", "坐标系", "经度", "纬度", "网格编码", "备注"),
        (*GATE, "漆成绿色"),
        ("",) * 8,
        (*GATE, ""),
    ]
    table = read_table(csv_file(tmp_path, *lines))
    assert [row.number for row in table.rows] == [4, 6]
    assert table.columns[:3] == (Column.NAME, Column.URL, Column.SUB_URL)
    assert table.notes == ['column "备注" is not known here and not read']


def test_a_workbook_keeps_texts_numbers_and_days(tmp_path: Path) -> None:
    values = (" 东门\u3000", "rtsp://10.0.0.9/s1", None, "gcj02", 117.0215, 36, 370102003005007)
    table = read_table(workbook(tmp_path, HEADER, values, (datetime(2026, 11, 1, tzinfo=UTC).date(), True)))
    assert table.rows[0].cells == {
        Column.NAME: "东门",
        Column.URL: "rtsp://10.0.0.9/s1",
        Column.DATUM: "gcj02",
        Column.LONGITUDE: "117.0215",
        Column.LATITUDE: "36",
        Column.AREA_CODE: "370102003005007",
    }
    assert table.rows[1].cells == {Column.NAME: "2026-11-01T00:00:00", Column.URL: "true"}


def test_another_sheet_is_read_when_it_is_named(tmp_path: Path) -> None:
    path = workbook(tmp_path, HEADER, GATE, sheet="村东")
    assert len(read_table(path, sheet="村东").rows) == 1
    with pytest.raises(TableUnreadable, match='has no sheet "村西"; there are 村东'):
        read_table(path, sheet="村西")


def test_what_a_spreadsheet_has_spoilt_is_a_problem_and_shows_no_password(tmp_path: Path) -> None:
    header = (*HEADER, "password")
    path = workbook(
        tmp_path, header, ("东门", "#REF!", None, "gcj02", 117.0, 36.0, 3.70102003005007e17, 12345678901234567890)
    )
    table = read_table(path)
    assert table.problems == [
        RowProblem(2, "url", "expected a value, got the error #REF!", "type the value in instead of a formula"),
        RowProblem(
            2,
            "area_code",
            "expected text, got a number of more than 15 digits",
            "format the column as text, type it again",
        ),
        RowProblem(
            2, "password", "what came was spoilt by the spreadsheet", "format the column as text, type it again"
        ),
    ]


def test_a_mistyped_heading_is_noted_with_what_it_may_mean(tmp_path: Path) -> None:
    table = read_table(csv_file(tmp_path, ("name", "url", "longtitude"), ("东门", "rtsp://h/s", "117")))
    assert table.notes == ['column "longtitude" is not known here and not read; did you mean longitude?']


def test_a_heading_twice_is_a_problem(tmp_path: Path) -> None:
    table = read_table(csv_file(tmp_path, ("name", "url", "主码流"), ("东门", "rtsp://h/s", "rtsp://h/t")))
    assert [(one.row, one.column) for one in table.problems] == [(1, "url")]
    assert 'got "主码流" as a second url' in table.problems[0].text


def _zip_of(name: str, size: int) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(size))
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        pytest.param("t.xls", b"", 'got ".xls"; save it as .xlsx', id="old workbook"),
        pytest.param("t.pdf", b"", "expected a file ending in .xlsx or .csv", id="no table"),
        pytest.param("t.xlsx", b"not a zip", "is no .xlsx workbook; save it again", id="no workbook"),
        pytest.param("t.xlsx", b"\xd0\xcf\x11\xe0 locked", "protected by a password, save it without", id="encrypted"),
        pytest.param("t.xlsx", _zip_of("a.txt", 10), "is no .xlsx workbook that can be read", id="another zip"),
        pytest.param("t.xlsx", _zip_of("xl/sheet1.xml", 201 * 2**20), "unpacks to", id="zip bomb"),
        pytest.param("t.csv", b"\xff\x00\x81\x82\x83", "expected text in UTF-8 or GB 18030", id="no text"),
        pytest.param("t.csv", b"", "got nothing", id="empty"),
        pytest.param("t.csv", b"a,b\n1,2\n", "expected a row of headings", id="no headings"),
        pytest.param("t.csv", b"name,url\n", "no row below the headings in row 1", id="headings only"),
        pytest.param("t.csv", b'name,url\n"a,b\n', "is no CSV", id="open quote"),
        pytest.param(
            "t.csv", b"name,url\n" + b"a,b\n" * (MAX_ROWS + 1), "expected at most 2000 cameras", id="too many"
        ),
        pytest.param("t.csv", bytes(11 * 2**20), "expected at most 10485760 bytes", id="too large"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_words(name: str, data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(TableUnreadable) as refused:
        read_table(path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableUnreadable, match=r"nowhere\.csv: cannot be read \(No such file"):
        read_table(tmp_path / "nowhere.csv")


def test_a_cell_without_end_is_a_problem(tmp_path: Path) -> None:
    table = read_table(csv_file(tmp_path, ("name", "url"), ("x" * 2_001, "rtsp://h/s")))
    assert table.problems == [RowProblem(2, "name", "expected at most 2000 characters, got 2001")]


@pytest.mark.parametrize(
    ("heading", "column"),
    [
        ("Sub-Stream", Column.SUB_URL),
        ("RTSP 地址", Column.URL),
        ("网格编号", Column.AREA_CODE),
        ("Camera ID", Column.CAMERA_ID),
        ("经 度", Column.LONGITUDE),
        ("remarks", None),
    ],
)
def test_headings_are_known_in_many_words(heading: str, column: Column | None) -> None:
    assert column_of(heading) is column


def test_words_for_datums_and_places() -> None:
    assert [datum_of(word) for word in ("GCJ-02", "bd 09", "百度坐标", "CGCS2000", "utm")] == [
        "gcj02",
        "bd09",
        "bd09",
        "wgs84",
        None,
    ]
    assert [place_of(word) for word in ("学校", "Residential", "moon")] == ["school", "residential", None]

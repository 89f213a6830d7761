"""The table of addresses: what rows become, what is said of bad ones, and that no cell is ever repeated."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from xueliang_central import table_files
from xueliang_central.errors import ImportRefused
from xueliang_central.notices.contact_table import ContactLine, ContactTable, contact_table, read_contact_table
from xueliang_central.table_files import csv_rows
from xueliang_configs.notices import NoticesConfig

CHANNELS = NoticesConfig.model_validate(
    {
        "channels": {
            "mail": {"kind": "email", "host": "10.0.0.1", "sender": "centre@city.example"},
            "ding": {"kind": "dingtalk", "url": "https://oapi.dingtalk.com/robot/send?access_token=x"},
            "sms": {"kind": "http", "url": "https://sms.example/send?to={address}", "method": "GET"},
        }
    }
).channels
NUMBER = "13812345678"


def parsed(text: str) -> ContactTable:
    return contact_table(csv_rows(text, "table"), CHANNELS)


def test_a_row_is_a_person() -> None:
    table = parsed(f"用户名,mail,ding\nWang,wang@city.example,{NUMBER}\n\nli,,-\n")
    assert table.problems == ()
    assert table.lines == (
        ContactLine(2, "wang", {"mail": "wang@city.example", "ding": NUMBER}),
        ContactLine(4, "li", {"ding": None}),
    )


def test_every_bad_row_is_told_and_no_cell_is_repeated() -> None:
    table = parsed(
        f"username,mail,ding\nwang,{NUMBER},{NUMBER}\n,a@b.example,\n"
        f"li,,one two,{NUMBER}\nwu,,{NUMBER}x\nwu,,{NUMBER}\n"
    )
    assert [row for row, _ in table.problems] == [2, 3, 4, 4, 5, 6]
    assert table.lines == ()
    told = " ".join(text for _, text in table.problems)
    assert "mail: expected a mailbox: name@host" in told
    assert NUMBER not in told
    assert "one two" not in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "got nothing"),
        (f"wang,{NUMBER}\n", "heading of column 2: expected username or a channel of this centre (ding, mail, sms)"),
        ("username\nwang\n", "at least one channel"),
        ("mail,ding\n", "the column username is missing"),
        ("username,mail,mail\n", "heading of column 3: expected each column once"),
    ],
    ids=["empty", "no headings", "no channel", "no people", "twice"],
)
def test_what_cannot_be_used_at_all(text: str, said: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        parsed(text)
    assert said in "\n".join(refused.value.problems)
    assert NUMBER not in "\n".join(refused.value.problems)


def test_a_workbook_is_read_with_numbers_as_they_were_typed(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["username", "ding", None])
    sheet.append(["wang", int(NUMBER), None])
    sheet.append([])
    sheet.append(["li", 1381234567812345678, None])
    path = tmp_path / "people.xlsx"
    book.save(path)
    table = read_contact_table(path, CHANNELS)
    assert table.lines == (ContactLine(2, "wang", {"ding": NUMBER}),)
    assert [row for row, _ in table.problems] == [4]


def test_what_is_no_workbook_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "people.xlsx"
    path.write_text("username,mail\n")
    with pytest.raises(ImportRefused, match=r"is no \.xlsx workbook"):
        read_contact_table(path, CHANNELS)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bomb", b"0" * 2000)
    monkeypatch.setattr(table_files, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(ImportRefused, match="unpacks to more than 1000 bytes"):
        read_contact_table(path, CHANNELS)
    with pytest.raises(ImportRefused, match="save it as CSV"):
        read_contact_table(tmp_path / "people.xls", CHANNELS)

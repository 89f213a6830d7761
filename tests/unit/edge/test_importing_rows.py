"""Rows to cameras: every cell checked, every problem of every row told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xueliang_edge.importing.columns import Column
from xueliang_edge.importing.rows import WantedCamera, made_id, variable_prefix, wanted_cameras
from xueliang_edge.importing.tables import Row, RowProblem, Table

GOOD = {
    Column.NAME: "东门",
    Column.CAMERA_ID: "gate-east",
    Column.URL: "rtsp://10.0.0.9/s1",
    Column.SUB_URL: "rtsp://10.0.0.9/s2",
    Column.DATUM: "gcj02",
    Column.LONGITUDE: "117.02",
    Column.LATITUDE: "36.67",
    Column.AREA_CODE: "370102003005007",
    Column.PLACE_CLASS: "学校",
    Column.PURPOSE: "消防通道",
    Column.LEGAL_BASIS: "条例第三条",
}


def read(
    *rows: dict[Column, str], bulk: dict[Column, str] | None = None, environment: dict[str, str] | None = None
) -> tuple[list[WantedCamera], list[RowProblem]]:
    table = Table(Path("cameras.csv"), rows=[Row(number, cells) for number, cells in enumerate(rows, start=2)])
    return wanted_cameras(table, bulk=bulk or {}, nodes=["edge-01", "edge-02"], environment=environment or {})


def without(*columns: Column) -> dict[Column, str]:
    return {column: text for column, text in GOOD.items() if column not in columns}


def test_a_sound_row_becomes_a_camera() -> None:
    (camera,), problems = read(GOOD)
    assert problems == []
    assert camera.row == 2
    assert (camera.camera_id, camera.name) == ("gate-east", "东门")
    assert (camera.datum, camera.longitude, camera.latitude) == ("gcj02", 117.02, 36.67)
    assert (camera.place_class, camera.purpose, camera.legal_basis) == ("school", "消防通道", "条例第三条")
    assert camera.main.written == "rtsp://10.0.0.9/s1"
    assert camera.sub is not None
    assert camera.node is None


@pytest.mark.parametrize(
    ("column", "text", "said", "tried"),
    [
        (Column.NAME, None, "expected a value, got nothing", ""),
        (Column.NAME, "x" * 81, "expected at most 80 characters, got 81", ""),
        (Column.CAMERA_ID, "Gate East", "expected small letters, digits and hyphens", "gate-east"),
        (Column.URL, None, "expected a value, got nothing", "rtsp://10.0.0.9/stream1"),
        (Column.URL, "http://10.0.0.9/s1", "expected an rtsp:// or rtsps:// address", "rtsp://"),
        (Column.SUB_URL, "rtsp://10.0.0.9/s1", "expected another address than url's", "leave it empty"),
        (Column.DATUM, None, "expected a value, got nothing", "--set datum=gcj02"),
        (Column.DATUM, "utm", 'expected one of wgs84, gcj02 or bd09, got "utm"', ""),
        (Column.LONGITUDE, None, "expected a value, got nothing", ""),
        (Column.LONGITUDE, "117°01'", 'expected degrees from -180 to 180, got "117°01\'"', "decimal degrees"),
        (Column.LONGITUDE, "nan", 'got "nan"', "decimal degrees"),
        (Column.LATITUDE, "117.02", 'expected degrees from -90 to 90, got "117.02"', "exchanged"),
        (Column.AREA_CODE, "3.70102E+14", "expected 4, 6, 9, 12 or 15 digits", "format the column as text"),
        (Column.AREA_CODE, "37010", "expected 4, 6, 9, 12 or 15 digits", "370102003005007"),
        (Column.PLACE_CLASS, "moon", 'expected one of residential, school', ""),
        (Column.PURPOSE, "x" * 201, "expected at most 200 characters, got 201", ""),
        (Column.NODE, "edge-09", 'expected one of edge-01, edge-02, got "edge-09"', "--node edge-09"),
        (Column.PASSWORD, "canary", "expected a user beside the password", ""),
    ],
)  # fmt: skip
def test_each_bad_cell_is_named_with_what_to_try(column: Column, text: str | None, said: str, tried: str) -> None:
    row = without(column) if text is None else {**GOOD, column: text}
    cameras, problems = read(row)
    assert cameras == []
    assert len(problems) == 1, problems
    (problem,) = problems
    assert problem.row == 2
    assert problem.column == (Column.USER if column is Column.PASSWORD else column)
    assert said in problem.text
    assert tried in problem.hint
    assert "canary" not in str(problem)


def test_every_problem_of_every_row_is_told_and_the_others_go_on() -> None:
    bad = {**without(Column.DATUM), Column.LATITUDE: "north", Column.AREA_CODE: "12"}
    cameras, problems = read(bad, GOOD, {**bad, Column.NAME: ""})
    assert [camera.row for camera in cameras] == [3]
    assert [(one.row, one.column) for one in problems] == [
        (2, "datum"),
        (2, "area_code"),
        (2, "latitude"),
        (4, "name"),
        (4, "datum"),
        (4, "area_code"),
        (4, "latitude"),
    ]


def test_the_sea_off_africa_is_no_place() -> None:
    _, problems = read({**GOOD, Column.LONGITUDE: "0", Column.LATITUDE: "0.0"})
    assert ["lies in the sea" in problem.text for problem in problems] == [True]


def test_ids_and_streams_that_are_there_twice_name_the_first_row() -> None:
    again = {**GOOD, Column.URL: "rtsp://10.0.0.9:554/s2", Column.CAMERA_ID: "gate-west", Column.SUB_URL: ""}
    cameras, problems = read(GOOD, {**GOOD, Column.URL: "rtsp://10.0.0.8/s1", Column.SUB_URL: ""}, again)
    assert [camera.row for camera in cameras] == [2]
    assert [(one.row, one.column) for one in problems] == [(3, "camera_id"), (4, "url")]
    assert '"gate-east" is used twice, first by row 2' in problems[0].text
    assert "is read twice, first by row 2" in problems[1].text


def test_an_id_is_made_of_the_name_and_stays_the_same() -> None:
    (one,), _ = read(without(Column.CAMERA_ID))
    (other,), _ = read({**without(Column.CAMERA_ID), Column.URL: "rtsp://10.0.0.77/new"})
    assert one.camera_id == other.camera_id == made_id("东门", "370102003005007")
    assert re.fullmatch(r"cam-[0-9a-f]{10}", one.camera_id)
    assert made_id("Gate 3 (东)", None).startswith("gate-3-")
    assert made_id("东门", "370102003005008") != one.camera_id
    assert len(made_id("very long name " * 10, None)) <= 63
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", made_id("very long name " * 10, None))


def test_two_cameras_of_one_name_in_one_grid_need_an_id() -> None:
    first = without(Column.CAMERA_ID, Column.SUB_URL)
    _, problems = read(first, {**first, Column.URL: "rtsp://10.0.0.8/s1"})
    assert [(one.row, one.column) for one in problems] == [(3, "camera_id")]
    assert "write an id of its own" in problems[0].hint


def test_values_in_bulk_fill_empty_cells_only() -> None:
    bulk = {Column.DATUM: "bd09", Column.PURPOSE: "巡查", Column.USER: "${U}", Column.PASSWORD: "${P}"}
    environment = {"U": "viewer", "P": "canary"}
    own = {**without(Column.DATUM, Column.PURPOSE), Column.URL: "rtsp://u:p@10.0.0.9/s1", Column.CAMERA_ID: "own"}
    stated = {**GOOD, Column.URL: "rtsp://10.0.0.8/s1", Column.SUB_URL: "rtsp://10.0.0.8/s2"}
    (bulky, plain), problems = read({**own, Column.SUB_URL: ""}, stated, bulk=bulk, environment=environment)
    assert problems == []
    assert (bulky.datum, bulky.purpose) == ("bd09", "巡查")
    assert (plain.datum, plain.purpose) == ("gcj02", "消防通道")
    assert bulky.main.opened.reveal() == "rtsp://u:p@10.0.0.9/s1"  # its own login counts more
    assert plain.main.written == "rtsp://${U}:${P}@10.0.0.8/s1"
    assert plain.sub is not None
    assert plain.sub.opened.reveal() == "rtsp://viewer:canary@10.0.0.8/s2"


def test_one_login_for_both_streams_is_one_pair_of_variables() -> None:
    (camera,), _ = read({**GOOD, Column.USER: "viewer", Column.PASSWORD: "canary"})
    assert camera.sub is not None
    assert set(camera.main.secrets) == set(camera.sub.secrets) == {"CAM_GATE_EAST_USER", "CAM_GATE_EAST_PASSWORD"}
    tokens = {**GOOD, Column.URL: "rtsp://h/s?token=canary1", Column.SUB_URL: "rtsp://h/t?token=canary2"}
    (camera,), _ = read(tokens)
    assert camera.sub is not None
    assert set(camera.main.secrets) == {"CAM_GATE_EAST_TOKEN"}
    assert set(camera.sub.secrets) == {"CAM_GATE_EAST_SUB_TOKEN"}


def test_names_of_variables_are_as_different_as_ids() -> None:
    assert variable_prefix("gate-3") == "CAM_GATE_3"
    assert variable_prefix("3-gate") == "CAM_3_GATE"


def test_a_row_whose_cell_was_spoilt_is_no_camera() -> None:
    table = Table(Path("t.csv"), rows=[Row(2, GOOD)], problems=[RowProblem(2, "area_code", "spoilt")])
    cameras, problems = wanted_cameras(table, bulk={}, nodes=["edge-01"], environment={})
    assert cameras == []
    assert len(problems) == 1

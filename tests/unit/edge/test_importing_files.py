"""What an import writes: read back by those who read it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from xueliang_configs.loading import load_node
from xueliang_edge.costs import Cost
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.importing.columns import Column
from xueliang_edge.importing.files import environment_file, node_yaml
from xueliang_edge.importing.planning import PlannedCamera
from xueliang_edge.importing.rows import wanted_cameras
from xueliang_edge.importing.tables import Row, Table


def planned(name: str = "gate", password: str = "canary", url: str = "rtsp://10.0.0.9/s1") -> PlannedCamera:
    cells = {
        Column.NAME: name,
        Column.CAMERA_ID: "gate-3",
        Column.URL: url,
        Column.USER: "viewer",
        Column.PASSWORD: password,
        Column.DATUM: "wgs84",
        Column.LONGITUDE: "117",
        Column.LATITUDE: "36",
    }
    table = Table(Path("t.csv"), rows=[Row(2, cells)])
    (camera,), problems = wanted_cameras(table, bulk={}, nodes=["edge-01"], environment={"VILLAGE": "canary"})
    assert problems == []
    return PlannedCamera(camera, camera.main, None, None, None, None, Cost((), 0.0), Refused("not_opened"))


def read_back(camera: PlannedCamera, folder: Path, environment: dict[str, str]) -> tuple[str, str]:
    path = folder / "node.yaml"
    text = node_yaml("edge-01", [camera], "cameras.xlsx")
    path.write_text("node: {node_id: edge-01, data_dir: data}\n" + text, encoding="utf-8")
    (read,) = load_node(path, environment).cameras
    return read.name, read.url.reveal()


@pytest.mark.parametrize(
    "password",
    [
        "canary",
        "it's",
        'say "x"',
        "a$HOME`id`\\",
        "' \" $ \\ `",
        "päss 密码",
        "#!&;|<>(){}[]*?~",
        "=",
        " lead and trail ",
    ],
)
def test_the_environment_file_gives_a_shell_the_very_password(password: str, tmp_path: Path) -> None:
    camera = planned(password=password)
    path = tmp_path / "node.env"
    path.write_text(environment_file([camera]), encoding="utf-8")
    script = f'. "{path}"; printf "%s" "$CAM_GATE_3_PASSWORD"'
    said = subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout.decode()
    assert said == password
    environment = {"CAM_GATE_3_USER": "viewer", "CAM_GATE_3_PASSWORD": said}
    assert read_back(camera, tmp_path, environment)[1] == camera.main.opened.reveal()


@pytest.mark.parametrize(
    "name", ["东门", "yes", "null", "12", "0x1f", "a: b # c", "${HOME} $5", "- x", "=", "'", "2026-11-01"]
)
def test_any_name_is_read_back_as_it_was(name: str, tmp_path: Path) -> None:
    environment = {"CAM_GATE_3_USER": "viewer", "CAM_GATE_3_PASSWORD": "canary"}
    assert read_back(planned(name=name), tmp_path, environment)[0] == name


def test_settings_name_the_variables_they_need_and_no_secret() -> None:
    text = node_yaml("edge-01", [planned()], "cameras\nof the village.xlsx")
    assert "# Environment variables it needs: 2, CAM_GATE_3_PASSWORD to CAM_GATE_3_USER." in text
    assert "from cameras of the village.xlsx" in text
    assert "canary" not in text
    assert "viewer" not in text


def test_a_reference_of_the_table_is_not_in_the_environment_file() -> None:
    camera = planned(password="${VILLAGE}")
    assert environment_file([camera]) == "CAM_GATE_3_USER='viewer'\n"
    assert "${VILLAGE}" in node_yaml("edge-01", [camera], "t.csv")
    assert "CAM_GATE_3_USER to VILLAGE" in node_yaml("edge-01", [camera], "t.csv")

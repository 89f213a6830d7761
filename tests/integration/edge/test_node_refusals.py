"""What a person must mend first: refused before anything starts, exit status 2, with words that say what to do."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.edge.scenes import CAMERA_PASSWORD, NODE_ID, lane_camera, write_settings
from tests.support.models import shared_model_path
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.spool import Spool
from xueliang_edge.cli import main

pytestmark = pytest.mark.fixtures

CAMERA = lane_camera(f"rtsp://user:{CAMERA_PASSWORD}@127.0.0.1:9/lane")


def own_model(folder: Path, change: Callable[[Path], None]) -> Path:
    """Settings whose model is a private copy, changed after its card was written."""
    settings = write_settings(folder, [CAMERA])
    model = folder / "model.onnx"
    shutil.copy(shared_model_path("yolox_nano_416"), model)
    model.chmod(0o600)
    change(model)
    value: dict[str, Any] = json.loads(settings.read_text())
    value["detectors"]["objects"]["model"] = str(model)
    settings.write_text(json.dumps(value))
    return settings


def flip(model: Path) -> None:
    data = bytearray(model.read_bytes())
    data[-100] ^= 1
    model.write_bytes(data)


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda model: model.unlink(), id="missing"),
        pytest.param(lambda model: model.write_bytes(model.read_bytes()[:100_000]), id="truncated"),
        pytest.param(lambda model: model.write_bytes(b"not a model at all"), id="no_model"),
        pytest.param(flip, id="another_hash"),
    ],
)
def test_a_model_file_that_is_not_what_its_card_says_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], None], command: str
) -> None:
    settings = own_model(tmp_path, change)
    assert main([command, "--config", str(settings)]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "model.onnx") in said
    assert "Traceback" not in said
    assert not (tmp_path / "data").exists(), "nothing was started"


@pytest.mark.parametrize("command", ["check", "run"])
def test_every_problem_of_the_settings_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    bad = {
        "node": {"node_id": "Edge 01", "data_dir": "data"},
        "cameras": [
            CAMERA | {"url": f"http://user:{CAMERA_PASSWORD}@10.0.0.9/x"},
            lane_camera("rtsp://10.0.0.8/1", camera_id="b", dwell_s=-3, zone=[[0, 0], [2, 0], [1, 1]]),
        ],
    }
    path = tmp_path / "node.yaml"
    path.write_text(json.dumps(bad))
    assert main([command, "--config", str(path)]) == 2
    said = capsys.readouterr().err
    for key in ("node.node_id", "cameras.0.url", "cameras.1.rules.0.dwell_s", "cameras.1.rules.0.zone"):
        assert key in said
    assert CAMERA_PASSWORD not in said


def test_missing_settings_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--config", str(tmp_path / "nowhere.yaml")]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err


def test_a_second_node_on_the_same_data_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = write_settings(tmp_path, [CAMERA])
    with Spool.open(tmp_path / "data/spool", NODE_ID, wall=system_wall, mono=system_mono):
        assert main(["run", "--config", str(settings)]) == 2
    assert str(tmp_path / "data/spool") in capsys.readouterr().err


def test_another_nodes_data_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = write_settings(tmp_path, [CAMERA])
    with Spool.open(tmp_path / "data/spool", "edge-99", wall=system_wall, mono=system_mono):
        pass
    assert main(["run", "--config", str(settings)]) == 2
    assert "edge-99" in capsys.readouterr().err


def test_a_health_port_that_is_taken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = write_settings(tmp_path, [CAMERA])
    port = json.loads(settings.read_text())["node"]["health"]["port"]
    with socket.create_server(("127.0.0.1", port)):
        assert main(["run", "--config", str(settings)]) == 2
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


def test_check_says_what_would_run_and_what_would_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    camera = lane_camera(f"rtsp://user:{CAMERA_PASSWORD}@127.0.0.1:9/lane")
    camera["rules"].append({"rule_id": "fire", "hazard": "fire_smoke", "zone": [[0, 0], [1, 0], [1, 1]]})
    assert main(["check", "--config", str(write_settings(tmp_path, [camera]))]) == 0
    said = capsys.readouterr().out
    digest = hashlib.sha256(CAMERA_PASSWORD.encode()).hexdigest()
    assert "not running: lane-east/fire" in said
    assert CAMERA_PASSWORD not in said
    assert digest not in said


@pytest.mark.parametrize(
    ("url", "status"),
    [("http://10.0.0.9/x", 2), ("rtsp://127.0.0.1:9/x", 1), ("file:/nowhere/clip.mp4", 1)],
    ids=["scheme", "nobody_answers", "no_file"],
)
def test_probe_tells_what_is_wrong(capsys: pytest.CaptureFixture[str], url: str, status: int) -> None:
    assert main(["probe", url, "--timeout", "3"]) == status
    assert capsys.readouterr().err


def test_probe_tells_what_a_recording_offers(capsys: pytest.CaptureFixture[str]) -> None:
    clip = shared_model_path("yolox_nano_416").parents[1] / "clips/lot_car_stops.mp4"
    assert main(["probe", str(clip)]) == 0
    assert "h264 768x432" in capsys.readouterr().out

"""A node finds a detector by its name in the catalogue that its settings give."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.integration.edge.scenes import lane_camera, write_settings
from tests.support.models import shared_model_path, write_card
from xueliang_edge.cli import main

pytestmark = pytest.mark.fixtures


def settings_naming(model: str, folder: Path) -> Path:
    """node.yaml whose detector is `model`, and a catalogue of one model, yolox-nano-416, in a folder beside it."""
    settings = write_settings(folder, [lane_camera("rtsp://127.0.0.1:9/lane")])
    models = folder / "models"
    models.mkdir()
    shutil.copy(shared_model_path("yolox_nano_416"), models)
    card = json.loads(write_card("yolox_nano_416", models).read_text())
    (models / "catalogue.json").write_text(json.dumps({"models": [card]}))
    value: dict[str, Any] = json.loads(settings.read_text())
    value["detectors"] = {"objects": {"model": model}}
    value["models_catalogue"] = "models/catalogue.json"
    settings.write_text(json.dumps(value))
    return settings


def test_a_name_of_the_catalogue_opens_its_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(settings_naming("yolox-nano-416", tmp_path))]) == 0
    assert "detector objects: yolox-nano-416, believed from score 0.45 on" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_name_that_the_catalogue_lacks_is_refused_with_those_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, "--config", str(settings_naming("yolox-tiny", tmp_path))]) == 2
    said = capsys.readouterr().err
    assert "no model 'yolox-tiny'; known: embedded, yolox-nano-416" in said
    assert "Traceback" not in said
    assert not (tmp_path / "data").exists(), "nothing was started"

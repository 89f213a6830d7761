"""Ultralytics weights to ONNX: only where the [export] extra is installed, in an environment of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from xueliang_models.catalogue import open_detector
from xueliang_models.export import ExportUnavailable, export_weights


def test_a_freshly_built_net_is_exported_with_its_card_and_opens(tmp_path: Path) -> None:
    ultralytics = pytest.importorskip("ultralytics", reason="the [export] extra (ultralytics) is not installed")
    weights = tmp_path / "fresh.pt"
    ultralytics.YOLO("yolov8n.yaml").save(str(weights))
    model, card = export_weights(weights, tmp_path / "out", size=320)
    assert json.loads(card.read_text())["licence"] == "AGPL-3.0"
    detector = open_detector(str(model))
    assert detector.input_size_wh == (320, 320)
    assert len(detector.classes) == 80
    detector.detect(np.full((240, 320, 3), 90, np.uint8))


def test_without_the_extra_the_refusal_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ultralytics", None)
    with pytest.raises(ExportUnavailable, match=r"xueliang\[export\]"):
        export_weights(tmp_path / "any.pt", tmp_path)

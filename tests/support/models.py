"""The shared ONNX models with the cards that their README gives, for tests only."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.fixtures import require_fixture
from xueliang_models.catalogue import open_detector
from xueliang_models.onnx_detector import OnnxDetector

_CARDS: dict[str, dict[str, object]] = {
    "yolox_nano_416": {
        "layout": "yolox",
        "classes": "coco-80",
        "licence": "Apache-2.0",
        "sha256": "695e750a5d5754bb5a8d5325643b59282191a7e7a564e435a415fd3c578eab14",
        "recommended_score_threshold": 0.45,
    },
    "deimv2_atto_320": {
        "layout": "detr",
        "classes": "coco-80",
        "licence": "Apache-2.0",
        "sha256": "b114aa6610ac7c2bd9b3186ffb001afa872430db957407ef2473f7148d00646e",
    },
    "deimv2_femto_416": {
        "layout": "detr",
        "classes": "coco-80",
        "licence": "Apache-2.0",
        "sha256": "c6ad358f750132b891165e034c2ba507abefc5ebe1c1d2732a0acbcacc47e52c",
    },
    "person_lite_192": {
        "layout": "yolox",
        "classes": ["person"],
        "licence": "Apache-2.0",
        "sha256": "4bf5f704cd3bd900645a4303e0934ede13d9fb2135058b38005f4c2886c68576",
    },
    "yolov8n_640_int8_AGPL": {
        "layout": "yolov8",
        "classes": "coco-80",
        "licence": "AGPL-3.0",
        "sha256": "7d7d09d585691437afcb10028c0f1c0d1c37e4a655cead573544cc3879760116",
    },
    "yolo11n_320_int8_AGPL": {
        "layout": "yolov8",
        "classes": "coco-80",
        "licence": "AGPL-3.0",
        "sha256": "5ea9b19c6c4d89041175fd2d4f9d2e1581d16f37b817021d547278fc5e2f2b58",
    },
    "yolov5n_640_fp16_GPL": {
        "layout": "yolov5",
        "classes": "coco-80",
        "licence": "GPL-3.0",
        "sha256": "01203d4258fb2dcf7d7cc138d5a9271bcff65a5304644543c7ec829050736300",
    },
}
SHARED_MODELS = tuple(_CARDS)
"""Those that know people and vehicles."""
FIRE_MODEL = "fire_smoke_yolo11n_640_int8_AGPL"
_CARDS[FIRE_MODEL] = {
    "layout": "yolov8",
    "classes": ["smoke", "fire"],
    "licence": "AGPL-3.0",
    "sha256": "f43cc51fdde6aa58b14c41059600c5055e6b8365e920a462a18b660db6957f51",
}


def shared_model_path(name: str) -> Path:
    return require_fixture(f"models/{name}.onnx")


def write_card(name: str, folder: Path) -> Path:
    """The card of a shared model, written into `folder` (the model itself stays where it is)."""
    card = {"model_id": name.lower().replace("_", "-"), "file": f"{name}.onnx", "source": "shared test models"}
    path = folder / f"{name}.card.json"
    path.write_text(json.dumps(card | _CARDS[name]))
    return path


def open_shared_detector(name: str, folder: Path) -> OnnxDetector:
    """Open a shared model through the catalogue's own door. `folder`: where its card may be written (tmp_path)."""
    return open_detector(str(shared_model_path(name)), card=write_card(name, folder))

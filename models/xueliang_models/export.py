"""YOLOv8 / YOLO11 weights to ONNX with a card, on an operator's workstation. The only file that imports ultralytics.

It runs in an environment of its own (`pip install xueliang[export]`): ultralytics is AGPL-3.0, brings torch, and
replaces the headless OpenCV by the plain one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, Final

from xueliang_models.cards import card_from
from xueliang_models.errors import ModelError, ModelFileError

AGPL_NOTICE: Final = """\
Weights trained or exported with Ultralytics are under AGPL-3.0 unless you hold their commercial licence.
AGPL asks: whoever offers a service over a network with them must offer its complete corresponding source to its users.
Keep such a model outside this product: load it by its path, do not bundle or redistribute it with the program."""


class ExportUnavailable(ModelError):
    """The `[export]` extra is not installed here."""


def export_weights(weights: Path, out: Path, *, size: int = 640) -> tuple[Path, Path]:
    """Write `<stem>.onnx` and `<stem>.card.json` into `out`.

    Raises:
        ExportUnavailable: ultralytics is not installed.
        ModelFileError: not a file that ultralytics can open as a detector.
        ForbiddenModel: its classes name a way to identify people.
    """
    try:
        from ultralytics import YOLO
    except ImportError as error:
        raise ExportUnavailable(
            f"ultralytics cannot be imported here ({error}); make an environment for it and install xueliang[export]"
        ) from error
    if not weights.is_file():
        raise ModelFileError(f"{weights}: no such file; expected YOLOv8 or YOLO11 weights (.pt)")
    try:
        model: Any = YOLO(str(weights))
    except Exception as error:  # ultralytics raises whatever its loader meets
        raise ModelFileError(f"{weights}: ultralytics cannot open it ({type(error).__name__}: {error})") from error
    if model.task != "detect":
        raise ModelFileError(f"{weights}: is for the task {model.task!r}; expected a detector")
    classes = [str(name) for _, name in sorted(model.names.items())]
    digestless = _card(weights, classes, "0" * 64)
    card_from(digestless, str(weights))
    produced = Path(model.export(format="onnx", imgsz=size, dynamic=False, simplify=False, nms=False, device="cpu"))
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{weights.stem}.onnx"
    if produced.resolve() != target.resolve():
        shutil.move(produced, target)
    card_path = target.with_suffix(".card.json")
    card = _card(weights, classes, hashlib.sha256(target.read_bytes()).hexdigest())
    card_path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return target, card_path


def _card(weights: Path, classes: list[str], sha256: str) -> dict[str, Any]:
    model_id = "".join(letter if letter.isalnum() else "-" for letter in weights.stem.lower()).strip("-") or "model"
    return {
        "model_id": model_id[:63],
        "title": f"exported from {weights.name}",
        "file": f"{weights.stem}.onnx",
        "sha256": sha256,
        "layout": "yolov8",
        "classes": classes,
        "licence": "AGPL-3.0",
        "source": f"exported with ultralytics from {weights.name}",
        "recommended_score_threshold": 0.4,
    }

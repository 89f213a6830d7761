"""Averaged weights of a checkpoint to ONNX in the YOLOX layout, checked against torch.

python export.py --checkpoint DIR/checkpoint.pt --out FILE.onnx
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from detect import OnnxDetector
from network import CLASS_NAMES, CompactDetector, ExportedDetector, NetworkSettings, fold_batch_norms

OPSET = 17
LIMIT_BYTES = 4 * 1024 * 1024
# float32 sums in another order: raw values of about 10 differ in the fifth digit.
MOST_DIFFERENCE = 2e-3


def load_averaged(checkpoint: Path) -> tuple[CompactDetector, dict[str, Any]]:
    """The averaged network in evaluation mode, and everything else that the checkpoint holds."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    settings = NetworkSettings(**state["settings"])
    detector = CompactDetector(settings)
    detector.load_state_dict(state["average"])
    return detector.eval(), state


def export(detector: CompactDetector, out: Path) -> None:
    """Writes the file with class names and input rules in its metadata."""
    settings = detector.settings
    fold_batch_norms(detector)
    sample = torch.zeros(1, 3, settings.height, settings.width)
    with warnings.catch_warnings():
        # The classic exporter: the new one needs a further package and gains nothing for a plain CNN (torch 2.13).
        warnings.simplefilter("ignore")
        torch.onnx.export(
            ExportedDetector(detector),
            (sample,),
            str(out),
            input_names=["images"],
            output_names=["output"],
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(str(out))
    notes = {
        "names": str(dict(enumerate(CLASS_NAMES))),
        "layout": "yolox",
        "input": "BGR 0..255, letterbox top left, padding 114",
        "licence": "Apache-2.0",
        "producer": "models/train of the Xueliang Edge project",
    }
    for key, value in notes.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    onnx.save(model, str(out))


def check(detector: CompactDetector, out: Path) -> float:
    """Largest difference between torch and ONNX Runtime; raises when the file is wrong or too big."""
    settings = detector.settings
    images = np.random.default_rng(3).uniform(0, 255, (1, 3, settings.height, settings.width)).astype(np.float32)
    with torch.no_grad():
        wanted = ExportedDetector(detector)(torch.from_numpy(images)).numpy()
    given = OnnxDetector(out).raw(images)
    if given.shape != wanted.shape:
        raise ValueError(f"{out.name}: output shape {given.shape}, expected {wanted.shape}")
    difference = float(np.abs(given - wanted).max())
    if difference > MOST_DIFFERENCE:
        raise ValueError(f"{out.name}: differs from torch by {difference:.2g}, allowed {MOST_DIFFERENCE:.2g}")
    size = out.stat().st_size
    if size > LIMIT_BYTES:
        raise ValueError(f"{out.name}: {size} bytes, allowed {LIMIT_BYTES}")
    return difference


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    detector, state = load_averaged(options.checkpoint)
    export(detector, options.out)
    difference = check(detector, options.out)
    print(f"{options.out.name}: {options.out.stat().st_size} bytes, differs from torch by at most {difference:.2g}")
    print(f"trained for {state['progress']['used_s'] / 60:.1f} min, {state['progress']['pictures']} pictures seen")


if __name__ == "__main__":
    main()

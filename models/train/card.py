"""Writes the model card: what the file is, how it was made, of what, and what was measured.

    python card.py --checkpoint DIR/checkpoint.pt --model FILE.onnx --data DIR --rendered TAR ... --shared DIR \
        --out xueliang_compact.card.json [--hardware "2 shared cores ..."] [--before-pictures N --before-minutes M]
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from dataset import Pool, Sample, load_pool
from detect import OnnxDetector
from evaluate import Outcome, average_precision, figures, match
from network import CLASS_NAMES, CompactDetector, NetworkSettings

MODEL_ID = "xueliang-compact"
THRESHOLDS = np.round(np.arange(0.10, 0.71, 0.02), 2)
NMS_LIMITS = (0.45, 0.5, 0.55, 0.6, 0.65)
RENDERED = "rendered_"
# Fewer true boxes than this do not choose a threshold of their own.
ENOUGH_BOXES = 30
LIMITS = [
    "A small detector, trained from random weights with about 5,000 real pictures: it finds people and vehicles of "
    "ordinary size in ordinary light and misses many small, hidden or night-time ones. Use a larger model where that "
    "matters.",
    "The labels it learnt from miss people under about 25 pixels, and it does too.",
    "About four in ten person boxes and most bicycle boxes it learnt from were made by another detector "
    "(DEIMv2-Femto, Apache-2.0), with that detector's mistakes.",
    "Bus, truck and van are confused with each other; so are bicycle and motorcycle. Treat the vehicle classes as one "
    "where a rule allows it.",
    "traffic_cams is of the same source as the training set atl_traffic, so the figures there flatter. coco_val128 has "
    "6 to 24 boxes of each class but person: its mean says little.",
    "Few people from straight above, few crowds, few pictures at night or in rain, apart from rendered ones.",
    "The demo's scenes are drawn in the same style as the rendered training pictures (other seeds), so how well it "
    "does there says nothing about a real camera.",
]


def _best_threshold(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """Threshold with the best F1 and that F1."""
    truths = sum(one.truths for one in outcomes)
    scores = np.concatenate([one.scores for one in outcomes])
    hits = np.concatenate([one.hits for one in outcomes])
    best = (0.4, 0.0)
    for threshold in THRESHOLDS:
        kept = scores >= threshold
        f1 = 2 * hits[kept].sum() / max(1, kept.sum() + truths)
        if f1 > best[1]:
            best = (float(threshold), float(f1))
    return best


def thresholds(detector: OnnxDetector, held_out: Sequence[Sample]) -> dict[str, Any]:
    """Score with the best F1 over all boxes of the held-out slice, and for each class with enough of them."""
    by_class: list[list[Outcome]] = [[] for _ in CLASS_NAMES]
    for sample in held_out:
        found = detector.detect(sample.image_bgr)
        for class_id, outcomes in enumerate(by_class):
            outcomes.append(match(found, sample.boxes_xyxy, sample.class_ids, class_id))
    overall, f1 = _best_threshold([one for outcomes in by_class for one in outcomes])
    per_class = {}
    for name, outcomes in zip(CLASS_NAMES, by_class, strict=True):
        if sum(one.truths for one in outcomes) >= ENOUGH_BOXES:
            threshold, class_f1 = _best_threshold(outcomes)
            per_class[name] = {"threshold": threshold, "f1": round(class_f1, 3)}
    return {"overall": overall, "f1": round(f1, 3), "per_class": per_class, "pictures": len(held_out)}


def best_nms_iou(model: Path, held_out: Sequence[Sample]) -> float:
    """The overlap limit of suppression with the best mean AP50 on the held-out slice."""
    best = (0.0, 0.0)
    for limit in NMS_LIMITS:
        detector = OnnxDetector(model, nms_iou=limit)
        by_class: list[list[Outcome]] = [[] for _ in CLASS_NAMES]
        for sample in held_out:
            found = detector.detect(sample.image_bgr)
            for class_id, outcomes in enumerate(by_class):
                outcomes.append(match(found, sample.boxes_xyxy, sample.class_ids, class_id))
        mean = float(np.nanmean([average_precision(outcomes) for outcomes in by_class]))
        best = max(best, (mean, limit))
    return best[1]


def training_data(pool: Pool) -> list[dict[str, Any]]:
    """One row per set that was drawn from, with its licence and source; the rendered ones share a row."""
    counts = Counter(sample.set_name for sample in pool.training)
    seeds = sorted(int(name.removeprefix(RENDERED)) for name in counts if name.startswith(RENDERED))
    rendered = sum(counts.pop(f"{RENDERED}{seed}") for seed in seeds)
    known = {
        row["set"]: row for row in json.loads((Path(__file__).parent / "sources.json").read_text(encoding="utf-8"))
    }
    rows: list[dict[str, Any]] = []
    for name, pictures in sorted(counts.items()):
        rows.append({"set": name, "pictures": pictures, **{k: v for k, v in known[name].items() if k != "set"}})
    if seeds:
        own = "this one: python -m xueliang_demo.scenes, seeds " + ", ".join(map(str, seeds))
        rows.append(
            {"set": "rendered", "pictures": rendered, "licence": "Apache-2.0", "author": "rendered by this project"}
            | {"repository": own}
        )
    return rows


def build(options: argparse.Namespace) -> dict[str, Any]:
    """The whole card."""
    state = torch.load(options.checkpoint, map_location="cpu", weights_only=False)
    settings = NetworkSettings(**state["settings"])
    pool = load_pool(options.data, options.rendered, 0.2)
    detector = OnnxDetector(options.model)
    chosen = thresholds(detector, pool.held_out)
    content = options.model.read_bytes()
    seen = state["progress"]["pictures"] + options.before_pictures
    minutes = state["progress"]["used_s"] / 60 + options.before_minutes
    weights = sum(p.numel() for p in CompactDetector(settings).parameters())
    return {
        "model_id": MODEL_ID,
        "title": "Xueliang compact detector: people, two-wheelers and vehicles",
        "file": "xueliang_compact.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "layout": "yolox",
        "input": {
            "width": settings.width,
            "height": settings.height,
            "channel_order": "BGR",
            "scale": "0..255",
            "letterbox": "top-left",
            "pad_value": 114,
        },
        "classes": list(CLASS_NAMES),
        "licence": "Apache-2.0",
        "source": "Trained from random weights by this project's own code (models/train); not derived from other "
        "weights. Part of the labels was completed by DEIMv2-Femto (Apache-2.0).",
        "recommended_score_threshold": chosen["overall"],
        "recommended_nms_iou": best_nms_iou(options.model, pool.held_out),
        "thresholds": {**chosen, "chosen_on": "best F1 on the held-out slice of the training and rendered sets"},
        "recipe": {
            "architecture": "anchor-free CNN, split residual blocks of dense 3x3 convolutions, path aggregation, one "
            "head each at strides 8, 16 and 32; see models/train/network.py",
            "stages": list(settings.stage_channels),
            "parameters": weights,
            "loss": "BCE objectness towards box quality, BCE classes, CIoU; task-aligned assignment",
            "pictures_in_sets": len(pool.training),
            "pictures_seen": seen,
            "epochs_equivalent": round(seen / len(pool.training), 1),
            "minutes": round(minutes, 1),
            "batch": int(state["options"]["batch"]),
            "peak_learning_rate": float(state["options"]["lr"]),
            "rendered_share": float(state["options"]["rendered_share"]),
            "precision": "fp32" if state["options"]["fp32"] == "True" else "bf16 autocast, fp32 weights",
            "hardware": options.hardware,
            "torch": state.get("torch", "not recorded"),
            "code_version": options.code_version,
            "note": options.note,
        },
        "training_data": training_data(pool),
        "training_data_remark": "'As stated': the uploader of the export states the licence; the pictures look "
        "collected from the web, so it could not be checked further. COCO pictures carry the Flickr licence of their "
        "owner; some are non-commercial. The pictures themselves are not part of this product.",
        "figures": figures(detector, options.shared),
        "figures_remark": "AP50, 101 recall points, letterbox with bilinear resize, NMS IoU 0.65 within a class; low "
        "and high: 95 % bootstrap over pictures. one_thread_ms: the network alone, ONNX Runtime, one thread, no "
        "spinning, on the training machine while other programs ran.",
        "limits": LIMITS,
        "made_at": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rendered", type=Path, nargs="*", default=[])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hardware", default="not stated")
    parser.add_argument("--code-version", default="not stated")
    parser.add_argument("--note", default="", help="what a reader should know about how the runs went")
    parser.add_argument("--before-pictures", type=int, default=0, help="seen in the run that gave the start weights")
    parser.add_argument("--before-minutes", type=float, default=0.0)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    card = build(options)
    options.out.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps({"threshold": card["thresholds"], **card["figures"]}, indent=1))


if __name__ == "__main__":
    main()

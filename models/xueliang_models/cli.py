"""xueliang-models: look at a model, write its card, fetch it, export it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from xueliang_models.cards import card_from
from xueliang_models.catalogue import EMBEDDED, open_detector, read_catalogue
from xueliang_models.errors import CardError, ModelError
from xueliang_models.export import AGPL_NOTICE, export_weights
from xueliang_models.fetching import fetch
from xueliang_models.layouts.recognise import recognise
from xueliang_models.runtime import Session
from xueliang_models.self_test import self_test


def _check(arguments: argparse.Namespace) -> None:
    detector = open_detector(arguments.model, card=arguments.card, catalogue=arguments.catalogue)
    result = self_test(detector)
    width, height = detector.input_size_wh
    print(f"model     {detector.model_id}\nsha256    {detector.digest}\ninput     {width}x{height}")
    print(f"classes   {', '.join(detector.classes)}\nthreshold {detector.recommended_score}")
    print(f"speed     {result.median_ms:.1f} ms a picture, one thread, on this machine now")
    if result.problem:
        raise ModelError(result.problem)


def _card(arguments: argparse.Namespace) -> None:
    session = Session(arguments.model)
    layout, adapter = recognise(session)
    classes: object = arguments.classes if arguments.classes == "coco-80" else arguments.classes.split(",")
    card = {
        "model_id": arguments.model_id or arguments.model.stem.lower().replace("_", "-"),
        "file": arguments.model.name,
        "sha256": session.digest,
        "layout": layout,
        "classes": classes,
        "licence": arguments.licence,
        "source": arguments.source,
        "recommended_score_threshold": arguments.score,
    }
    names = card_from(card, "the new card").class_names()
    if adapter.class_count is not None and adapter.class_count != len(names):
        raise CardError(f"{arguments.model}: gives {adapter.class_count} classes, --classes names {len(names)}")
    path = arguments.model.with_suffix(".card.json")
    path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written: {path}")


def _fetch(arguments: argparse.Namespace) -> None:
    cards = read_catalogue(arguments.catalogue)
    if arguments.model_id not in cards:
        raise CardError(f"{arguments.catalogue}: no model {arguments.model_id!r}; known: {', '.join(sorted(cards))}")
    print(fetch(cards[arguments.model_id], arguments.cache))


def _export(arguments: argparse.Namespace) -> None:
    print(AGPL_NOTICE, file=sys.stderr)
    model, card = export_weights(arguments.weights, arguments.out, size=arguments.size)
    print(f"written: {model}\nwritten: {card}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xueliang-models", description=__doc__)
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser("check", help="open a model as a node would, and test that it scores")
    check.add_argument("model", nargs="?", default=EMBEDDED, help="embedded, an .onnx file, or a name of the catalogue")
    check.add_argument("--card", type=Path)
    check.add_argument("--catalogue", type=Path)
    check.set_defaults(act=_check)
    card = commands.add_parser("card", help="write the card of an .onnx file")
    card.add_argument("model", type=Path)
    card.add_argument("--classes", required=True, help="coco-80, or names separated by commas in the model's order")
    card.add_argument("--licence", required=True)
    card.add_argument("--source", required=True)
    card.add_argument("--model-id")
    card.add_argument("--score", type=float, default=0.4, help="recommended score threshold (default 0.4)")
    card.set_defaults(act=_card)
    bring = commands.add_parser("fetch", help="download a model of a catalogue, verified, into a cache")
    bring.add_argument("model_id")
    bring.add_argument("--catalogue", type=Path, required=True)
    bring.add_argument("--cache", type=Path, required=True)
    bring.set_defaults(act=_fetch)
    export = commands.add_parser("export", help="YOLOv8 / YOLO11 weights to ONNX with a card ([export] extra)")
    export.add_argument("weights", type=Path)
    export.add_argument("--out", type=Path, default=Path())
    export.add_argument("--size", type=int, default=640, help="input side in pixels, a multiple of 32 (default 640)")
    export.set_defaults(act=_export)
    return parser


def main() -> None:
    """Exit status 0, or 2 with what is wrong and what to try."""
    arguments = _parser().parse_args()
    try:
        arguments.act(arguments)
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()

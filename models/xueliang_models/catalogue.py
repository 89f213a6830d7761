"""Find, verify and open a model. Nothing is opened that its card does not describe to the byte."""

from __future__ import annotations

import ast
import json
from importlib import resources
from pathlib import Path
from typing import Final

from xueliang_models.cards import ModelCard, card_from, read_card, refuse_identities
from xueliang_models.errors import CardError, ModelMismatch
from xueliang_models.layouts.recognise import recognise
from xueliang_models.onnx_detector import OnnxDetector
from xueliang_models.runtime import Session

EMBEDDED: Final = "embedded"
_EMBEDDED_CARD: Final = "xueliang_compact.card.json"
DEFAULT_SCORE: Final = 0.4


def embedded_card_path() -> Path:
    """The card of the detector in the box."""
    return Path(str(resources.files("xueliang_models.embedded") / _EMBEDDED_CARD))


def open_detector(name_or_path: str, *, card: Path | None = None, catalogue: Path | None = None) -> OnnxDetector:
    """Open a detector by name ("embedded", or a model_id of the catalogue) or by the path of an ONNX file.

    A path is described by `card`, else by `<file>.card.json` beside it, else by the class names that its own metadata
    carries (Ultralytics exports do).

    Raises:
        ModelError: with the file, what was expected, what came and what to try.
    """
    if name_or_path == EMBEDDED:
        return _open_carded(read_card(embedded_card_path()), embedded_card_path().parent)
    if catalogue is not None and not name_or_path.endswith(".onnx"):
        return _open_from_catalogue(name_or_path, catalogue)
    path = Path(name_or_path)
    beside = path.with_suffix(".card.json")
    if card is None and beside.is_file():
        card = beside
    if card is not None:
        return _open_carded(read_card(card), card.parent, path)
    return _open_uncarded(path)


def read_catalogue(path: Path) -> dict[str, ModelCard]:
    """`{"models": [card, …]}` in JSON, files relative to it. Raises CardError or ForbiddenModel."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        entries = list(raw["models"])
    except OSError as error:
        raise CardError(f"{path}: cannot be read ({error.strerror}); expected a catalogue") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CardError(f'{path}: expected JSON {{"models": [card, …]}} ({error})') from error
    cards = [card_from(entry, f"{path}: models.{number}") for number, entry in enumerate(entries)]
    return {card.model_id: card for card in cards}


def _open_from_catalogue(name: str, catalogue: Path) -> OnnxDetector:
    cards = read_catalogue(catalogue)
    if name not in cards:
        known = ", ".join([EMBEDDED, *sorted(cards)])
        raise CardError(f"{catalogue}: no model {name!r}; known: {known}; or give the path of an .onnx file")
    return _open_carded(cards[name], catalogue.parent)


def _open_carded(card: ModelCard, folder: Path, path: Path | None = None) -> OnnxDetector:
    session = Session(path or folder / card.file)
    if session.digest != card.sha256:
        raise ModelMismatch(
            f"{session.path}: sha256 is {session.digest}, its card {card.model_id} says {card.sha256}; "
            "fetch the file again, or write a new card for the new file"
        )
    _, layout = recognise(session, card.layout)
    return OnnxDetector(
        session,
        layout,
        model_id=card.model_id,
        classes=card.class_names(),
        recommended_score=card.recommended_score_threshold,
        iou_limit=card.recommended_nms_iou,
    )


def _open_uncarded(path: Path) -> OnnxDetector:
    session = Session(path)
    _, layout = recognise(session)
    names = session.metadata.get("names")
    if names is None:
        raise CardError(
            f"{path}: has no card and names no classes; write {path.with_suffix('.card.json').name} beside it "
            f"(xueliang-models card {path.name} --classes coco-80 --licence … --source …)"
        )
    classes = _names_from_metadata(names, path)
    refuse_identities(classes, str(path))
    model_id = "".join(letter if letter.isalnum() else "-" for letter in path.stem.lower()).strip("-") or "model"
    return OnnxDetector(session, layout, model_id=model_id[:63], classes=classes, recommended_score=DEFAULT_SCORE)


def _names_from_metadata(text: str, path: Path) -> tuple[str, ...]:
    """Ultralytics writes a Python dict ({0: 'person', …}), YOLOv5 a list; both as text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise CardError(f"{path}: its metadata 'names' cannot be read; write a card beside it") from error
    if isinstance(value, dict) and all(isinstance(key, int) for key in value):
        value = [value[key] for key in sorted(value)]
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise CardError(f"{path}: its metadata 'names' is no list of names; write a card beside it")
    return tuple(value)

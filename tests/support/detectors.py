"""Detector children for tests: begun, driven until something holds, closed."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.shared_pictures import SharedPicture
from xueliang_edge.detection import ModelSettings, Seen, Unknown
from xueliang_edge.detector_children import DetectorChildren
from xueliang_edge.detector_worker import Patience
from xueliang_models.catalogue import embedded_card_path

EMBEDDED = ModelSettings("objects", "embedded")


@contextmanager
def detector_children(
    picture: SharedPicture,
    models: Sequence[ModelSettings] = (EMBEDDED,),
    *,
    count: int = 1,
    patience: Patience | None = None,
) -> Iterator[DetectorChildren]:
    detection = DetectorChildren(count, models, picture.regions, mono=time.monotonic, patience=patience)
    try:
        yield detection
    finally:
        detection.close()


class Driver:
    """Does what a pipeline does between its looks, and keeps every answer by ticket."""

    def __init__(self, detection: DetectorChildren) -> None:
        self.detection = detection
        self.answers: dict[int, Seen | Unknown] = {}

    def until(self, holds: Callable[[], bool], what: str, timeout_s: float = 20.0) -> float:
        """How many seconds it took."""
        began = time.monotonic()
        while not holds():
            spent_s = time.monotonic() - began
            seen = f"{self.detection.describe()}, {self.detection.problem}, {dict(self.detection.counts)}"
            assert spent_s < timeout_s, f"{what}: not within {timeout_s} s; {seen}"
            self.detection.check(time.monotonic())
            for ticket, answer in self.detection.answers(0.05):
                assert ticket not in self.answers, f"ticket {ticket} was answered twice"
                self.answers[ticket] = answer
        return time.monotonic() - began

    def answer(self, ticket: int, timeout_s: float = 20.0) -> Seen | Unknown:
        self.until(lambda: ticket in self.answers, f"an answer to {ticket}", timeout_s)
        return self.answers[ticket]

    def all_idle(self, timeout_s: float = 20.0) -> float:
        return self.until(
            lambda: all(one.state == "idle" for one in self.detection.describe()), "every worker idle", timeout_s
        )


def copied_model(folder: Path) -> tuple[ModelSettings, Path]:
    """The embedded model and its card in `folder`, and the path of the model file."""
    card = json.loads(embedded_card_path().read_text())
    source = embedded_card_path().parent / card["file"]
    path = folder / "objects.onnx"
    shutil.copyfile(source, path)
    (folder / "objects.card.json").write_text(json.dumps(card | {"file": path.name}))
    return ModelSettings("objects", str(path), str(folder / "objects.card.json")), path


def change_model(path: Path) -> None:
    """Another valid model in the place of this one: the same network with a word of documentation, and its card."""
    path.write_bytes(path.read_bytes() + b"\x32\x05other")  # ModelProto.doc_string
    card_path = path.with_suffix(".card.json")
    card = json.loads(card_path.read_text())
    card_path.write_text(json.dumps(card | {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}))

"""Every way a model file or its card can be wrong ends in a refusal that says what to do."""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from xueliang_models.cards import card_from
from xueliang_models.catalogue import embedded_card_path, open_detector
from xueliang_models.errors import (
    CardError,
    ExternalDataError,
    FetchError,
    ForbiddenModel,
    InferenceError,
    ModelFileError,
    ModelMismatch,
    UnknownLayout,
)
from xueliang_models.fetching import fetch
from xueliang_models.onnx_file import read_whole
from xueliang_models.self_test import self_test

CLASSES = ["person", "car"]
CELLS = 64 // 8 * 64 // 8 + 16 + 4


def constant_model(path: Path, output: np.ndarray, names: str | None = None) -> Path:
    """A network that answers the same whatever it sees: input 1x3x64x64, `output` as its only output."""
    shape = [1, 3, 64, 64]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    answer = helper.make_tensor_value_info("output", TensorProto.FLOAT, list(output.shape))
    nodes = [
        helper.make_node("ReduceSum", ["images"], ["total"], keepdims=0),
        helper.make_node("Mul", ["total", "zero"], ["nothing"]),
        helper.make_node("Add", ["fixed", "nothing"], ["output"]),
    ]
    weights = [
        numpy_helper.from_array(output.astype(np.float32), "fixed"),
        numpy_helper.from_array(np.float32(0), "zero"),
    ]
    graph = helper.make_graph(nodes, "constant", [image], [answer], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if names is not None:
        model.metadata_props.add(key="names", value=names)
    onnx.save(model, path)
    return path


def yolox_output(score: float = 0.9) -> np.ndarray:
    output = np.zeros((1, CELLS, 5 + len(CLASSES)), np.float32)
    output[0, 0, 4:6] = 1.0, score
    return output


def card_for(path: Path, **changes: object) -> Path:
    card: dict[str, Any] = {
        "model_id": "made",
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "layout": "yolox",
        "classes": CLASSES,
        "licence": "Apache-2.0",
        "source": "made in the test",
    }
    target = path.with_suffix(".card.json")
    target.write_text(json.dumps(card | changes))
    return target


def test_a_good_model_opens_and_detects(tmp_path: Path) -> None:
    path = constant_model(tmp_path / "good.onnx", yolox_output())
    card_for(path)
    detector = open_detector(str(path))
    found = detector.detect(np.zeros((64, 64, 3), np.uint8), 0.5)
    assert len(found) == 1
    assert detector.classes[found.class_ids[0]] == "person"
    assert self_test(detector).problem is None


@pytest.mark.parametrize(("limit", "expected"), [(None, 2), (0.5, 1)], ids=["the family's limit", "the card's limit"])
def test_the_card_says_how_much_two_boxes_of_a_class_may_overlap(
    limit: float | None, expected: int, tmp_path: Path
) -> None:
    output = np.zeros((1, CELLS, 7), np.float32)
    output[0, 27] = [0.5, 0.5, np.log(4), np.log(4), 1.0, 0.9, 0.0]
    output[0, 28] = [0.5, 0.5, np.log(4), np.log(4), 1.0, 0.8, 0.0]  # 8 px to the right of it: IoU 0.6
    path = constant_model(tmp_path / "pair.onnx", output)
    card_for(path, recommended_nms_iou=limit)
    assert len(open_detector(str(path)).detect(np.zeros((64, 64, 3), np.uint8), 0.5)) == expected


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (lambda path: path.unlink(), ModelFileError, "cannot be read"),
        (lambda path: path.write_bytes(b""), ModelFileError, "without a graph"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), ModelFileError, "truncated"),
        (lambda path: path.write_bytes(b"GIF89a" + bytes(200)), ModelFileError, "no whole ONNX model"),
        (lambda path: path.write_bytes(path.read_bytes() + bytes([0x78, 0x01])), ModelMismatch, "sha256 is"),
    ],
    ids=["missing", "empty", "truncated", "another format", "changed by a byte"],
)
def test_spoilt_files_are_refused(spoil: Any, error: type[Exception], says: str, tmp_path: Path) -> None:
    path = constant_model(tmp_path / "model.onnx", yolox_output())
    card = card_for(path)
    spoil(path)
    with pytest.raises(error, match=says):
        open_detector(str(path), card=card)


def test_every_truncation_is_refused_before_the_runtime_sees_it(tmp_path: Path) -> None:
    path = constant_model(tmp_path / "model.onnx", yolox_output())
    whole = path.read_bytes()
    refused = 0
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        try:
            read_whole(path)
        except ModelFileError:
            refused += 1
    assert refused == len(range(0, len(whole), 97))


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    path = constant_model(tmp_path / "model.onnx", yolox_output())
    onnx.save(onnx.load(path), path, save_as_external_data=True, size_threshold=0, location="weights.bin")
    with pytest.raises(ExternalDataError, match="other files"):
        open_detector(str(path), card=card_for(path))


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"layout": "yolov8"}, ModelMismatch, "its outputs are yolox"),
        ({"layout": "mystery"}, UnknownLayout, "expected one of yolox"),
        ({"classes": ["person"]}, ModelMismatch, "gives 2 classes, its card names 1"),
        ({"classes": ["person", "face"]}, ForbiddenModel, "'face' identifies people"),
        ({"classes": "coco-90"}, CardError, "coco-80"),
        ({"sha256": "12"}, CardError, "sha256"),
        ({"licence": ""}, CardError, "licence"),
    ],
    ids=["other layout", "unknown layout", "class count", "identity", "unknown list", "bad hash", "no licence"],
)
def test_cards_that_do_not_fit_are_refused(
    changes: dict[str, object], error: type[Exception], says: str, tmp_path: Path
) -> None:
    path = constant_model(tmp_path / "model.onnx", yolox_output())
    card = card_for(path, **changes)
    with pytest.raises(error, match=says):
        open_detector(str(path), card=card)


@pytest.mark.parametrize(
    "name", ["re-id", "LicensePlate", "number_plate", "numberplate", "woman", "Face", "re identification"]
)
def test_classes_that_identify_people_are_refused_however_they_are_spelt(name: str, tmp_path: Path) -> None:
    path = constant_model(tmp_path / "model.onnx", yolox_output())
    with pytest.raises(ForbiddenModel, match="identifies people"):
        open_detector(str(path), card=card_for(path, classes=["car", name]))


def test_a_catalogue_that_is_no_list_and_names_with_mixed_keys_are_refused_in_words(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.json"
    catalogue.write_text('{"models": 5}')
    with pytest.raises(CardError, match="expected JSON"):
        open_detector("any", catalogue=catalogue)
    path = constant_model(tmp_path / "mixed.onnx", yolox_output(), names="{0: 'person', 'a': 'car'}")
    with pytest.raises(CardError, match="no list of names"):
        open_detector(str(path))


def test_a_box_without_area_shows_nothing(tmp_path: Path) -> None:
    output = yolox_output()
    output[0, 27] = [-40.0, 0.5, 0.0, 0.0, 1.0, 0.9, 0.0]  # beyond the left edge: clipped to no width
    path = constant_model(tmp_path / "thin.onnx", output)
    card_for(path)
    assert len(open_detector(str(path)).detect(np.zeros((64, 64, 3), np.uint8), 0.5)) == 1


def test_an_appearance_vector_is_refused(tmp_path: Path) -> None:
    path = constant_model(tmp_path / "vector.onnx", np.zeros((1, 512), np.float32))
    with pytest.raises(ForbiddenModel, match="one vector per picture"):
        open_detector(str(path), card=card_for(path))


def test_an_unknown_layout_names_the_known_ones(tmp_path: Path) -> None:
    path = constant_model(tmp_path / "odd.onnx", np.zeros((1, 7, 9, 11), np.float32))
    with pytest.raises(UnknownLayout, match=r"output \[1, 7, 9, 11\].*yolox, yolov8"):
        open_detector(str(path), card=card_for(path))


def test_a_file_without_card_or_names_says_how_to_write_one(tmp_path: Path) -> None:
    path = constant_model(tmp_path / "bare.onnx", yolox_output())
    with pytest.raises(CardError, match=r"bare\.card\.json"):
        open_detector(str(path))


def test_names_in_the_file_serve_as_its_classes(tmp_path: Path) -> None:
    path = constant_model(tmp_path / "Named_1.onnx", yolox_output(), names="{0: 'person', 1: 'car'}")
    assert open_detector(str(path)).classes == ("person", "car")
    path = constant_model(tmp_path / "hostile.onnx", yolox_output(), names="__import__('os').getcwd()")
    with pytest.raises(CardError, match="cannot be read"):
        open_detector(str(path))


def test_a_model_that_never_scores_is_noticed(tmp_path: Path) -> None:
    path = constant_model(tmp_path / "silent.onnx", np.zeros((1, CELLS, 7), np.float32))
    card_for(path)
    assert "exactly 0" in str(self_test(open_detector(str(path))).problem)


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=["nan", "infinity"])
def test_numbers_that_are_not_finite_are_an_error_not_an_answer(value: float, tmp_path: Path) -> None:
    output = yolox_output()
    output[0, 3, 4:6] = value
    path = constant_model(tmp_path / "wild.onnx", output)
    card_for(path)
    with pytest.raises(InferenceError, match="not finite"):
        open_detector(str(path)).detect(np.zeros((64, 64, 3), np.uint8))


def test_the_embedded_detector_is_what_its_card_says() -> None:
    detector = open_detector("embedded")
    card = json.loads(embedded_card_path().read_text())
    assert detector.classes == ("person", "bicycle", "car", "motorcycle", "bus", "truck")
    assert (embedded_card_path().parent / card["file"]).stat().st_size <= 4 * 1024 * 1024
    assert self_test(detector).problem is None


class Shelf(BaseHTTPRequestHandler):
    """Serves one payload and counts."""

    payload = b""
    status = 200
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.payload)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class names it so
        """Quiet."""


@pytest.fixture
def shelf() -> Any:
    handler = type("OneShelf", (Shelf,), {"asked": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_address[1]}/model.onnx"
    server.shutdown()
    server.server_close()


def _fetchable(payload: bytes, url: str | None) -> Any:
    return card_from(
        {
            "model_id": "far",
            "file": "far.onnx",
            "sha256": hashlib.sha256(payload).hexdigest(),
            "layout": "yolox",
            "classes": ["person"],
            "licence": "Apache-2.0",
            "source": "a local server",
            "url": url,
        },
        "test",
    )


def test_fetch_verifies_keeps_and_then_needs_no_network(shelf: Any, tmp_path: Path) -> None:
    handler, url = shelf
    handler.payload = b"the model" * 1000
    card = _fetchable(handler.payload, url)
    path = fetch(card, tmp_path / "cache")
    assert path.read_bytes() == handler.payload
    assert fetch(card, tmp_path / "cache") == path
    assert handler.asked == 1


def test_fetch_keeps_nothing_whose_hash_is_wrong(shelf: Any, tmp_path: Path) -> None:
    handler, url = shelf
    handler.payload = b"something else"
    with pytest.raises(FetchError, match="nothing was kept"):
        fetch(_fetchable(b"the model", url), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_fetch_says_what_went_wrong(shelf: Any, tmp_path: Path) -> None:
    handler, url = shelf
    handler.status = 404
    with pytest.raises(FetchError, match="answered 404"):
        fetch(_fetchable(b"x", url), tmp_path)
    with pytest.raises(FetchError) as refused:
        fetch(_fetchable(b"x", "http://u:s3cret@127.0.0.1:9/model.onnx?key=s3cret"), tmp_path)
    assert "s3cret" not in str(refused.value)
    with pytest.raises(FetchError, match="names no url"):
        fetch(_fetchable(b"x", None), tmp_path)
    with pytest.raises(FetchError, match="http or https"):
        fetch(_fetchable(b"x", "file:///etc/hostname"), tmp_path)
    with pytest.raises(FetchError, match="ConnectError"):
        fetch(_fetchable(b"x", "http://127.0.0.1:9/model.onnx"), tmp_path)

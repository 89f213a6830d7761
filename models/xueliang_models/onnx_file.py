"""Look into an ONNX file before the runtime does: is it whole, and does it keep its weights to itself?

A walk over the protobuf wire format (field numbers of onnx.proto, IR version 10): only lengths are followed, nothing is
decoded, so a hostile file costs no more than its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from xueliang_models.errors import ExternalDataError, ModelFileError

MAX_MODEL_BYTES: Final = 512 * 1024 * 1024
_GRAPH, _NODE, _INITIALIZER, _ATTRIBUTE, _ATTR_TENSOR, _ATTR_GRAPH = 7, 1, 5, 5, 5, 6
_ATTR_TENSORS, _ATTR_GRAPHS, _EXTERNAL_DATA, _DATA_LOCATION = 10, 11, 13, 14
_DEEPEST = 16


class _Truncated(Exception):
    pass


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise _Truncated
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, varint value or bytes) one after another."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == 2:
            length, at = _varint(data, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise _Truncated
        if at + length > len(data):
            raise _Truncated
        yield key >> 3, data[at : at + length]
        at += length


def _tensor_is_external(tensor: memoryview) -> bool:
    return any(
        number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == 1) for number, value in _fields(tensor)
    )


def _attribute_has_external(attribute: memoryview, depth: int) -> bool:
    for number, value in _fields(attribute):
        if isinstance(value, int):
            continue
        if number in (_ATTR_TENSOR, _ATTR_TENSORS) and _tensor_is_external(value):
            return True
        if number in (_ATTR_GRAPH, _ATTR_GRAPHS) and _graph_has_external(value, depth + 1):
            return True
    return False


def _graph_has_external(graph: memoryview, depth: int = 0) -> bool:
    if depth > _DEEPEST:
        raise _Truncated
    for number, value in _fields(graph):
        if isinstance(value, int):
            continue
        if number == _INITIALIZER and _tensor_is_external(value):
            return True
        if number == _NODE and any(
            _attribute_has_external(inner, depth)
            for field, inner in _fields(value)
            if field == _ATTRIBUTE and not isinstance(inner, int)
        ):
            return True
    return False


def read_whole(path: Path) -> bytes:
    """The file's bytes, when it is a whole ONNX model in one file.

    Raises:
        ModelFileError: missing, empty, too large, truncated or no ONNX.
        ExternalDataError: weights lie in other files.
    """
    try:
        size = path.stat().st_size
        if size > MAX_MODEL_BYTES:
            raise ModelFileError(f"{path}: {size} bytes, limit {MAX_MODEL_BYTES}; is this a model?")
        payload = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror}); expected an ONNX file there") from error
    try:
        graphs = [
            value for number, value in _fields(memoryview(payload)) if number == _GRAPH and not isinstance(value, int)
        ]
        external = any(_graph_has_external(graph) for graph in graphs)
    except _Truncated:
        raise ModelFileError(
            f"{path}: {size} bytes, no whole ONNX model (truncated, or another format); fetch or export it again"
        ) from None
    if not graphs:
        raise ModelFileError(f"{path}: {size} bytes without a graph; expected an ONNX model; fetch or export it again")
    if external:
        raise ExternalDataError(
            f"{path}: keeps its weights in other files; re-export as one file (onnx.save without external data)"
        )
    return payload

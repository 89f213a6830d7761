"""What is written together: the looks of all cameras over half an hour, first in a journal, then in a segment.

Journal: a header frame, then a ROWS frame every few seconds, written as it comes. Segment: the same looks, a block a
camera, written in one go and renamed into place; then the journal is removed. Rows depend on the rows before them in
their block (rows.py), so a journal's damaged frame costs each camera what follows until its next block begins.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from xueliang_edge.observation_log.blocks import MAX_ROWS, encoded
from xueliang_edge.observation_log.framing import FrameKind, framed, frames
from xueliang_edge.observation_log.rows import Context, Tables, row_bytes
from xueliang_edge.observations import Observation

FORMAT: Final = 1
_LENGTH: Final = struct.Struct("<I")
_QUICK: Final = 1  # compression of a journal's frames: it lives for half an hour


@dataclass(slots=True)
class GrowingBlock:
    """Rows of one camera, as many as share their tables. `told_*`: what the journal has of it."""

    camera_id: str
    snapshot: Mapping[str, Any] | None
    tables: Tables = field(default_factory=Tables)
    rows: list[bytes] = field(default_factory=list)
    told_rows: int = 0
    told_contexts: int = 0
    told_classes: int = 0
    told_grid_hw: tuple[int, int] | None = None


class Group:
    """Collects looks; belongs to one thread.

    Attributes:
        blocks: in the order in which they were begun; a camera has several when its tables were full, when its looks
            were many, or after something was lost.
        is_torn: read from a journal whose end, or a part, was missing.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.blocks: list[GrowingBlock] = []
        self.is_torn = False
        self._current: dict[str, GrowingBlock] = {}

    def __len__(self) -> int:
        """Looks in it."""
        return sum(len(block.rows) for block in self.blocks)

    def add(self, observation: Observation, sequence: int, snapshot: Mapping[str, Any] | None) -> None:
        """One encoded look; with a snapshot it begins a block. Raises NotRepresentable."""
        block = self._current.get(observation.camera_id)
        is_full = block is not None and (len(block.rows) >= MAX_ROWS or not block.tables.has_room_for(observation))
        if block is None or snapshot is not None or is_full:
            block = self._begin(observation.camera_id, snapshot)
        block.rows.append(block.tables.pack(observation, sequence))

    def begin_anew(self) -> None:
        """Nothing that comes depends on what is here: for when the journal has lost a frame."""
        self._current.clear()

    def news(self) -> bytes:
        """A ROWS frame of everything that no earlier call gave; empty when there is nothing."""
        told: list[dict[str, Any]] = []
        rows: list[bytes] = []
        for block in self.blocks:
            if block.told_rows < len(block.rows):
                told.append(_news_of(block))
                rows += block.rows[block.told_rows :]
                block.told_rows = len(block.rows)
                block.told_contexts, block.told_classes = len(block.tables.contexts), len(block.tables.class_names)
                block.told_grid_hw = block.tables.grid_hw
        if not told:
            return b""
        about = json.dumps(told, separators=(",", ":")).encode()
        return framed(FrameKind.ROWS, zlib.compress(_LENGTH.pack(len(about)) + about + b"".join(rows), _QUICK))

    def segment(self) -> Iterator[bytes]:
        """The bytes of the segment, a camera's block at a time."""
        yield header(self.run_id)
        first_ms: list[int] = []
        last_ms: list[int] = []
        for block in self.blocks:
            if not block.rows:
                continue
            head, data = encoded(block.camera_id, block.rows, block.tables)
            first_ms.append(head.first_at_ms)
            last_ms.append(head.last_at_ms)
            parts = [framed(FrameKind.BLOCK_HEAD, _json(head.to_json()))]
            if block.snapshot is not None:
                parts.append(framed(FrameKind.SNAPSHOT, zlib.compress(_json(block.snapshot))))
            yield b"".join((*parts, framed(FrameKind.BLOCK, data)))
        ends = {"first_at_ms": min(first_ms, default=0), "last_at_ms": max(last_ms, default=0), "looks": len(self)}
        yield framed(FrameKind.END, _json(ends))

    @classmethod
    def from_journal(cls, data: bytes | memoryview) -> Self:
        """What can be read of a journal; nothing of one in the format of another version. Never raises."""
        found = list(frames(data))
        group = cls(run_of(data) or "")
        if _about(data).get("format", FORMAT) != FORMAT:
            group.is_torn = True
            return group
        for frame in found:
            payload = frame.payload(data) if frame is not None else None
            if frame is None or payload is None:
                group.is_torn = True
            elif frame.kind is FrameKind.ROWS:
                group._take(payload)
        return group

    def _begin(self, camera_id: str, snapshot: Mapping[str, Any] | None) -> GrowingBlock:
        block = GrowingBlock(camera_id, snapshot)
        self.blocks.append(block)
        self._current[camera_id] = block
        return block

    def _take(self, payload: memoryview) -> None:
        try:
            data = zlib.decompress(payload)
            (length,) = _LENGTH.unpack_from(data)
            offset = _LENGTH.size + length
            for one in json.loads(data[_LENGTH.size : offset]):
                end = offset + int(one["bytes"])
                self._take_camera(one, data, offset, end)
                offset = end
        except (zlib.error, struct.error, KeyError, TypeError, ValueError):
            self.is_torn = True  # its checksum was right: written by another version

    def _take_camera(self, one: Mapping[str, Any], data: bytes, offset: int, end: int) -> None:
        camera_id = str(one["camera_id"])
        if one["row"] == 0:
            self._begin(camera_id, one.get("snapshot"))
        block = self._current.get(camera_id)
        if block is None or len(block.rows) != one["row"]:
            self.is_torn = True  # what these rows build on is lost
            self._current.pop(camera_id, None)
            return
        tables = block.tables
        for context in one.get("contexts", ()):
            tables.contexts.setdefault(Context.from_json(context), len(tables.contexts))
        for name in one.get("class_names", ()):
            tables.class_names.setdefault(str(name), len(tables.class_names))
        if "grid_hw" in one:
            tables.grid_hw = (int(one["grid_hw"][0]), int(one["grid_hw"][1]))
        while offset < end:
            length = row_bytes(data, offset)
            block.rows.append(data[offset : offset + length])
            offset += length
        block.told_rows = len(block.rows)


def _news_of(block: GrowingBlock) -> dict[str, Any]:
    """Whose rows they are and what they point into; what is empty is left out, this comes every few seconds."""
    first, tables = block.told_rows, block.tables
    news = {
        "camera_id": block.camera_id,
        "row": first,
        "bytes": sum(map(len, block.rows[first:])),
        "contexts": [one.to_json() for one in list(tables.contexts)[block.told_contexts :]],
        "class_names": list(tables.class_names)[block.told_classes :],
        "grid_hw": tables.grid_hw if block.told_grid_hw != tables.grid_hw else None,
        "snapshot": block.snapshot if first == 0 else None,
    }
    return {name: value for name, value in news.items() if value is not None and value != []}


def header(run_id: str) -> bytes:
    """The frame with which every file begins."""
    return framed(FrameKind.HEADER, _json({"format": FORMAT, "run_id": run_id}))


def run_of(data: bytes | memoryview) -> str | None:
    """Which run wrote this file; None: it does not say, or in a format of another version."""
    about = _about(data)
    return str(about["run_id"]) if about.get("format") == FORMAT and "run_id" in about else None


def as_json(payload: bytes | memoryview | None) -> dict[str, Any]:
    """An object; empty for anything else."""
    if payload is None:
        return {}
    try:
        value = json.loads(bytes(payload))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _about(data: bytes | memoryview) -> dict[str, Any]:
    """What the header of a file says; empty when there is none."""
    frame = next(frames(data), None)
    return as_json(frame.payload(data)) if frame is not None and frame.kind is FrameKind.HEADER else {}


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()

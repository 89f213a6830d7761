"""What is written together: the looks of all cameras over half an hour, first in a journal, then in a segment.

Journal: a header frame, then a ROWS frame every few seconds, written as it comes. Segment: the same looks, a block a
camera, written in one go and renamed into place; then the journal is removed. Rows depend on the rows before them in
their block (rows.py), so a journal's damaged frame costs each camera what follows until its next block begins.

In memory the rows that the journal has are folded: `FOLD_ROWS` of a camera at a time, compressed, unfolded when the
segment is written, a camera at a time. A look holds 24 bytes on a calm street and 277 on a busy one so (900 looks of
`tests/support/street_life.py`); as rows they held 86 and 489, a Python object each.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from xueliang_edge.observation_log.blocks import MAX_ROWS, encoded
from xueliang_edge.observation_log.framing import FrameKind, framed, frames
from xueliang_edge.observation_log.rows import Context, Tables, row_bytes
from xueliang_edge.observations import Observation

FORMAT: Final = 1
FOLD_ROWS: Final = 64  # a minute of one look a second; 16 or 256 at a time hold up to a fifth more (measured)
_LENGTH: Final = struct.Struct("<I")
_QUICK: Final = 1  # compression of a journal's frames: it lives for half an hour


@dataclass(slots=True)
class GrowingBlock:
    """Rows of one camera, as many as share their tables. `told_*`: what the journal has of it.

    Attributes:
        latest: the rows that are not folded, newest last.
    """

    camera_id: str
    snapshot: Mapping[str, Any] | None
    tables: Tables = field(default_factory=Tables)
    latest: list[bytes] = field(default_factory=list)
    told_rows: int = 0
    told_contexts: int = 0
    told_classes: int = 0
    told_grid_hw: tuple[int, int] | None = None
    _folded: list[bytes] = field(default_factory=list)

    def __len__(self) -> int:
        """Its looks."""
        return len(self._folded) * FOLD_ROWS + len(self.latest)

    @property
    def rows(self) -> list[bytes]:
        """All of them, oldest first; made anew at each call."""
        rows: list[bytes] = []
        for folded in self._folded:
            rows += _rows_in(zlib.decompress(folded))
        return rows + self.latest

    def untold(self) -> list[bytes]:
        """The rows the journal does not have."""
        return self.latest[self.told_rows - len(self._folded) * FOLD_ROWS :]

    def told(self) -> None:
        """The journal has everything there is."""
        self.told_rows = len(self)
        self.told_contexts, self.told_classes = len(self.tables.contexts), len(self.tables.class_names)
        self.told_grid_hw = self.tables.grid_hw
        self.fold()

    def fold(self) -> None:
        """Pack away what is told, `FOLD_ROWS` at a time."""
        while len(self.latest) >= FOLD_ROWS and self.told_rows >= (len(self._folded) + 1) * FOLD_ROWS:
            self._folded.append(zlib.compress(b"".join(self.latest[:FOLD_ROWS]), _QUICK))
            del self.latest[:FOLD_ROWS]


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
        return sum(map(len, self.blocks))

    def add(self, observation: Observation, sequence: int, snapshot: Mapping[str, Any] | None) -> None:
        """One encoded look; with a snapshot it begins a block. Raises NotRepresentable."""
        block = self._current.get(observation.camera_id)
        is_full = block is not None and (len(block) >= MAX_ROWS or not block.tables.has_room_for(observation))
        if block is None or snapshot is not None or is_full:
            block = self._begin(observation.camera_id, snapshot)
        block.latest.append(block.tables.pack(observation, sequence))

    def begin_anew(self) -> None:
        """Nothing that comes depends on what is here: for when the journal has lost a frame."""
        self._current.clear()

    def news(self) -> bytes:
        """A ROWS frame of everything that no earlier call gave; empty when there is nothing."""
        told: list[dict[str, Any]] = []
        rows: list[bytes] = []
        for block in self.blocks:
            if block.told_rows < len(block):
                untold = block.untold()
                told.append(_news_of(block, untold))
                rows += untold
                block.told()
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
            if not len(block):
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
        if block is None or len(block) != one["row"]:
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
        block.latest += _rows_in(data[offset:end])
        block.told_rows = len(block)
        block.fold()


def _rows_in(data: bytes) -> Iterator[bytes]:
    """Packed rows that stand one behind the other."""
    offset = 0
    while offset < len(data):
        length = row_bytes(data, offset)
        yield data[offset : offset + length]
        offset += length


def _news_of(block: GrowingBlock, untold: Sequence[bytes]) -> dict[str, Any]:
    """Whose rows they are and what they point into; what is empty is left out, this comes every few seconds."""
    first, tables = block.told_rows, block.tables
    news = {
        "camera_id": block.camera_id,
        "row": first,
        "bytes": sum(map(len, untold)),
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

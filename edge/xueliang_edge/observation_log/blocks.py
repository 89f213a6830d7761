"""The looks of one camera in columns: packed rows to a block of bytes, and a block to arrays.

Left, top, width and height of a box are 12 bits each. Where it is and the low bytes of how large it is are noise, like
the scores, and kept as they are: compressing them would save a tenth of a block and cost a third of the reading rate.
The high bits of the size, classes, tracks and everything about the looks themselves compress well, in byte planes,
because the boxes of a look come in an order that changes little from one look to the next (encoding.py). All the way
back is a handful of operations on whole columns.

Measured and not done (decision 0012): keeping boxes track by track as differences saves a tenth and reads half as fast.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.observation_log.encoding import BOX_STEPS, scores_of
from xueliang_edge.observation_log.looks import LoggedLooks, PackedGrids
from xueliang_edge.observation_log.rows import ROW_HEAD, Context, Flag, Tables

MAX_ROWS: Final = 4096
_LEVEL: Final = 6
_DTYPES: Final = ("<u1", "<i1", "<u2", "<i2", "<i4", "<i8")
_SIDE: Final = np.uint16(BOX_STEPS)
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a block without its looks.

    Attributes:
        sequences: of its first look, and the one after its last.
        jumps: (look, sequence): from this look on the sequence counts on from there, what lies between was lost.
        first_at_ms, last_at_ms: wall clock of its first and last look.
        details: what `decoded` needs.
    """

    camera_id: str
    sequences: tuple[int, int]
    jumps: tuple[tuple[int, int], ...]
    first_at_ms: int
    last_at_ms: int
    details: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Head:
        """Raises KeyError, TypeError, ValueError."""
        first, following = value["sequences"]
        jumps = tuple((int(look), int(sequence)) for look, sequence in value["jumps"])
        return cls(
            str(value["camera_id"]),
            (int(first), int(following)),
            jumps,
            int(value["first_at_ms"]),
            int(value["last_at_ms"]),
            dict(value["details"]),
        )


def encoded(camera_id: str, rows: Sequence[bytes], tables: Tables) -> tuple[Head, bytes]:
    """A block of at least one and at most `MAX_ROWS` packed rows that were made with these tables."""
    heads = np.array([ROW_HEAD.unpack_from(row) for row in rows], dtype=np.int64)
    sequence, mono_ms, at_ms, flags, context, counts, cell_counts = heads.T
    boxes = _boxes_encoded(rows, counts)
    grid, changes = _grid_encoded(rows, counts, cell_counts, tables.grid_hw)
    columns = _Columns()
    columns.add("mono_ms", np.diff(mono_ms, prepend=mono_ms[0]))
    columns.add("ahead_ms", np.diff(at_ms - mono_ms, prepend=at_ms[0] - mono_ms[0]))
    for name, values in (("counts", counts), ("flags", flags), ("context", context)):
        columns.add(name, values)
    tracks = _Columns()
    tracks.add("tracks", boxes.tracks)
    streams = [
        zlib.compress(columns.data, _LEVEL),
        boxes.noise,
        zlib.compress(boxes.names + tracks.data, _LEVEL),
        zlib.compress(boxes.track_table, _LEVEL),
        zlib.compress(grid, _LEVEL),
    ]
    jumps = np.flatnonzero(np.diff(sequence) != 1) + 1
    details = {
        "looks": len(rows),
        "boxes": int(counts.sum()),
        "changes": changes,
        "mono_ms": int(mono_ms[0]),
        "ahead_ms": int(at_ms[0] - mono_ms[0]),
        "columns": columns.dtypes | tracks.dtypes,
        "grid_hw": tables.grid_hw,
        "contexts": [one.to_json() for one in tables.contexts],
        "class_names": list(tables.class_names),
        "streams": [len(data) for data in streams],
    }
    head = Head(
        camera_id,
        (int(sequence[0]), int(sequence[-1]) + 1),
        tuple((int(look), int(sequence[look])) for look in jumps),
        int(at_ms[0]),
        int(at_ms[-1]),
        details,
    )
    return head, b"".join(streams)


def _planes(values: NDArray[Any]) -> bytes:
    """The first byte of every value, then the second of every value, and so on."""
    return np.ascontiguousarray(values.view(np.uint8).reshape(len(values), values.itemsize).T).tobytes()


def _from_planes(data: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    size = np.dtype(dtype).itemsize
    return np.ascontiguousarray(data.reshape(size, len(data) // size).T).view(dtype).ravel()


class _Columns:
    """Columns of whole numbers in one stream, each as narrow as its values let it be."""

    def __init__(self) -> None:
        self.data = b""
        self.dtypes: dict[str, str] = {}

    def add(self, name: str, values: Ints) -> None:
        dtype = next(one for one in _DTYPES if len(values) == 0 or _fits(values, np.iinfo(one)))
        self.dtypes[name] = dtype
        self.data += _planes(values.astype(dtype))


def _fits(values: Ints, info: np.iinfo[Any]) -> bool:
    return bool(values.min() >= info.min and values.max() <= info.max)


def _columns_of(data: NDArray[np.uint8], dtypes: Mapping[str, str], count: int, names: Sequence[str]) -> list[Any]:
    """The way back, in the order in which they were added."""
    columns = []
    for name in names:
        width = count * np.dtype(dtypes[name]).itemsize
        columns.append(_from_planes(data[:width], dtypes[name]))
        data = data[width:]
    return columns


@dataclass(frozen=True, slots=True)
class _Boxes:
    """The boxes of a block, look by look.

    Attributes:
        noise: low bytes of left, top, width, height, high bits of left and top, scores; a byte a box each.
        names: high bits of width and height, then classes; a byte a box each.
        tracks: (b,), into `track_table`.
    """

    noise: bytes
    names: bytes
    tracks: Ints
    track_table: bytes


def _boxes_encoded(rows: Sequence[bytes], counts: Ints) -> _Boxes:
    start = ROW_HEAD.size
    pairs = [(row, int(n)) for row, n in zip(rows, counts, strict=True) if n]
    steps = np.frombuffer(b"".join(row[start : start + 8 * n] for row, n in pairs), "<u2").reshape(-1, 4)
    scores = b"".join(row[start + 8 * n : start + 9 * n] for row, n in pairs)
    classes = b"".join(row[start + 9 * n : start + 10 * n] for row, n in pairs)
    tracks = np.frombuffer(b"".join(row[start + 10 * n : start + 14 * n] for row, n in pairs), "<i4")
    # A box that is upside down has a "negative" size: twelve bits wrap round, and do so on the way back.
    sides = np.concatenate([steps[:, :2], steps[:, 2:] - steps[:, :2]], axis=1).T & _SIDE
    high = (sides >> 8).astype(np.uint8)
    corner, size = high[0] | high[1] << 4, high[2] | high[3] << 4
    table, index = np.unique(tracks, return_inverse=True)
    return _Boxes(
        noise=sides.astype(np.uint8).tobytes() + corner.tobytes() + scores,
        names=size.tobytes() + classes,
        tracks=index,
        track_table=_planes(table.astype("<i4")),
    )


def _grid_encoded(
    rows: Sequence[bytes], counts: Ints, cell_counts: Ints, grid_hw: tuple[int, int] | None
) -> tuple[bytes, int]:
    """See `PackedGrids`."""
    if grid_hw is None:
        return b"", 0
    starts = ROW_HEAD.size + 14 * counts
    triples = [(row, int(at), int(k)) for row, at, k in zip(rows, starts, cell_counts, strict=True) if k]
    cells = np.frombuffer(b"".join(row[at : at + 2 * k] for row, at, k in triples), "<u2").astype(np.int64)
    levels = np.frombuffer(b"".join(row[at + 2 * k : at + 3 * k] for row, at, k in triples), np.uint8)
    looks, count = np.repeat(np.arange(len(rows)), cell_counts), grid_hw[0] * grid_hw[1]
    # Each cell begins at level 0 unless its first look says otherwise.
    positions = np.concatenate([np.arange(count) * len(rows), cells * len(rows) + looks])
    values = np.concatenate([np.zeros(count, np.uint8), levels])
    order = np.argsort(positions, kind="stable")
    positions, values = positions[order], values[order]
    is_last_here = np.diff(positions, append=-1) != 0
    positions, values = positions[is_last_here], values[is_last_here]
    is_new = np.concatenate([[True], np.diff(values.astype(np.int16)) != 0])
    positions, values = positions[is_new], values[is_new]
    return _planes(np.diff(positions, prepend=0).astype("<u4")) + values.tobytes(), len(values)


def decoded(head: Head, data: memoryview, run_id: str, snapshot: Mapping[str, Any] | None = None) -> LoggedLooks:
    """The arrays of a block whose checksum is right."""
    about = head.details
    rows_z, noise_z, names_z, table_z, grid_z = _cut(data, about["streams"])
    looks, boxes = int(about["looks"]), int(about["boxes"])
    rows = _rows_decoded(zlib.decompress(rows_z), looks, about)
    noise = np.frombuffer(noise_z, np.uint8)
    names = np.frombuffer(zlib.decompress(names_z), np.uint8)
    track_table = _from_planes(np.frombuffer(zlib.decompress(table_z), np.uint8), "<i4")
    (tracks,) = _columns_of(names[2 * boxes :], about["columns"], boxes, ("tracks",))
    contexts = tuple(Context.from_json(one) for one in about["contexts"])
    box_start, box_count = _ranges(rows, contexts)
    grid_hw = about["grid_hw"]
    return LoggedLooks(
        camera_id=head.camera_id,
        run_id=run_id,
        sequence=_sequences(head, looks),
        mono_s=rows.mono_ms / 1000,
        at_ms=rows.at_ms,
        contexts=contexts,
        context=rows.context,
        is_carried=(rows.flags & Flag.CARRIED) != 0,
        has_change=(rows.flags & Flag.HAS_CHANGE) != 0,
        box_start=box_start,
        box_count=box_count,
        boxes_xyxyn=_boxes_decoded(noise[: 5 * boxes].reshape(5, boxes), names[:boxes]),
        scores=scores_of(noise[5 * boxes :]),
        class_ids=names[boxes : 2 * boxes],
        class_names=tuple(about["class_names"]),
        track_ids=track_table.take(tracks),
        grids=PackedGrids(bytes(grid_z), int(about["changes"]), looks, None if grid_hw is None else tuple(grid_hw)),
        snapshot=snapshot,
    )


def _cut(data: memoryview, lengths: Sequence[int]) -> list[memoryview]:
    ends = np.cumsum(lengths).tolist()
    return [data[end - length : end] for end, length in zip(ends, lengths, strict=True)]


@dataclass(frozen=True, slots=True)
class _Rows:
    """The columns of the looks themselves. `counts`: boxes that a look has of its own."""

    mono_ms: Ints
    at_ms: Ints
    counts: Ints
    flags: NDArray[np.uint8]
    context: NDArray[np.uint8]


def _rows_decoded(data: bytes, looks: int, about: Mapping[str, Any]) -> _Rows:
    names = ("mono_ms", "ahead_ms", "counts", "flags", "context")
    columns = _columns_of(np.frombuffer(data, np.uint8), about["columns"], looks, names)
    mono_ms = np.cumsum(columns[0], dtype=np.int64) + int(about["mono_ms"])
    return _Rows(
        mono_ms=mono_ms,
        at_ms=np.cumsum(columns[1], dtype=np.int64) + mono_ms + int(about["ahead_ms"]),
        counts=columns[2].astype(np.int64),
        flags=columns[3],
        context=columns[4],
    )


def _boxes_decoded(noise: NDArray[np.uint8], size: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`noise`: the first five of `_Boxes.noise`, (5, b); `size`: the first of `_Boxes.names`, (b,)."""
    high = (noise[4], size)
    left, top, width, height = (_side(noise[side], high[side // 2], side % 2) for side in range(4))
    width += left
    width &= _SIDE
    height += top
    height &= _SIDE
    boxes = np.empty((len(size), 4), np.float32)
    for side, values in enumerate((left, top, width, height)):
        boxes[:, side] = values
    boxes /= np.float32(BOX_STEPS)
    return boxes


def _side(low: NDArray[np.uint8], high: NDArray[np.uint8], is_upper: int) -> NDArray[np.uint16]:
    """Twelve bits: a byte, and the lower or upper half of another."""
    values = (high >> 4 if is_upper else high & 15).astype(np.uint16)
    values <<= 8
    values |= low
    return values


def _ranges(rows: _Rows, contexts: Sequence[Context]) -> tuple[Ints, Ints]:
    """Which boxes each look shows: its own, or those its detector gave last."""
    counts = rows.counts
    starts = np.cumsum(counts) - counts
    is_same = (rows.flags & Flag.SAME_BOXES) != 0
    if not is_same.any():
        return starts, counts
    detectors = {one.detector: number for number, one in enumerate(contexts)}
    number_of = np.array([detectors[one.detector] for one in contexts])[rows.context]
    source = np.arange(len(counts))
    for number in set(detectors.values()):
        mine = np.flatnonzero(number_of == number)
        source[mine] = np.maximum.accumulate(np.where(is_same[mine], 0, mine))
    return starts[source], counts[source]


def _sequences(head: Head, looks: int) -> Ints:
    sequence = np.arange(head.sequences[0], head.sequences[0] + looks, dtype=np.int64)
    for look, jumped_to in head.jumps:
        sequence[look:] = np.arange(jumped_to, jumped_to + looks - look)
    return sequence

"""The looks of one camera in columns: packed rows to a block of bytes, and a block to arrays.

What makes it small is the order: boxes are kept track after track (those without a track place after place), each as
its difference from the one before, so a thing that stands costs the noise of its edges only. What makes it fast is that
all the way back is a handful of operations on whole columns: sums, one radix sort, one gather.

The bytes of what is noise anyway (scores, low bytes of the differences) are kept as they are: compressing them would
save a tenth of a block and cost half of the reading rate. Everything else is compressed in byte planes.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.observation_log.encoding import boxes_of, haunts, scores_of
from xueliang_edge.observation_log.looks import LoggedLooks, PackedGrids
from xueliang_edge.observation_log.rows import ROW_HEAD, Context, Flag, Tables

MAX_ROWS: Final = 4096
_LEVEL: Final = 6
_ROW_PLANES: Final = 18
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
    boxes, links = _boxes_encoded(rows, counts)
    grid, changes = _grid_encoded(rows, counts, cell_counts, tables.grid_hw)
    streams = {
        "rows": (_rows_encoded(mono_ms, at_ms, flags, context), True),
        "links": (links, True),
        "low": (boxes["low"], False),
        "large": (boxes["large"], True),
        "runs": (boxes["runs"], True),
        "grid": (grid, True),
    }
    stored = {name: zlib.compress(data, _LEVEL) if packs else data for name, (data, packs) in streams.items()}
    jumps = np.flatnonzero(np.diff(sequence) != 1) + 1
    details = {
        "looks": len(rows),
        "boxes": int(counts.sum()),
        "runs": len(boxes["runs"]) // 8,
        "changes": changes,
        "mono_ms": int(mono_ms[0]),
        "grid_hw": tables.grid_hw,
        "contexts": [one.to_json() for one in tables.contexts],
        "class_names": list(tables.class_names),
        "streams": [len(data) for data in stored.values()],
    }
    head = Head(
        camera_id,
        (int(sequence[0]), int(sequence[-1]) + 1),
        tuple((int(look), int(sequence[look])) for look in jumps),
        int(at_ms[0]),
        int(at_ms[-1]),
        details,
    )
    return head, b"".join(stored.values())


def _planes(values: NDArray[Any]) -> bytes:
    """The first byte of every value, then the second of every value, and so on."""
    return np.ascontiguousarray(values.view(np.uint8).reshape(len(values), values.itemsize).T).tobytes()


def _from_planes(data: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    size = np.dtype(dtype).itemsize
    return np.ascontiguousarray(data.reshape(size, len(data) // size).T).view(dtype).ravel()


def _rows_encoded(mono_ms: Ints, at_ms: Ints, flags: Ints, context: Ints) -> bytes:
    steps = np.diff(mono_ms, prepend=mono_ms[0]).astype("<i8")
    offset_steps = np.diff(at_ms - mono_ms, prepend=0).astype("<i8")
    narrow = flags.astype(np.uint8).tobytes() + context.astype(np.uint8).tobytes()
    return _planes(steps) + _planes(offset_steps) + narrow


def _boxes_encoded(rows: Sequence[bytes], counts: Ints) -> tuple[dict[str, bytes], bytes]:
    """Boxes in the order in which they are kept, and what leads back to their looks."""
    start = ROW_HEAD.size
    pairs = [(row, int(n)) for row, n in zip(rows, counts, strict=True) if n]
    steps = np.frombuffer(b"".join(row[start : start + 8 * n] for row, n in pairs), "<u2").reshape(-1, 4)
    scores = np.frombuffer(b"".join(row[start + 8 * n : start + 9 * n] for row, n in pairs), np.uint8)
    classes = np.frombuffer(b"".join(row[start + 9 * n : start + 10 * n] for row, n in pairs), np.uint8)
    tracks = np.frombuffer(b"".join(row[start + 10 * n : start + 14 * n] for row, n in pairs), "<i4").astype(np.int64)
    look = np.repeat(np.arange(len(rows)), counts)
    is_loose = tracks < 0
    place = np.where(is_loose, haunts(steps), 0)
    # Within a look the boxes keep their order: they came in the order of these very keys (encoding.py).
    order = np.lexsort((look, place, tracks, is_loose))
    kept = steps[order].astype(np.int64)
    kept[:, 2:] -= kept[:, :2]
    differences = np.diff(kept, axis=0, prepend=np.zeros((1, 4), np.int64)).T.ravel()
    low = scores[order].tobytes() + differences.astype(np.int8).tobytes()
    looks = _planes(np.diff(look[order], prepend=0).astype("<i2"))
    boxes = {"low": low, "large": _large(differences), "runs": _runs(tracks[order])}
    return boxes, looks + classes[order].tobytes()


def _large(differences: Ints) -> bytes:
    """Of the differences that do not fit a signed byte: how far each is from the last such, and its multiple of 256."""
    multiples = (differences - differences.astype(np.int8)) >> 8
    at = np.flatnonzero(multiples)
    return _planes(np.diff(at, prepend=0).astype("<u4")) + multiples[at].astype(np.int8).tobytes()


def _runs(tracks: Ints) -> bytes:
    """Each track once, with how many boxes in a row are its."""
    if not len(tracks):
        return b""
    starts = np.flatnonzero(np.diff(tracks, prepend=tracks[0] + 1))
    lengths = np.diff(starts, append=len(tracks))
    return _planes(tracks[starts].astype("<i4")) + _planes(lengths.astype("<i4"))


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
    rows_z, links_z, low, large_z, runs_z, grid_z = _cut(data, about["streams"])
    looks, boxes = int(about["looks"]), int(about["boxes"])
    mono_ms, at_ms, flags, context = _rows_decoded(zlib.decompress(rows_z), looks, int(about["mono_ms"]))
    links = np.frombuffer(zlib.decompress(links_z), np.uint8)
    look = np.cumsum(links[:boxes] + (links[boxes : 2 * boxes].astype(np.uint16) << 8), dtype=np.uint16)
    order = np.argsort(look, kind="stable")
    scores = np.frombuffer(low, np.uint8, boxes)
    steps = _steps_decoded(low[boxes:], zlib.decompress(large_z), boxes)
    contexts = tuple(Context.from_json(one) for one in about["contexts"])
    box_start, box_count = _ranges(np.bincount(look, minlength=looks), flags, context, contexts)
    grid_hw = about["grid_hw"]
    return LoggedLooks(
        camera_id=head.camera_id,
        run_id=run_id,
        sequence=_sequences(head, looks),
        mono_s=mono_ms / 1000,
        at_ms=at_ms,
        contexts=contexts,
        context=context,
        is_carried=(flags & Flag.CARRIED) != 0,
        has_change=(flags & Flag.HAS_CHANGE) != 0,
        box_start=box_start,
        box_count=box_count,
        boxes_xyxyn=boxes_of(steps.take(order).view(np.uint16).reshape(-1, 4)),
        scores=scores_of(scores.take(order)),
        class_ids=links[2 * boxes :].take(order),
        class_names=tuple(about["class_names"]),
        track_ids=_tracks_decoded(zlib.decompress(runs_z), int(about["runs"])).take(order),
        grids=PackedGrids(bytes(grid_z), int(about["changes"]), looks, None if grid_hw is None else tuple(grid_hw)),
        snapshot=snapshot,
    )


def _cut(data: memoryview, lengths: Sequence[int]) -> list[memoryview]:
    ends = np.cumsum(lengths).tolist()
    return [data[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def _rows_decoded(data: bytes, looks: int, mono_ms: int) -> tuple[Ints, Ints, NDArray[np.uint8], NDArray[np.uint8]]:
    planes = np.frombuffer(data, np.uint8)
    mono = np.cumsum(_from_planes(planes[: 8 * looks], "<i8")) + mono_ms
    at = np.cumsum(_from_planes(planes[8 * looks : 16 * looks], "<i8")) + mono
    return mono, at, planes[16 * looks : 17 * looks], planes[17 * looks : _ROW_PLANES * looks]


def _steps_decoded(low: memoryview, large: bytes, boxes: int) -> Ints:
    """left, top, right, bottom of each box as four uint16 in one int64, in the order in which they are kept."""
    sides = np.frombuffer(low, np.int8).astype(np.int64)
    planes = np.frombuffer(large, np.uint8)
    count = len(planes) // 5
    at = np.cumsum(_from_planes(planes[: 4 * count], "<u4"), dtype=np.int64)
    sides[at] += planes[4 * count :].view(np.int8).astype(np.int64) << 8
    left, top, width, height = sides.reshape(4, boxes)
    # One sum for all four sides: each total is between 0 and 4095, so no side ever borrows from its neighbour.
    height <<= 16
    height += width
    height <<= 16
    height += top
    height <<= 16
    height += left
    corner_and_size = np.cumsum(height)
    corner_and_size += corner_and_size << 32  # right = left + width, bottom = top + height
    return corner_and_size


def _tracks_decoded(data: bytes, runs: int) -> NDArray[np.int32]:
    if not runs:
        return np.zeros(0, np.int32)
    planes = np.frombuffer(data, np.uint8)
    ids, lengths = _from_planes(planes[: 4 * runs], "<i4"), _from_planes(planes[4 * runs :], "<i4")
    return np.repeat(ids, lengths)


def _ranges(
    counts: Ints, flags: NDArray[np.uint8], context: NDArray[np.uint8], contexts: Sequence[Context]
) -> tuple[Ints, Ints]:
    """Which boxes each look shows: its own, or those its detector gave last."""
    starts = np.cumsum(counts) - counts
    is_same = (flags & Flag.SAME_BOXES) != 0
    if not is_same.any():
        return starts, counts
    detectors = {one.detector: number for number, one in enumerate(contexts)}
    number_of = np.array([detectors[one.detector] for one in contexts])[context]
    source = np.where(is_same, 0, np.arange(len(counts)))
    for number in set(detectors.values()):
        mine = np.flatnonzero(number_of == number)
        source[mine] = np.maximum.accumulate(np.where(is_same[mine], 0, mine))
    return starts[source], counts[source]


def _sequences(head: Head, looks: int) -> Ints:
    sequence = np.arange(head.sequences[0], head.sequences[0] + looks, dtype=np.int64)
    for look, jumped_to in head.jumps:
        sequence[look:] = np.arange(jumped_to, jumped_to + looks - look)
    return sequence

"""How large the observation log of a camera gets, how fast it is read back, and what other formats would do.

The looks are those of a made-up street with a detector's noise (`tests/support/street_life.py`), the same for every
format, encoded once: what is compared is how the same numbers are kept. Times are CPU seconds of one thread, the best
of several passes over the same file. SQLite comes with Python; Parquet is measured where `pyarrow` can be imported and
is null elsewhere: the product does not bring it. The journal is that of a node with eight such cameras.
"""

from __future__ import annotations

import importlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from tests.bench.figures import Figures
from tests.support.street_life import BUSY, CALM, RUSH_HOUR, Street, looks
from xueliang_edge.observation_log.encoding import as_logged
from xueliang_edge.observation_log.files import write_segment
from xueliang_edge.observation_log.groups import Group
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observation_log.reading import read_history
from xueliang_edge.observation_log.rows import ROW_HEAD
from xueliang_edge.observations import Observation

T = TypeVar("T")

DAY_S: Final = 86_400
STREETS: Final[dict[str, Street]] = {"calm": CALM, "busy": BUSY, "rush": RUSH_HOUR}
FORMATS: Final = ("own", "sqlite", "parquet")
FULL_LOOKS, QUICK_LOOKS = 1800, 450  # half an hour is what one segment holds
PASSES: Final = 9
CAMERAS: Final = 8

KEYS = (
    *(f"{street}_boxes_per_look" for street in STREETS),
    *(f"{street}_{name}_mb_per_day" for street in STREETS for name in FORMATS),
    *(f"{street}_{name}_looks_read_per_s" for street in STREETS for name in FORMATS),
    *(f"{street}_boxes_read_per_s" for street in STREETS),
    *(f"{street}_journal_mb_per_day" for street in STREETS),
    *(f"{street}_grids_us_per_look" for street in STREETS),
    *(f"{street}_{name}_us_per_look" for street in STREETS for name in ("encode", "keep")),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """The same looks in every form in which a format may want them."""

    group: Group
    arrays: LoggedLooks

    @property
    def rows(self) -> Sequence[bytes]:
        return self.group.blocks[0].rows


def measure(quick: bool, figures: Figures) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, street in STREETS.items():
            seen = list(looks(street, QUICK_LOOKS if quick else FULL_LOOKS))
            figures |= _measure_street(name, seen, Path(folder) / name)


def _measure_street(name: str, seen: list[Observation], folder: Path) -> Figures:
    folder.mkdir()
    count = len(seen)
    encode_s, logged = _timed(lambda: [as_logged(one) for one in seen], passes=2)
    keep_s, group = _timed(lambda: _group_of(logged), passes=2)
    journal = _journal_bytes(logged)
    size = write_segment(folder, 1, group.segment()).stat().st_size
    read_s, history = _timed(lambda: read_history(folder, "lane"))
    (arrays,) = history.looks
    grid_s, _ = _timed(arrays.grids.levels)
    kept = Kept(group, arrays)
    sqlite_bytes, sqlite_s = _sqlite(kept, folder / "log.sqlite")
    parquet_bytes, parquet_s = _parquet(kept, folder)
    return {
        f"{name}_boxes_per_look": float(arrays.box_count.mean()),
        f"{name}_own_mb_per_day": _mb_per_day(size, count),
        f"{name}_sqlite_mb_per_day": _mb_per_day(sqlite_bytes, count),
        f"{name}_parquet_mb_per_day": _mb_per_day(parquet_bytes, count),
        f"{name}_own_looks_read_per_s": count / read_s,
        f"{name}_sqlite_looks_read_per_s": count / sqlite_s,
        f"{name}_parquet_looks_read_per_s": None if parquet_s is None else count / parquet_s,
        f"{name}_boxes_read_per_s": len(arrays.scores) / read_s,
        f"{name}_journal_mb_per_day": _mb_per_day(journal, count),
        f"{name}_grids_us_per_look": 1e6 * grid_s / count,
        f"{name}_encode_us_per_look": 1e6 * encode_s / count,
        f"{name}_keep_us_per_look": 1e6 * keep_s / count,
    }


def _group_of(logged: Sequence[Observation]) -> Group:
    group = Group("run")
    for sequence, one in enumerate(logged, 1):
        group.add(one, sequence, None)
    return group


def _journal_bytes(logged: Sequence[Observation]) -> float:
    """Of one camera, where eight share each frame of two seconds: each sees the street at another time."""
    group, size, count = Group("run"), 0, len(logged)
    for number in range(count):
        for camera in range(CAMERAS):
            one = replace(logged[(number + camera * count // CAMERAS) % count], camera_id=f"camera-{camera}")
            group.add(one, number + 1, None)
        size += len(group.news()) if number % 2 else 0
    return size / CAMERAS


def _mb_per_day(size_bytes: float | None, count: int) -> float | None:
    return None if size_bytes is None else size_bytes / count * DAY_S / 1e6


def _timed(work: Callable[[], T], passes: int = PASSES) -> tuple[float, T]:
    best_s = float("inf")
    for _ in range(passes):
        began = time.thread_time()
        result = work()
        best_s = min(best_s, time.thread_time() - began)
    return best_s, result


def _sqlite(kept: Kept, path: Path) -> tuple[int, float]:
    """A row a look, its boxes and its change as packed bytes."""
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE looks (sequence INTEGER PRIMARY KEY, mono_ms INT, at_ms INT, n INT, data BLOB)")
    heads = [ROW_HEAD.unpack_from(row) for row in kept.rows]
    values = [
        (head[0], head[1], head[2], head[5], row[ROW_HEAD.size :]) for head, row in zip(heads, kept.rows, strict=True)
    ]
    database.executemany("INSERT INTO looks VALUES (?, ?, ?, ?, ?)", values)
    database.commit()

    def read() -> tuple[Any, ...]:
        found = database.execute("SELECT * FROM looks ORDER BY sequence").fetchall()
        sequence, mono_ms, at_ms, counts, data = zip(*found, strict=True)
        boxes = b"".join(one[: 8 * n] for one, n in zip(data, counts, strict=True))
        scores = b"".join(one[8 * n : 9 * n] for one, n in zip(data, counts, strict=True))
        classes = b"".join(one[9 * n : 10 * n] for one, n in zip(data, counts, strict=True))
        tracks = b"".join(one[10 * n : 14 * n] for one, n in zip(data, counts, strict=True))
        steps = np.frombuffer(boxes, "<u2").astype(np.float32) / np.float32(4095)
        narrow = (np.frombuffer(one, np.uint8) for one in (scores, classes))
        return steps, np.frombuffer(tracks, "<i4"), *map(np.array, (sequence, mono_ms, at_ms, counts)), *narrow

    seconds, _ = _timed(read)
    database.close()
    return path.stat().st_size, seconds


def _parquet(kept: Kept, folder: Path) -> tuple[int | None, float | None]:
    """Two tables, zstd, the same numbers in the same widths; the change grid packed a look."""
    try:
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        return None, None
    arrays = kept.arrays
    steps = np.rint(arrays.boxes_xyxyn * np.float32(4095)).astype(np.uint16)
    boxes = {side: steps[:, index] for index, side in enumerate(("left", "top", "right", "bottom"))}
    boxes |= {"score": np.rint(arrays.scores * 200).astype(np.uint8), "track": arrays.track_ids}
    boxes |= {"class": arrays.class_ids}
    grids = [row[ROW_HEAD.size + 14 * ROW_HEAD.unpack_from(row)[5] :] for row in kept.rows]
    rows: dict[str, Any] = {"mono_ms": np.rint(arrays.mono_s * 1000).astype(np.int64), "at_ms": arrays.at_ms}
    rows |= {"context": arrays.context, "start": arrays.box_start, "count": arrays.box_count, "grid": grids}
    paths = folder / "boxes.parquet", folder / "looks.parquet"
    for path, columns in zip(paths, (boxes, rows), strict=True):
        parquet.write_table(arrow.table(columns), path, compression="zstd")

    def read() -> tuple[Any, ...]:
        boxes, rows = (parquet.read_table(path, use_threads=False) for path in paths)
        corners = np.stack([boxes[side].to_numpy() for side in ("left", "top", "right", "bottom")], axis=1)
        numbers = [boxes[name].to_numpy() for name in ("score", "track", "class")]
        times = [rows[name].to_numpy() for name in ("mono_ms", "at_ms", "context", "start", "count")]
        return corners.astype(np.float32) / np.float32(4095), *numbers, *times

    seconds, _ = _timed(read)
    return sum(path.stat().st_size for path in paths), seconds

"""Looks of one camera as arrays: what is read back."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.observation_log.encoding import Levels, at_of, changes_of
from xueliang_edge.observation_log.rows import Context
from xueliang_edge.observations import Observation


@dataclass(frozen=True, slots=True)
class PackedGrids:
    """The change grids of a block, still compressed: they are large, and few questions need them.

    Attributes:
        packed: zlib: positions (uint32, in four byte planes) at which the level changes when all cells are walked one
            after the other, each through all looks; then the levels there.
        changes: how many positions. looks: of the whole block. grid_hw: rows and columns; None: no look had a grid.
    """

    packed: bytes
    changes: int
    looks: int
    grid_hw: tuple[int, int] | None

    def levels(self) -> Levels:
        """uint8, shape (looks, gh, gw), twelfths as `encoding.change_levels` has them."""
        if self.grid_hw is None:
            return np.zeros((self.looks, 0, 0), np.uint8)
        return np.ascontiguousarray(self._by_cell(self.grid_hw).T).reshape(self.looks, *self.grid_hw)

    def levels_of(self, cells: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The same of some cells of the flat grid, shape (looks, cells): a zone is a small part of the picture."""
        if self.grid_hw is None:
            raise ValueError("no look of this block has a change grid")
        return self._by_cell(self.grid_hw)[cells].T

    def _by_cell(self, grid_hw: tuple[int, int]) -> NDArray[np.uint8]:
        """Shape (cells, looks)."""
        cells = grid_hw[0] * grid_hw[1]
        data = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        steps = np.ascontiguousarray(data[: 4 * self.changes].reshape(4, self.changes).T).view("<u4").ravel()
        starts = np.cumsum(steps, dtype=np.int64)
        lengths = np.diff(starts, append=self.looks * cells)
        return np.repeat(data[4 * self.changes :], lengths).reshape(cells, self.looks)


@dataclass(frozen=True, eq=False, kw_only=True)
class LoggedLooks:
    """n looks in a row of one camera, of one run of the node, with nothing lost between them; b boxes.

    Several looks may show the same boxes (a carried answer): look i shows the boxes `box_start[i]` to
    `box_start[i] + box_count[i]`.

    Attributes:
        run_id: which start of the node wrote it: monotonic seconds compare within one run only.
        sequence: int64 (n,), counts the camera's looks of the run.
        mono_s: float64 (n,), monotonic seconds. at_ms: int64 (n,), wall clock, milliseconds since 1970, UTC.
        contexts: what the look's `context`, uint8 (n,), points into: view and what is wrong with it, detector, model,
            score, picture size.
        is_carried: bool (n,). has_change: bool (n,).
        box_start, box_count: int64 (n,).
        boxes_xyxyn: float32 (b, 4). scores: float32 (b,). class_ids: uint8 (b,), into `class_names`.
        track_ids: int32 (b,), NO_TRACK where there was none.
        grids: of the block that these looks are part of, from its look `first_in_block` on.
        snapshot: what the rules remembered before the first of these looks; None: not written here.
    """

    camera_id: str
    run_id: str
    sequence: NDArray[np.int64]
    mono_s: NDArray[np.float64]
    at_ms: NDArray[np.int64]
    contexts: tuple[Context, ...]
    context: NDArray[np.uint8]
    is_carried: NDArray[np.bool_]
    has_change: NDArray[np.bool_]
    box_start: NDArray[np.int64]
    box_count: NDArray[np.int64]
    boxes_xyxyn: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.uint8]
    class_names: tuple[str, ...]
    track_ids: NDArray[np.int32]
    grids: PackedGrids
    first_in_block: int = 0
    snapshot: Mapping[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def first_at(self) -> datetime:
        return at_of(int(self.at_ms[0]))

    @property
    def last_at(self) -> datetime:
        return at_of(int(self.at_ms[-1]))

    @cached_property
    def change_levels(self) -> Levels:
        """uint8 (n, gh, gw); only where `has_change`."""
        return self.grids.levels()[self.first_in_block : self.first_in_block + len(self)]

    def change_levels_of(self, cells: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 (n, len(cells)), of some cells of the flat grid; only where `has_change`."""
        return self.grids.levels_of(cells)[self.first_in_block : self.first_in_block + len(self)]

    def part(self, start: int, stop: int) -> LoggedLooks:
        """Looks `start` to `stop`; the boxes stay as they are."""
        rows = slice(start, stop)
        return replace(
            self,
            sequence=self.sequence[rows],
            mono_s=self.mono_s[rows],
            at_ms=self.at_ms[rows],
            context=self.context[rows],
            is_carried=self.is_carried[rows],
            has_change=self.has_change[rows],
            box_start=self.box_start[rows],
            box_count=self.box_count[rows],
            first_in_block=self.first_in_block + start,
            snapshot=self.snapshot if start == 0 else None,
        )

    def observation(self, index: int) -> Observation:
        """One of them, exactly as it was judged."""
        context = self.contexts[self.context[index]]
        start = int(self.box_start[index])
        boxes = slice(start, start + int(self.box_count[index]))
        return Observation(
            camera_id=self.camera_id,
            observed_mono_s=float(self.mono_s[index]),
            observed_at=at_of(int(self.at_ms[index])),
            view=context.view,
            boxes_xyxyn=self.boxes_xyxyn[boxes],
            scores=self.scores[boxes],
            class_names=tuple(self._names[self.class_ids[boxes]].tolist()),
            track_ids=self.track_ids[boxes].astype(np.int64),
            frame_size_wh=context.frame_size_wh,
            model_digest=context.model_digest,
            confident_score=context.confident_score,
            change=changes_of(self.change_levels[index]) if self.has_change[index] else None,
            detector=context.detector,
            is_carried=bool(self.is_carried[index]),
            view_fault=context.view_fault,
            view_figure=context.view_figure,
            view_id=context.view_id,
        )

    def observations(self) -> Iterator[Observation]:
        """One after the other, exactly as they were judged."""
        return map(self.observation, range(len(self)))

    @cached_property
    def _names(self) -> NDArray[np.object_]:
        return np.array(self.class_names, dtype=object)

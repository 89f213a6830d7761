"""One look as a packed row, and the tables that its small numbers point into.

    sequence 8 | mono_ms 8 | at_ms 8 | flags 1 | context 1 | boxes n 2 | cells k 2
    | boxes 8n | scores n | classes n | tracks 4n | cells 2k | levels k

A row is what the journal keeps and what a block is made of. It says only what differs from the row before: boxes that
are the same as those the same detector gave before are left out, of the change grid only the cells that changed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.errors import NotRepresentable
from xueliang_edge.observation_log.encoding import (
    Levels,
    at_milliseconds,
    box_steps,
    change_levels,
    milliseconds,
    score_steps,
)
from xueliang_edge.observations import Observation, ViewFault, ViewState

ROW_HEAD: Final = struct.Struct("<QqqBBHH")
BOX_BYTES: Final = 14
CELL_BYTES: Final = 3
MAX_ENTRIES: Final = 255
"""Of each table: a block that would need more is ended and another begun."""
MAX_BOXES: Final = 4096
MAX_CELLS: Final = 4096


class Flag(IntFlag):
    CARRIED = 1
    SAME_BOXES = 2
    HAS_CHANGE = 4


class Context(NamedTuple):
    """What seldom differs between two looks; fields as in `Observation`."""

    view: ViewState
    detector: str
    model_digest: str | None
    confident_score: float
    frame_size_wh: tuple[int, int] | None
    view_fault: ViewFault | None = None
    view_figure: float = 0.0
    view_id: str | None = None

    def to_json(self) -> list[Any]:
        """What is wrong with the view, and which it is, follow only where they say something: logs from before either
        was known read on, and an older release reads the logs of cameras whose views are not told apart."""
        usual = [self.view.value, *self[1:5]]
        if self.view_id is not None:
            return [*usual, None, 0.0, self.view_id]
        return usual if self.view_fault is None else [*usual, self.view_fault.value, self.view_figure]

    @classmethod
    def from_json(cls, value: list[Any]) -> Context:
        """Raises ValueError, TypeError."""
        view, detector, digest, confident_score, size, *wrong = value
        size_wh = None if size is None else (int(size[0]), int(size[1]))
        fault, figure, *of_view = wrong or (None, 0.0)
        (view_id,) = of_view or (None,)
        return cls(
            ViewState(view),
            str(detector),
            digest,
            float(confident_score),
            size_wh,
            None if fault is None else ViewFault(fault),
            float(figure),
            None if view_id is None else str(view_id),
        )


@dataclass(slots=True)
class Tables:
    """What the rows of one block point into, and what is needed to leave out what did not change.

    Attributes:
        contexts, class_names: in the order in which they came.
        grid_hw: of every change grid of the block; None: none came yet.
    """

    contexts: dict[Context, int] = field(default_factory=dict)
    class_names: dict[str, int] = field(default_factory=dict)
    grid_hw: tuple[int, int] | None = None
    _boxes: dict[str, bytes] = field(default_factory=dict)
    _levels: Levels = field(default_factory=lambda: np.zeros(0, np.uint8))

    def has_room_for(self, observation: Observation) -> bool:
        """False: this look must begin a block of its own."""
        new_classes = set(observation.class_names) - self.class_names.keys()
        change = observation.change
        is_other_grid = change is not None and self.grid_hw is not None and change.shape != self.grid_hw
        return (
            not is_other_grid
            and len(self.contexts) < MAX_ENTRIES
            and len(self.class_names) + len(new_classes) <= MAX_ENTRIES
        )

    def pack(self, observation: Observation, sequence: int) -> bytes:
        """The row of an encoded observation. Raises NotRepresentable."""
        _check(observation)
        flags = Flag.CARRIED if observation.is_carried else Flag(0)
        boxes = self._pack_boxes(observation)
        n = len(observation.scores)
        if n and self._boxes.get(observation.detector) == boxes:
            flags, boxes, n = flags | Flag.SAME_BOXES, b"", 0
        else:
            self._boxes[observation.detector] = boxes
        cells = np.zeros(0, np.uint16)
        levels = np.zeros(0, np.uint8)
        if observation.change is not None:
            flags |= Flag.HAS_CHANGE
            cells, levels = self._changed(observation.change)
        head = ROW_HEAD.pack(
            sequence,
            milliseconds(observation.observed_mono_s),
            at_milliseconds(observation.observed_at),
            flags,
            self._context_of(observation),
            n,
            len(cells),
        )
        return b"".join((head, boxes, cells.tobytes(), levels.tobytes()))

    def _pack_boxes(self, observation: Observation) -> bytes:
        classes = [self.class_names.setdefault(name, len(self.class_names)) for name in observation.class_names]
        return b"".join(
            (
                box_steps(observation.boxes_xyxyn).tobytes(),
                score_steps(observation.scores).tobytes(),
                bytes(classes),
                observation.track_ids.astype("<i4").tobytes(),
            )
        )

    def _changed(self, change: NDArray[np.float32]) -> tuple[NDArray[np.uint16], Levels]:
        if self.grid_hw is None:
            self.grid_hw = (change.shape[0], change.shape[1])
            self._levels = np.zeros(change.size, np.uint8)
        levels = change_levels(change).ravel()
        cells = np.flatnonzero(levels != self._levels)
        self._levels = levels
        return cells.astype("<u2"), levels[cells]

    def _context_of(self, observation: Observation) -> int:
        context = Context(
            observation.view,
            observation.detector,
            observation.model_digest,
            observation.confident_score,
            observation.frame_size_wh,
            observation.view_fault,
            observation.view_figure,
            observation.view_id,
        )
        return self.contexts.setdefault(context, len(self.contexts))


def _check(observation: Observation) -> None:
    if len(observation.scores) > MAX_BOXES or len(set(observation.class_names)) > MAX_ENTRIES:
        raise NotRepresentable(f"{len(observation.scores)} boxes in one look, the log takes {MAX_BOXES}")
    if observation.change is not None and observation.change.size > MAX_CELLS:
        raise NotRepresentable(f"a change grid of {observation.change.size} cells, the log takes {MAX_CELLS}")


def row_bytes(data: bytes | memoryview, offset: int) -> int:
    """Length of the packed row that begins here. Raises struct.error when there is none."""
    *_, n, k = ROW_HEAD.unpack_from(data, offset)
    return int(ROW_HEAD.size + BOX_BYTES * n + CELL_BYTES * k)

"""The looks of a part as one rule measures them: many at once where that can be done, each when it is asked for.

What every hazard's way of leaving out quiet looks is made of; `skipping.py` has the hazards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.rules import view_of
from xueliang_edge.backtest.counting import Flags, scores_of_good
from xueliang_edge.backtest.timeline import Timeline
from xueliang_edge.observation_log.encoding import at_of
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observations import is_in_view, turned_away
from xueliang_edge.rules import geometry
from xueliang_edge.rules.looking import BoxesMeasure
from xueliang_edge.rules.registry import RULES


class Batch(Protocol):
    """The looks of a part that concern a rule."""

    @property
    def wakes(self) -> Flags:
        """bool (m,): looks that a rule at rest may not pass over."""
        ...

    def measure(self, index: int) -> Any:
        """What the hazard's own `measure` says of this look, in rule time."""
        ...


@dataclass(frozen=True, slots=True)
class Skipping:
    """How the looks of one hazard are gone through.

    Attributes:
        begin: the looks of a part, their timeline and the rule to a batch.
        is_resting: True when nothing but the episode's clocks is remembered, as far as later looks can tell. The
            episode itself is asked elsewhere.
        rested: the state, batch, its timeline, the first quiet look, the one after the last, and the rule to the state
            after them, its episode as it was.
        on: the state after a look that said nothing, batch, the next look, and the rule to the state after the looks
            from there on at which nothing can be said, the first look after them, and how many of them had to be gone
            through one by one.
        over_restart: what a state is after a restart of the node (numbers of tracks die with the tracker).
    """

    begin: Callable[[LoggedLooks, Timeline, Any], Batch]
    is_resting: Callable[[Any, Any, Any], bool]
    rested: Callable[[Any, Any, Timeline, int, int, Any], Any]
    over_restart: Callable[[Any], Any] = lambda state: state
    on: Callable[[Any, Any, int, Any], tuple[Any, int, int]] = lambda state, _batch, start, _rule: (state, start, 0)


def has_one_score(looks: LoggedLooks, timeline: Timeline) -> bool:
    """Whether one confident score holds in all these looks; else boxes cannot be flagged for all of them at once."""
    return len(scores_of_good(looks, timeline.rows)) <= 1


@dataclass(frozen=True, slots=True, eq=False)
class LiveBatch:
    """Measured look by look by the live rule."""

    looks: LoggedLooks
    timeline: Timeline
    rule: Any
    wakes: Flags

    def measure(self, index: int) -> Any:
        seen = self.looks.observation(int(self.timeline.rows[index]))
        here = replace(seen, observed_mono_s=float(self.timeline.mono_s[index]))
        if not is_in_view(here.view_id, view_of(self.rule)):
            here = turned_away(here)
        return RULES[self.rule.hazard].measure((here,), self.rule)[0]


@dataclass(frozen=True, slots=True, eq=False)
class BoxBatch:
    """Measured by flags: which boxes of the part count, and then for each look which of them are one thing.

    Attributes:
        kept: int64 (k,), the boxes that count, in order. first, count: int64 (m,), which of them a look shows.
        merges: (least IoU, least share inside) of `geometry.merged`; None: each counts.
    """

    looks: LoggedLooks
    timeline: Timeline
    wakes: Flags
    kept: NDArray[np.int64]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    merges: tuple[float, float] | None

    @classmethod
    def of(
        cls, looks: LoggedLooks, timeline: Timeline, flags: Flags, wakes: Flags, merges: tuple[float, float] | None
    ) -> BoxBatch:
        """`flags`: bool (b,), the boxes that count."""
        kept, rows = np.flatnonzero(flags), timeline.rows
        first = np.searchsorted(kept, looks.box_start[rows])
        count = np.searchsorted(kept, looks.box_start[rows] + looks.box_count[rows]) - first
        return cls(looks, timeline, wakes, kept, first, count, merges)

    def boxes_of(self, index: int) -> NDArray[np.int64]:
        """The boxes of the part that count in this look: surest first, each thing once."""
        if not self.timeline.is_known[index]:
            return self.kept[:0]
        first = self.first[index]
        boxes = self.kept[first : first + self.count[index]]
        if len(boxes) < 2:
            return boxes
        scores = self.looks.scores[boxes]
        if self.merges is not None:
            boxes = boxes[geometry.merged(self.looks.boxes_xyxyn[boxes], scores, *self.merges)]
            scores = self.looks.scores[boxes]
        surest_first: NDArray[np.int64] = boxes[np.argsort(-scores, kind="stable")]
        return surest_first

    def measure(self, index: int) -> BoxesMeasure:
        looks, row, boxes = self.looks, self.timeline.rows[index], self.boxes_of(index)
        context, is_known = looks.contexts[looks.context[row]], bool(self.timeline.is_known[index])
        return BoxesMeasure(
            mono_s=float(self.timeline.mono_s[index]),
            at=at_of(int(looks.at_ms[row])),
            is_known=is_known,
            is_carried=is_known and bool(looks.is_carried[row]),
            model_digest=context.model_digest if is_known else None,
            frame_size_wh=context.frame_size_wh if is_known else None,
            boxes=looks.boxes_xyxyn[boxes],
            scores=looks.scores[boxes],
            class_names=tuple(looks.class_names[one] for one in looks.class_ids[boxes]),
            track_ids=looks.track_ids[boxes].astype(np.int64),
        )

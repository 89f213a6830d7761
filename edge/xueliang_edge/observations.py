"""What one camera showed at one instant: the only thing rules ever see of a picture.

Invariants
    - An observation holds numbers, no pixels. It is frozen; nobody writes into its arrays.
    - `view` says whether the rest may be believed. A view that is not GOOD has no boxes and no change grid, and means
      "unknown", never "nothing there".
    - Boxes come from score 0.10 upwards, below what a rule believes at once (`confident_score`): rules may follow a
      weak box over time, none counts a single one.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

NO_TRACK = -1

BoxRow = tuple[tuple[float, float, float, float], float, str]


class ViewState(StrEnum):
    """Whether the camera's picture could be judged at this instant."""

    GOOD = "good"
    """A picture came and the detector answered."""
    OFFLINE = "offline"
    """A look was due and no picture came."""
    UNKNOWN = "unknown"
    """A picture came, and it could not be judged: the detector failed or was late, or the view is not usable."""


class ViewFault(StrEnum):
    """What is wrong with a view that shows nothing of its place."""

    FROZEN = "frozen"
    """The camera sends, and always the same picture."""
    BLACK = "black"
    OVER_EXPOSED = "over_exposed"
    DEFOCUSED = "defocused"
    COVERED = "covered"
    """Something before the lens hides the scene."""
    MOVED = "moved"
    """The camera shows another place, or this one from elsewhere."""

    @property
    def may_be_tampering(self) -> bool:
        """True for what somebody does to a camera; the others say only that it cannot see."""
        return self in (ViewFault.DEFOCUSED, ViewFault.COVERED, ViewFault.MOVED)


VIEW_FIGURE_STEPS: Final = 20
"""`Observation.view_figure` in steps of 5 %: a figure for people, and few enough for the log's tables."""


def _no_boxes() -> NDArray[np.float32]:
    return np.zeros((0, 4), dtype=np.float32)


def _no_scores() -> NDArray[np.float32]:
    return np.zeros(0, dtype=np.float32)


def _no_tracks() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The boxes of a look as plain numbers. Looks that show the same boxes, as a carried answer does, share one object:
    what follows from the boxes alone need not be worked out again. `boxes_xyxyn`: shape (n, 4).
    """

    rows: tuple[BoxRow, ...]
    boxes_xyxyn: NDArray[np.float32]


_NOTHING_SHOWN: Final = Shown((), _no_boxes())
_MOST_KEPT: Final = 1024  # cameras and their detectors; a node has fewer
_Answer = tuple[bytes, bytes, tuple[str, ...]]
_LAST: Final[dict[tuple[str, str], tuple[_Answer, Shown]]] = {}
"""By camera and detector, the last answer that was asked for as `shown`."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Observation:
    """What one detector found in one picture of one camera. No boxes (n = 0) is a normal answer.

    Attributes:
        camera_id: whose picture it was.
        observed_mono_s: when the picture was received, monotonic seconds; for OFFLINE, when the look was overdue.
        observed_at: the same moment by the wall clock, aware UTC.
        view: see `ViewState`.
        boxes_xyxyn: float32, shape (n, 4): left, top, right, bottom, 0..1 of the picture, origin top left.
        scores: float32, shape (n,), 0..1.
        class_names: the class of each box, n names: "car", "person".
        track_ids: int64, shape (n,), of this camera only; NO_TRACK where no track was made.
        frame_size_wh: pixels of the picture; None when there was none.
        model_digest: sha256 of the model file; None when no model took part.
        confident_score: from this score on, this model's boxes are believed (its card's figure, or the operator's).
        change: float32, shape (gh, gw), 0..1: the share of each grid cell that differs from the long-term background;
            NaN in cells where that is not known; None when it is known nowhere.
        detector: the configured name of the detector; rules look only at the observations of theirs.
        is_carried: the boxes are those of an earlier look: since then nothing moved where the rules look.
        view_fault: why a view is UNKNOWN, when it is the view itself; None: another reason, or none.
        view_figure: how bad, 0..1, in whole steps: share of the scene that is gone (covered), of its sharpness
            (defocused), of the picture that is dark or blown, by which it was shifted (moved; 1: nothing of the scene
            is left in it); 1 where it is frozen.
        view_id: which of the camera's views a GOOD picture shows; None: its views are not told apart.
    """

    camera_id: str
    observed_mono_s: float
    observed_at: datetime
    view: ViewState
    boxes_xyxyn: NDArray[np.float32] = field(default_factory=_no_boxes)
    scores: NDArray[np.float32] = field(default_factory=_no_scores)
    class_names: tuple[str, ...] = ()
    track_ids: NDArray[np.int64] = field(default_factory=_no_tracks)
    frame_size_wh: tuple[int, int] | None = None
    model_digest: str | None = None
    confident_score: float = 0.35
    change: NDArray[np.float32] | None = None
    detector: str = "objects"
    is_carried: bool = False
    view_fault: ViewFault | None = None
    view_figure: float = 0.0
    view_id: str | None = None
    _shown: Shown | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        n = len(self.class_names)
        for name, shape in (("boxes_xyxyn", (n, 4)), ("scores", (n,)), ("track_ids", (n,))):
            actual = getattr(self, name).shape
            if actual != shape:
                raise ValueError(f"{name} must have shape {shape}, got {actual}")
        if not math.isfinite(self.observed_mono_s):
            raise ValueError(f"observed_mono_s must be finite, got {self.observed_mono_s}")
        if self.observed_at.utcoffset() != timedelta(0):
            raise ValueError(f"observed_at must be aware UTC, got {self.observed_at!r}")
        if n and not (np.isfinite(self.boxes_xyxyn).all() and np.isfinite(self.scores).all()):
            raise ValueError("boxes and scores must be finite numbers")
        if self.change is not None and (self.change.ndim != 2 or 0 in self.change.shape or np.isinf(self.change).any()):
            raise ValueError(f"change must be a grid (gh, gw) without infinities, got shape {self.change.shape}")
        if self.view is not ViewState.GOOD and (n or self.change is not None):
            raise ValueError(f"a view that is {self.view} shows nothing: no boxes, no change grid")
        if self.view_fault is not None and self.view is not ViewState.UNKNOWN:
            raise ValueError(f"a view that is {self.view} has no fault of its own, got {self.view_fault}")
        if self.view_id is not None and self.view is not ViewState.GOOD:
            raise ValueError(f"a view that is {self.view} is none of the camera's, got {self.view_id}")
        if self.view_figure != stepped(self.view_figure):
            raise ValueError(f"view_figure must be in steps of 1/{VIEW_FIGURE_STEPS}, got {self.view_figure}")

    @property
    def is_good(self) -> bool:
        """True when the boxes may be believed, none included."""
        return self.view is ViewState.GOOD

    @property
    def shown(self) -> Shown:
        """See `Shown`."""
        if self._shown is None:
            found = self._found() if self.class_names else _NOTHING_SHOWN
            object.__setattr__(self, "_shown", found)
        return self._shown or _NOTHING_SHOWN

    def _found(self) -> Shown:
        whose = (self.camera_id, self.detector)
        answer = (self.boxes_xyxyn.tobytes(), self.scores.tobytes(), self.class_names)
        last = _LAST.get(whose)
        if last is not None and last[0] == answer:
            return last[1]
        numbers = iter(self.boxes_xyxyn.ravel().tolist())
        boxes = zip(numbers, numbers, numbers, numbers, strict=True)
        found = Shown(tuple(zip(boxes, self.scores.tolist(), self.class_names, strict=True)), self.boxes_xyxyn)
        if len(_LAST) >= _MOST_KEPT:
            _LAST.clear()
        _LAST[whose] = (answer, found)
        return found

    @property
    def rows(self) -> tuple[BoxRow, ...]:
        """Box, score and class, one after the other as plain numbers: for a handful of boxes faster than arrays."""
        return self.shown.rows

    def later(self, seconds: float) -> Observation:
        """The same with another monotonic time; it is not checked once more."""
        moved = copy(self)
        object.__setattr__(moved, "observed_mono_s", self.observed_mono_s + seconds)
        return moved


def is_in_view(seen_view_id: str | None, rule_view_id: str | None) -> bool:
    """Whether a picture of this view shows a rule of that one its place; None: not told apart, or of any view."""
    return seen_view_id is None or rule_view_id is None or seen_view_id == rule_view_id


def stepped(view_figure: float) -> float:
    """The nearest whole step between 0 and 1."""
    return round(min(max(view_figure, 0.0), 1.0) * VIEW_FIGURE_STEPS) / VIEW_FIGURE_STEPS


def turned_away(seen: Observation) -> Observation:
    """The same moment for a rule whose view the camera does not show: nothing could be seen."""
    return blind(
        seen.camera_id, ViewState.UNKNOWN, mono_s=seen.observed_mono_s, at=seen.observed_at, detector=seen.detector
    )


def blind(
    camera_id: str,
    view: ViewState,
    *,
    mono_s: float,
    at: datetime,
    detector: str = "objects",
    view_fault: ViewFault | None = None,
    view_figure: float = 0.0,
) -> Observation:
    """An observation that says only that nothing could be seen: an overdue look, a detector that did not answer, or a
    view that shows nothing of its place."""
    if view is ViewState.GOOD:
        raise ValueError("a good view is not blind: build an Observation")
    return Observation(
        camera_id=camera_id,
        observed_mono_s=mono_s,
        observed_at=at,
        view=view,
        detector=detector,
        view_fault=view_fault,
        view_figure=view_figure,
    )

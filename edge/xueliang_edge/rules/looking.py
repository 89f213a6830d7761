"""What the steps of all hazards share: their times, the look that tells them nothing, N of M looks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.judging import EpisodeSettings
from xueliang_edge.observations import Observation
from xueliang_edge.rules.episodes import (
    Decision,
    EpisodeState,
    Evidence,
    Look,
    Moment,
    Timing,
    Transition,
    Why,
    decided,
    moment_of,
    why_ended,
)
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.geometry import Box, Boxes
from xueliang_edge.rules.once import once_for

BOXES_TOLD: Final = 64  # the contract's limit
_NO_BOXES: Final = np.zeros((0, 4), np.float32)
_NO_SCORES: Final = np.zeros(0, np.float32)
_NO_TRACKS: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LookMeasure:
    """What every look tells, whatever it is measured for.

    Attributes:
        mono_s, at: when.
        is_known: the picture could be judged.
        is_carried: its boxes are those of an earlier look; nothing moved since.
        model_digest, frame_size_wh: for the alert.
    """

    mono_s: float
    at: datetime
    is_known: bool
    is_carried: bool
    model_digest: str | None
    frame_size_wh: tuple[int, int] | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BoxesMeasure(LookMeasure):
    """A look and what counts in it. `boxes`: float32 (n, 4), surest first; `scores`: float32 (n,); n names."""

    boxes: Boxes
    scores: NDArray[np.float32]
    class_names: tuple[str, ...]
    track_ids: NDArray[np.int64]

    @classmethod
    def of(cls, seen: Observation, kept: Iterable[int]) -> Self:
        """The observation with these boxes only."""
        rows = seen.rows
        order = sorted(kept, key=lambda index: -rows[index][1])
        return cls(
            mono_s=seen.observed_mono_s,
            at=seen.observed_at,
            is_known=seen.is_good,
            is_carried=seen.is_carried,
            model_digest=seen.model_digest,
            frame_size_wh=seen.frame_size_wh,
            boxes=seen.boxes_xyxyn[order] if order else _NO_BOXES,
            scores=seen.scores[order] if order else _NO_SCORES,
            class_names=tuple([rows[index][2] for index in order]),
            track_ids=seen.track_ids[order] if order else _NO_TRACKS,
        )

    @property
    def confidence(self) -> float:
        """Of the surest box; 0 for none."""
        return float(self.scores.max(initial=0.0))


class Dwelling(Protocol):
    """Settings that have a dwell beside the times of every rule."""

    @property
    def dwell_s(self) -> float: ...

    @property
    def clear_after_s(self) -> float: ...

    @property
    def gap_tolerance_s(self) -> float: ...

    @property
    def view_lost_after_s(self) -> float: ...

    @property
    def cooldown_s(self) -> float: ...


@once_for
def timing_of(settings: Dwelling) -> Timing:
    """A rule's times."""
    return Timing(
        settings.dwell_s,
        settings.clear_after_s,
        settings.gap_tolerance_s,
        settings.view_lost_after_s,
        settings.cooldown_s,
    )


class Timed(Protocol):
    """A measure, as far as its time goes."""

    @property
    def mono_s(self) -> float: ...

    @property
    def at(self) -> datetime: ...


def is_past(episode: EpisodeState, measured: Timed) -> bool:
    """A repeated or older look: it changes nothing."""
    return episode.last is not None and measured.mono_s <= episode.last.mono_s


def is_after_gap(episode: EpisodeState, measured: Timed, limit_s: float) -> bool:
    """The last judged look is longer ago than this: what was seen then says nothing about now."""
    return episode.last is not None and measured.mono_s - episode.last.mono_s > limit_s


def now_of(episode: EpisodeState, measured: Timed, settings: EpisodeSettings) -> Moment:
    """This look in the rule's own time."""
    return moment_of(episode.last, measured.mono_s, measured.at, settings.gap_tolerance_s)


def blind_look(measured: Timed) -> Look:
    """A look at which nothing could be judged."""
    return Look(measured.mono_s, measured.at, Evidence.BLIND)


def boxes_told(boxes: Boxes) -> tuple[Box, ...]:
    """As a decision has them."""
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in boxes[:BOXES_TOLD])


def ended_in_words(said: Transition, own: Why, measured: LookMeasure) -> Decision:
    """A cleared decision: the rule's own words when it was seen clear, else why we stopped knowing."""
    return decided(
        said,
        why_ended(said) or own,
        measures={"seconds": (said.held_s, "s")},
        model_digest=measured.model_digest,
        frame_size_wh=measured.frame_size_wh,
    )


# N of M looks.


@dataclass(frozen=True, slots=True)
class Hit:
    """One of the last looks: when, and whether it showed the thing."""

    moment: Moment
    is_hit: bool


def with_look(recent: tuple[Hit, ...], now: Moment, of_looks: int, *, is_hit: bool) -> tuple[Hit, ...]:
    """The last `of_looks` looks, this one included."""
    return (*recent, Hit(now, is_hit))[-of_looks:]


def is_repeated(recent: Sequence[Hit], needed_looks: int) -> bool:
    """Enough of the last looks showed it."""
    return sum(one.is_hit for one in recent) >= needed_looks


def first_hit(recent: Sequence[Hit]) -> Moment | None:
    """The earliest of these looks that showed it."""
    return next((one.moment for one in recent if one.is_hit), None)


def evidence_of(recent: Sequence[Hit], needed_looks: int, *, is_hit: bool, is_open: bool) -> Evidence:
    """An open episode is held by any look that shows it; one begins when enough looks did.

    A look in between that missed it is no reason to begin, and none to start again.
    """
    if is_open:
        return Evidence.HOLDS if is_hit else Evidence.ABSENT
    if not is_repeated(recent, needed_looks):
        return Evidence.ABSENT
    return Evidence.HOLDS if is_hit else Evidence.UNCLEAR

"""How closely a camera is watched: idle, watch or confirm, and the looks that follow from it. Pure.

Invariants
    - No plan asks for fewer looks than the camera's rules need, except by the declared degradation (`overload.py`).
    - What happens in the picture only ever raises the level or brings a look forward.
    - A level is held for a while after its last reason: it never flaps from look to look.
    - What stands and does not change is no reason for ever: a parked car is watched closely for `SETTLED_S`, then at
      the rate the rules asked for, until something moves again or a rule is about to raise.
    - Where things always pass, that one more passes is no reason for more than every key picture: looks in between and
      closer crops are for what has newly come, and for what a rule counts or is about to raise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil, inf
from typing import Final, Literal

from xueliang_edge.attention.needs import Need
from xueliang_edge.attention.overload import Degradation

HOLD_S: Final = 10.0  # somebody who walks through and comes back, a detector that loses a car for some looks
CONFIRM_BEFORE_S: Final = 10.0  # the main stream is connected and has its first key picture after up to 5 s
WATCH_GAP_S: Final = 1.0
WATCH_LEAST_GAP_S: Final = 0.5  # cameras that send a key picture several times a second are not looked at so often
SLOW_WATCH_GAP_S: Final = 1.0
SETTLED_S: Final = 30.0  # a vehicle that arrives has stopped, and people have got out, within half a minute
# Long side, in pixels of the network's input: below it compact detectors miss more than they find (COCO calls an area
# below 32 x 32 of a 640 pixel input small: 21 of 416).
SMALL_PX: Final = 21.0


class Level(StrEnum):
    """How closely a camera is watched."""

    IDLE = "idle"
    WATCH = "watch"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class LookPlan:
    """What capture is asked for.

    Attributes:
        gap_s: longest time between two pictures. A picture between key pictures is decoded only to keep it.
        every_key: every key picture is wanted, also where `gap_s` asks for fewer.
        stream: which of the camera's streams.
        least_gap_s: pictures that come sooner after the last one are not wanted.
        has_crops: small things are to be looked at in crops of the picture (`crops.py`).
        may_tile: tiles are allowed, should a rule want them (`tiles.py`).
        look_at_mono_s: the first picture from then on is wanted, whatever lies between key pictures: a dwell ends.
    """

    level: Level
    gap_s: float
    every_key: bool
    stream: Literal["main", "sub"]
    least_gap_s: float = 0.0
    has_crops: bool = False
    may_tile: bool = True
    look_at_mono_s: float | None = None


@dataclass(frozen=True, slots=True)
class Signs:
    """What a judged look showed.

    Attributes:
        has_moved: something moved in or near a rule's zone.
        has_candidate: a box of a class that counts, at least weak, in the zone of its rule.
        raises_mono_s: when the nearest rule would raise if all stays as it is; in the past while it may not yet (its
            cooldown); None: no rule counts.
        ends_mono_s: the next such moment that still lies ahead; None: none does.
        has_open_episode: an alert of this camera is open.
        smallest_candidate_px: long side of the smallest candidate, in pixels of the detector's input; None: none.
        concerned: the detectors through whose rules all this but the movement was seen.
    """

    has_moved: bool = False
    has_candidate: bool = False
    raises_mono_s: float | None = None
    ends_mono_s: float | None = None
    has_open_episode: bool = False
    smallest_candidate_px: float | None = None
    concerned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Attention:
    """What is remembered of a camera between looks.

    Attributes:
        level: as of the last look.
        had_open_episode: at the last look.
        stood_mono_s: when there was last a candidate, a rule that counts, an open episode.
        appeared_mono_s: when one of these last came that had not been there for a while.
        changed_mono_s: when that was, or something moved.
        is_close: something has newly come, or a rule counts: pictures between key pictures are wanted where cheap.
        watch_until_mono_s, confirm_until_mono_s: how long a level is held after its last reason.
        needs_crops: confirm was last asked for because of small candidates.
    """

    level: Level = Level.IDLE
    had_open_episode: bool = False
    stood_mono_s: tuple[float, float, float] = (-inf, -inf, -inf)
    appeared_mono_s: float = -inf
    changed_mono_s: float = -inf
    is_close: bool = False
    watch_until_mono_s: float = -inf
    confirm_until_mono_s: float = -inf
    needs_crops: bool = False


def attend(
    state: Attention, signs: Signs, need: Need, has_sub: bool, degradation: Degradation, now_mono_s: float
) -> tuple[Attention, LookPlan]:
    """One judged look further: how closely is the camera watched from here on?"""
    standing = (signs.has_candidate, signs.raises_mono_s is not None, signs.has_open_episode)
    # A weak box that flickers is not new each time it comes back.
    is_new = (signs.has_moved and now_mono_s - state.changed_mono_s > SETTLED_S) or any(
        is_now and now_mono_s - last > SETTLED_S for is_now, last in zip(standing, state.stood_mono_s, strict=True)
    )
    appeared_mono_s = now_mono_s if is_new else state.appeared_mono_s
    changed_mono_s = now_mono_s if signs.has_moved or is_new else state.changed_mono_s
    is_fresh = now_mono_s - changed_mono_s <= SETTLED_S
    has_newly_come = now_mono_s - appeared_mono_s <= SETTLED_S
    is_due = signs.raises_mono_s is not None and signs.raises_mono_s - now_mono_s <= CONFIRM_BEFORE_S
    was_raised = signs.has_open_episode and not state.had_open_episode
    is_small = (has_newly_come or is_due) and _is_small(signs) and degradation < Degradation.NO_CROPS
    stands = is_fresh and any(standing)

    confirms = is_due or was_raised or is_small
    watches = confirms or signs.has_moved or stands
    until = now_mono_s + HOLD_S
    state = replace(
        state,
        had_open_episode=signs.has_open_episode,
        stood_mono_s=_stood(state, standing, now_mono_s),
        appeared_mono_s=appeared_mono_s,
        changed_mono_s=changed_mono_s,
        is_close=has_newly_come or signs.raises_mono_s is not None,
        watch_until_mono_s=until if watches else state.watch_until_mono_s,
        confirm_until_mono_s=until if confirms else state.confirm_until_mono_s,
        needs_crops=is_small or (state.needs_crops and now_mono_s <= state.confirm_until_mono_s),
    )
    state = replace(state, level=_level(state, now_mono_s))
    plan = plan_of(state, need, has_sub, degradation)
    ends_mono_s = signs.ends_mono_s
    if ends_mono_s is not None and ends_mono_s - now_mono_s <= CONFIRM_BEFORE_S and degradation < Degradation.KEY_WATCH:
        # To a tenth of a second: a plan that differs from the last one is a message.
        plan = replace(plan, look_at_mono_s=ceil(ends_mono_s * 10) / 10)
    return state, plan


def plan_of(state: Attention, need: Need, has_sub: bool, degradation: Degradation) -> LookPlan:
    """The looks a level asks for; also before the first look, and when the degradation changes between looks."""
    needed_s = need.largest_gap_s * degradation.gap_factor(need.most_severe)
    cheap: Literal["main", "sub"] = "sub" if has_sub else "main"
    may_tile = degradation < Degradation.NO_CROPS
    if state.level is Level.IDLE:
        return LookPlan(Level.IDLE, needed_s, every_key=False, stream=cheap, may_tile=may_tile)
    is_confirm = state.level is Level.CONFIRM
    stream: Literal["main", "sub"] = "main" if is_confirm else cheap
    least_s = SLOW_WATCH_GAP_S if degradation >= Degradation.SLOW_WATCH else WATCH_LEAST_GAP_S
    # On the main stream a picture between two key pictures costs all before it: FACTS 5.8 against 0.6 CPU-s a minute.
    keys_only = stream == "main" or not state.is_close or degradation >= Degradation.KEY_WATCH
    gap_s = needed_s if keys_only else min(needed_s, WATCH_GAP_S)
    if degradation >= Degradation.SLOW_WATCH:
        gap_s = max(gap_s, SLOW_WATCH_GAP_S)
    has_crops = is_confirm and state.needs_crops and degradation < Degradation.NO_CROPS
    return LookPlan(
        state.level,
        gap_s,
        every_key=True,
        stream=stream,
        least_gap_s=min(least_s, gap_s),
        has_crops=has_crops,
        may_tile=may_tile,
    )


def _level(state: Attention, now_mono_s: float) -> Level:
    if now_mono_s <= state.confirm_until_mono_s:
        return Level.CONFIRM
    return Level.WATCH if now_mono_s <= state.watch_until_mono_s else Level.IDLE


def _stood(state: Attention, standing: tuple[bool, bool, bool], now_mono_s: float) -> tuple[float, float, float]:
    first, second, third = (
        now_mono_s if is_now else last for is_now, last in zip(standing, state.stood_mono_s, strict=True)
    )
    return first, second, third


def _is_small(signs: Signs) -> bool:
    return signs.smallest_candidate_px is not None and signs.smallest_candidate_px < SMALL_PX

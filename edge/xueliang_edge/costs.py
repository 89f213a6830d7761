"""What watching a camera costs before it is watched: CPU-seconds per camera-minute and Mbit/s, with the arithmetic.

Pure, and the only place with such arithmetic. An estimate for planning: the measured price of a picture times the
pictures that are needed. What a node really spends is in its metrics.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Final

from xueliang_edge.attention.overload import REFRESH_S
from xueliang_streams.probe import Offer

DETECT_MS: Final = 7.0
"""The embedded detector, one thread, on the machine it was developed on; `xueliang-edge measure` tells it of yours."""
READ_S_PER_MBIT: Final = 0.02
"""CPU-seconds a minute for each Mbit/s that our own reader takes in (0.045 to 0.10 for 4 Mbit/s, measured)."""
LIBAV_READ_S: Final = 0.45
"""CPU-seconds a minute of libav's RTSP reader, whatever comes (0.35 to 0.54, measured)."""
LOOK_MS: Final = 1.5
"""Of a look beside decoding and detecting: copy, change test, messages, rules."""
UPKEEP_S: Final = 0.03
"""CPU-seconds a minute that a camera costs when nothing is looked at: polls, health, metrics."""
SLACK_S: Final = 0.2
"""A look may come so late: pictures do not come on the dot."""
MAIN_SHARE: Final = 0.1
"""Of the time, the main stream is connected beside a sub stream: to look closely, and for evidence."""
CLOSE_LOOKS: Final = 1.0
"""Looks a minute on the main stream beside a sub stream. Libav's reader also decodes what an idle camera would need as
long as it is connected: it keeps nothing undecoded."""
USABLE_MS_PER_S: Final = 850.0
"""Of one detector's session: bursts of looks, the disk and the operating system take the rest."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a camera is looked at.

    Attributes:
        look_every_s: largest gap between two looks while nothing moves: what the usual rules need.
        busy_share: share of the time in which it is watched closely.
        watch_every_s: between two looks then, on a sub stream; a main stream gives every key picture.
        refresh_s: how old a detector's answer may grow while nothing moves.
        detect_ms: CPU milliseconds of one look of the detector.
    """

    look_every_s: float = 4.0
    busy_share: float = 0.2
    watch_every_s: float = 1.0
    refresh_s: float = REFRESH_S
    detect_ms: float = DETECT_MS


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One stream, as far as cost goes.

    Attributes:
        gop_s, fps: None when they could not be seen.
        key_ms, all_ms: CPU milliseconds of a key picture by itself, and of a picture when all are decoded.
    """

    mbit_per_s: float
    gop_s: float | None
    fps: float | None
    key_ms: float
    all_ms: float
    is_read_by_libav: bool = False


@dataclass(frozen=True, slots=True)
class CostLine:
    """One part of a cost, CPU-seconds per camera-minute, and how it comes about."""

    what: str
    cpu_s: float
    words: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What one camera costs.

    Attributes:
        needs_all_pictures: key pictures come too seldom: everything between them is decoded.
    """

    lines: tuple[CostLine, ...]
    mbit_per_s: float
    needs_all_pictures: bool = False

    @property
    def cpu_s_per_minute(self) -> float:
        return sum(line.cpu_s for line in self.lines)

    @property
    def cores(self) -> float:
        """Share of one core."""
        return self.cpu_s_per_minute / 60


def figures_of(offer: Offer) -> StreamFigures:
    """What was measured; a stream whose rates could not be seen gets cautious ones."""
    key_ms = statistics.median(offer.key_decode_ms) if offer.key_decode_ms else 0.0
    return StreamFigures(
        mbit_per_s=(offer.bitrate_bps or 8.0 * offer.key_bytes) / 1e6,
        gop_s=offer.gop_s,
        fps=offer.fps,
        key_ms=key_ms,
        all_ms=key_ms if offer.all_decode_ms is None else offer.all_decode_ms,
        is_read_by_libav=offer.reader == "libav",
    )


def cost_of(main: StreamFigures, sub: StreamFigures | None, plan: Plan) -> Cost:
    """The everyday stream is the sub stream where there is one."""
    everyday = sub or main
    idle = _looking(everyday, plan.look_every_s)
    # Watched closely, a main stream gives its key pictures and no more; a sub stream is cheap enough for all.
    busy = _looking(everyday, plan.watch_every_s if sub else min(everyday.gop_s or math.inf, plan.look_every_s))
    quiet_share = 1 - plan.busy_share
    looks = quiet_share * idle.looks + plan.busy_share * busy.looks
    # While nothing moves, the change test looks at every picture and the detector only so often.
    detections = quiet_share * min(idle.looks, 60 / plan.refresh_s) + plan.busy_share * busy.looks
    lines = [_reading(everyday, 1.0, "the sub stream" if sub else "the main stream")]
    if sub:
        lines.append(_reading(main, MAIN_SHARE, "the main stream"))
    if quiet_share > 0:
        lines.append(CostLine("decode", quiet_share * idle.decode_s, f"{quiet_share:.0%} of the time {idle.words}"))
    if plan.busy_share > 0:
        words = f"{plan.busy_share:.0%} of the time, watched closely, {busy.words}"
        lines.append(CostLine("decode", plan.busy_share * busy.decode_s, words))
    if sub:
        words = f"{CLOSE_LOOKS:g} look a minute on the main stream x {main.key_ms:.1f} ms"
        lines.append(CostLine("decode", CLOSE_LOOKS * main.key_ms / 1000, words))
        if main.is_read_by_libav and main.gop_s:
            resting = MAIN_SHARE * _looking(main, max(plan.look_every_s, main.gop_s)).looks
            words = f"{resting:.1f} key pictures a minute that libav decodes beside it x {main.key_ms:.1f} ms"
            lines.append(CostLine("decode", resting * main.key_ms / 1000, words))
        looks += CLOSE_LOOKS
        detections += CLOSE_LOOKS
    words = f"{detections:.1f} looks of a detector x {plan.detect_ms:.1f} ms"
    lines.append(CostLine("detect", detections * plan.detect_ms / 1000, words))
    lines.append(
        CostLine("look", looks * LOOK_MS / 1000, f"{looks:.1f} looks x {LOOK_MS:g} ms for copy, change, rules")
    )
    lines.append(CostLine("upkeep", UPKEEP_S, "polls, health, metrics"))
    mbit = everyday.mbit_per_s + (MAIN_SHARE * main.mbit_per_s if sub else 0.0)
    return Cost(tuple(lines), mbit, needs_all_pictures=idle.is_all)


def why_never(rule: str, gap_s: float, detect_ms: float) -> str | None:
    """Why this rule's need cannot be met even if it had the machine to itself; None: it may.

    A detector answers one look after the other. What a camera's stream costs is known only once it plays.
    """
    if detect_ms / gap_s <= USABLE_MS_PER_S:
        return None
    return (
        f"rule {rule} needs a look every {gap_s:.3g} s; its detector takes {_figure(detect_ms)} ms a look, "
        f"{_figure(detect_ms)} / {gap_s:.3g} s = {detect_ms / gap_s:.0f} ms of CPU a second, and one session has "
        f"{USABLE_MS_PER_S:.0f}"
    )


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class _Looking:
    """Looking at one stream for a minute."""

    looks: float
    decode_s: float
    words: str
    is_all: bool = False


def _looking(stream: StreamFigures, every_s: float) -> _Looking:
    """Key pictures where they come often enough, else all pictures: one inside a GOP costs all before it."""
    if stream.gop_s and stream.gop_s <= every_s + SLACK_S:
        nth = max(1, math.floor((every_s + SLACK_S) / stream.gop_s))
        looks = 60 / (nth * stream.gop_s)
        words = f"{looks:.1f} key pictures a minute x {stream.key_ms:.1f} ms"
        return _Looking(looks, looks * stream.key_ms / 1000, words)
    pictures = 60 * (stream.fps or 1 / every_s)
    words = f"all {pictures:.0f} pictures a minute x {stream.all_ms:.1f} ms"
    return _Looking(min(pictures, 60 / every_s), pictures * stream.all_ms / 1000, words, is_all=True)


def _reading(stream: StreamFigures, share: float, name: str) -> CostLine:
    of_time = "" if share == 1 else f"{share:.0%} of the time "
    if stream.is_read_by_libav:
        return CostLine("read", share * LIBAV_READ_S, f"{of_time}{name} by libav: {LIBAV_READ_S:g} s a minute")
    words = f"{of_time}{name}: {stream.mbit_per_s:.2f} Mbit/s x {READ_S_PER_MBIT:g} s"
    return CostLine("read", share * stream.mbit_per_s * READ_S_PER_MBIT, words)

"""Can this machine give these cameras the looks they need? Arithmetic over measured costs, said in words. Pure.

Used at start, where a rule that no schedule can meet is refused, and by `xueliang-edge measure`. All costs are
milliseconds of CPU on one core.

How a look is paid for
    - A gap of at least one key interval is served from key pictures, and only from those that are due: the last one
      before the next would come too late.
    - A shorter gap needs every picture of the stream decoded.
    - Quiet: nothing moves, a detector looks at every refresh only. Busy: it looks at every look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import floor
from typing import Final

from xueliang_edge.attention.needs import Need
from xueliang_edge.attention.overload import REFRESH_S

USABLE_SHARE: Final = 0.85  # of a core: bursts of key pictures, the disk, the operating system
_SECOND_MS: Final = 1000.0


@dataclass(frozen=True, slots=True)
class StreamCosts:
    """What one stream costs.

    Attributes:
        key_interval_s: seconds between two key pictures.
        read_ms_per_s: receiving it.
        key_decode_ms: decoding one key picture.
        all_decode_ms_per_s: decoding every picture of one second.
        look_ms: everything else of a look: change test, copying, rules.
    """

    key_interval_s: float
    read_ms_per_s: float
    key_decode_ms: float
    all_decode_ms_per_s: float
    look_ms: float = 1.0


@dataclass(frozen=True, slots=True)
class Demand:
    """One camera: what it needs, over which stream, and what each of its detectors costs a look."""

    need: Need
    stream: StreamCosts
    detect_ms: Mapping[str, float] = field(default_factory=dict)


class Part(StrEnum):
    """Where the time goes."""

    READING = "reading"
    DECODING = "decoding"
    LOOKING = "looking"
    DETECTING = "detecting"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the machine can do for these cameras.

    Attributes:
        is_met: every camera gets the looks it needs while it is quiet.
        is_met_busy: also while something happens on every camera at once.
        quiet_ms_per_s, busy_ms_per_s: of all cameras together; usable_ms_per_s: what there is.
        first_limit: what takes most of a busy second; None without cameras.
        words: the arithmetic, one sentence each.
    """

    is_met: bool
    is_met_busy: bool
    quiet_ms_per_s: float
    busy_ms_per_s: float
    usable_ms_per_s: float
    first_limit: Part | None
    words: tuple[str, ...]


def look_interval_s(gap_s: float, key_interval_s: float) -> float:
    """How far apart the looks of an idle camera really are: whole key intervals where they fit into the gap."""
    whole = floor(gap_s / key_interval_s + 1e-9)
    return whole * key_interval_s if whole else gap_s


def cost_ms_per_s(demand: Demand, *, is_busy: bool) -> dict[Part, float]:
    """What one camera costs a second, by part."""
    stream, gap_s = demand.stream, demand.need.largest_gap_s
    if gap_s < stream.key_interval_s - 1e-9:
        every_s, decoding = gap_s, stream.all_decode_ms_per_s
    else:
        every_s = stream.key_interval_s if is_busy else look_interval_s(gap_s, stream.key_interval_s)
        decoding = stream.key_decode_ms / every_s
    detecting = 0.0
    for detector, wanted_s in demand.need.detector_gaps_s.items():
        answers_every_s = every_s if is_busy else max(every_s, REFRESH_S, wanted_s)
        detecting += demand.detect_ms.get(detector, 0.0) / answers_every_s
    return {
        Part.READING: stream.read_ms_per_s,
        Part.DECODING: decoding,
        Part.LOOKING: stream.look_ms / every_s,
        Part.DETECTING: detecting,
    }


def why_never(rule: str, gap_s: float, stream: StreamCosts, detect_ms: float) -> str | None:
    """Why this rule's need cannot be met even if its camera had the machine to itself; None when it can.

    A stream is decoded in one thread, and a detector answers one look after the other.
    """
    if gap_s < stream.key_interval_s - 1e-9:
        decoding = stream.read_ms_per_s + stream.all_decode_ms_per_s
        how = (
            f"key pictures come every {stream.key_interval_s:.3g} s, so every picture is decoded: "
            f"{_figure(stream.read_ms_per_s)} ms reading + {_figure(stream.all_decode_ms_per_s)} ms decoding"
        )
    else:
        every_s = look_interval_s(gap_s, stream.key_interval_s)
        decoding = stream.read_ms_per_s + stream.key_decode_ms / every_s
        how = (
            f"a key picture every {every_s:.3g} s: {_figure(stream.read_ms_per_s)} ms reading + "
            f"{_figure(stream.key_decode_ms)} ms decoding / {every_s:.3g} s"
        )
    usable = USABLE_SHARE * _SECOND_MS
    if decoding > usable:
        return (
            f"rule {rule} needs a look every {gap_s:.3g} s; {how} = {decoding:.0f} ms of CPU a second, and one thread "
            f"has {usable:.0f}"
        )
    if detect_ms / gap_s > usable:
        return (
            f"rule {rule} needs a look every {gap_s:.3g} s; its detector takes {_figure(detect_ms)} ms a look, "
            f"{_figure(detect_ms)} / {gap_s:.3g} s = {detect_ms / gap_s:.0f} ms of CPU a second, and one session has "
            f"{usable:.0f}"
        )
    return None


def capacity(demands: Iterable[Demand], cores: float) -> Capacity:
    """Can `cores` cores serve all these cameras?"""
    quiet: dict[Part, float] = dict.fromkeys(Part, 0.0)
    busy: dict[Part, float] = dict.fromkeys(Part, 0.0)
    count = 0
    for demand in demands:
        count += 1
        for total, is_busy in ((quiet, False), (busy, True)):
            for part, cost in cost_ms_per_s(demand, is_busy=is_busy).items():
                total[part] += cost
    usable = cores * _SECOND_MS * USABLE_SHARE
    quiet_ms, busy_ms = sum(quiet.values()), sum(busy.values())
    said = f"of {usable:.0f} usable (cores: {cores:.3g})"
    return Capacity(
        is_met=quiet_ms <= usable,
        is_met_busy=busy_ms <= usable,
        quiet_ms_per_s=quiet_ms,
        busy_ms_per_s=busy_ms,
        usable_ms_per_s=usable,
        first_limit=max(busy, key=lambda part: busy[part]) if count else None,
        words=(
            f"{count} cameras while nothing moves: {_summed(quiet)} of CPU a second {said}",
            f"{count} cameras while something happens on all of them: {_summed(busy)} of CPU a second {said}",
        ),
    )


def cameras_that_fit(demand: Demand, cores: float) -> tuple[int, int]:
    """How many cameras like this one the machine can carry: while all are busy, and while all are quiet."""
    usable = cores * _SECOND_MS * USABLE_SHARE
    busy, quiet = (floor(usable / sum(cost_ms_per_s(demand, is_busy=is_busy).values())) for is_busy in (True, False))
    return busy, quiet


def _summed(costs: Mapping[Part, float]) -> str:
    parts = " + ".join(f"{part} {cost:.0f}" for part, cost in costs.items())
    return f"{parts} = {sum(costs.values()):.0f} ms"


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

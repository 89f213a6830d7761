"""From what was measured on a machine to how many cameras it carries, and what limits first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from xueliang_edge.costs import Cost, Plan, StreamFigures, cost_of

FILLED_SHARE: Final = 0.8
"""Of the usable cores; the rest is for close looks, stills and bursts."""
CAMERA_BYTES: Final = 20 * 2**20
"""Memory a camera needs beside the models: what a node is held to."""
NODE_BYTES: Final = 400 * 2**20
"""Of the node itself: programs, models, broker link."""
SHM_CAMERA_BYTES: Final = 1920 * 1080 * 3 // 2 * 17 // 16
"""One picture in hand for each camera, and one for the scene for each group of sixteen."""
NODE_CAMERAS: Final = 256
"""What one settings file takes."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What was measured again and again: the tenth, the half, the ninetieth of a hundred."""

    low: float
    middle: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.middle <= self.high:
            raise ValueError(f"expected 0 <= low <= middle <= high, got {self.low}, {self.middle}, {self.high}")


def spread_of(values: Sequence[float]) -> Spread:
    """Of at least one value, by nearest rank."""
    if not values:
        raise ValueError("expected at least one value")
    ordered = sorted(values)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return Spread(at(0.1), at(0.5), at(0.9))


@dataclass(frozen=True, slots=True)
class Prices:
    """CPU milliseconds of single pieces of work on one core of this machine."""

    key_1080_ms: Spread
    all_1080_ms: Spread
    key_360_ms: Spread
    all_360_ms: Spread
    detect_ms: Spread


@dataclass(frozen=True, slots=True)
class Room:
    """What there is of everything that cameras share.

    Attributes:
        all_cores_share: what a core still does when all of them work; 1: as much as alone.
        memory_bytes, shm_bytes: None: not known.
    """

    cores: float
    all_cores_share: float
    memory_bytes: int | None
    shm_bytes: int | None


@dataclass(frozen=True, slots=True)
class Carried:
    """How many cameras of one kind.

    Attributes:
        per_core: cameras for which one core is busy all the time, from the measurements' spread.
        per_machine: with `FILLED_SHARE` of all cores, and within every other limit.
        limits: what would be reached at how many cameras, the first one first.
    """

    name: str
    cost: Cost
    per_core: Spread
    per_machine: Spread
    limits: tuple[tuple[str, int], ...]


def carried(prices: Prices, room: Room) -> tuple[Carried, ...]:
    """The three usual kinds: a 1080p25 main stream alone, with a 640x360 sub stream, and all watched closely on it."""
    plain, close = (0.2, "one in five watched closely"), (1.0, "all watched closely")
    return (
        _carried(f"main stream only, {plain[1]}", prices, room, has_sub=False, busy_share=plain[0]),
        _carried(f"with a sub stream, {plain[1]}", prices, room, has_sub=True, busy_share=plain[0]),
        _carried(f"with a sub stream, {close[1]}", prices, room, has_sub=True, busy_share=close[0]),
    )


def _carried(name: str, prices: Prices, room: Room, *, has_sub: bool, busy_share: float) -> Carried:
    costs = {level: _cost(prices, level, has_sub, busy_share) for level in ("low", "middle", "high")}
    per_core = Spread(*(60 / costs[level].cpu_s_per_minute for level in ("high", "middle", "low")))
    usable = room.cores * room.all_cores_share * FILLED_SHARE
    limits = tuple(sorted(_limits(per_core.middle * usable, room), key=lambda limit: limit[1]))
    others = min((count for what, count in limits if what != "processor"), default=NODE_CAMERAS)
    per_machine = Spread(*(min(float(others), usable * count) for count in _each(per_core)))
    return Carried(name, costs["middle"], per_core, per_machine, limits)


def _each(spread: Spread) -> tuple[float, float, float]:
    return spread.low, spread.middle, spread.high


def _cost(prices: Prices, level: str, has_sub: bool, busy_share: float) -> Cost:
    def price(spread: Spread) -> float:
        return float(getattr(spread, level))

    main = StreamFigures(4.0, 2.0, 25.0, price(prices.key_1080_ms), price(prices.all_1080_ms))
    sub = StreamFigures(0.5, 2.0, 10.0, price(prices.key_360_ms), price(prices.all_360_ms)) if has_sub else None
    return cost_of(main, sub, Plan(busy_share=busy_share, detect_ms=price(prices.detect_ms)))


def _limits(by_processor: float, room: Room) -> Iterator[tuple[str, int]]:
    yield "processor", int(by_processor)
    if room.memory_bytes is not None:
        yield "memory", max(0, room.memory_bytes - NODE_BYTES) // CAMERA_BYTES
    if room.shm_bytes is not None:
        yield "shared memory", room.shm_bytes // SHM_CAMERA_BYTES
    yield "one settings file", NODE_CAMERAS

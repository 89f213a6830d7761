"""Days of a fire lane with false alarms of causes that come again, and true ones between them: all judged.

Times of day are UTC; the rule's are those of Shanghai, eight hours later. Each day, with some jitter:

    00:00  a lorry stands for 150 s where cars stand at other times too            false: it fetches the rubbish
    04:00  a bush on the right is taken for a bicycle for 150 s                    false
           then a car stands for 170 s                                             true
    10:00  somebody gets out: a car stands for 80 s                                false
           then a car stands for 170 s                                             true
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from tests.unit.edge.backtesting import part_of
from tests.unit.edge.observing import START, Thing, seen, times
from xueliang_edge.backtest.judgements import Judgement, Verdict
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observation_log.reading import Gap, GapReason
from xueliang_edge.observations import Observation

RULE: Final = {"hazard": "fire_lane_obstruction", "rule_id": "r0", "dwell_s": 60, "clear_after_s": 5}
DAY: Final = timedelta(days=1)
FIRST: Final = datetime(2026, 11, 9, tzinfo=UTC)  # a Monday
EVERY_S: Final = 2.0
Stand = tuple[float, float, str, float, Verdict]
"""From when to when in seconds of the window, what, where (x of its middle), and what people said of it."""


def windows(random: np.random.Generator, true_s: float = 170) -> Iterator[tuple[float, float, list[Stand]]]:
    """Of one day: hour, seconds, what stands. `true_s`: how long each true one stands."""
    jitter = [float(value) for value in random.uniform(-8, 8, 5)]
    places = [float(value) for value in random.uniform(0.25, 0.5, 5)]
    no, yes = Verdict.FALSE, Verdict.TRUE
    yield 0, 240, [(20 + jitter[0], 170 + jitter[0], "truck", places[0], no)]
    bush = (10.0, 160.0, "bicycle", 0.78, no)
    yield 4, 400, [bush, (190 + jitter[1], 190 + true_s + jitter[1], "car", places[1], yes)]
    short = (20 + jitter[2], 100 + jitter[2], "car", places[2], no)
    yield 10, 360, [short, (140 + jitter[3], 140 + true_s + jitter[3], "car", places[3], yes)]


def recurring(days: int, seed: int = 5, true_s: float = 170) -> tuple[list[LoggedLooks | Gap], list[Judgement]]:
    """The parts of the log, and what people said."""
    random = np.random.default_rng(seed)
    parts: list[LoggedLooks | Gap] = []
    judgements: list[Judgement] = []
    for day in range(days):
        for hour, seconds, stands in windows(random, true_s):
            began = FIRST + day * DAY + timedelta(hours=hour)
            looks = [_look(began, at_s, stands, random) for at_s in times(seconds, EVERY_S)]
            part = part_of(looks, run_id=f"{day}-{hour}")
            if isinstance(last := parts[-1] if parts else None, LoggedLooks):
                parts.append(Gap(GapReason.NODE_STOPPED, last.last_at, part.first_at))
            parts.append(part)
            judgements += [
                Judgement(verdict, began + timedelta(seconds=until - 10), None) for _, until, _, _, verdict in stands
            ]
    return parts, judgements


def _look(began: datetime, at_s: float, stands: list[Stand], random: np.random.Generator) -> Observation:
    things = [_thing(name, x, random) for since, until, name, x, _ in stands if since <= at_s < until]
    after_s = (began - START).total_seconds()
    return seen(at_s, things, wall_start=began, mono_start_s=1e7 + after_s)


def _thing(name: str, x: float, random: np.random.Generator) -> Thing:
    dx, dy = (float(value) for value in random.normal(0, 0.002, 2))
    half, height = (0.06, 0.2) if name == "bicycle" else (0.1, 0.35)
    return name, 0.8, (x + dx - half, 0.8 + dy - height, x + dx + half, 0.8 + dy)


def reader(parts: list[LoggedLooks | Gap]) -> Callable[[], list[LoggedLooks | Gap]]:
    """As the search asks for the log."""
    return lambda: parts

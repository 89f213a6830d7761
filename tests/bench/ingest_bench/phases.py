"""Three loads: a steady one, a burst, and a backlog that waited for the centre while fresh alerts come.

Alerts are offered at their rate whatever the centre does; a third of them raise a new episode, a third tell more of it,
a third see it cleared. All the while every node says its status twice a minute.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from tests.bench.ingest_bench.city import NODES
from tests.bench.ingest_bench.episodes import Episode, episodes, message, status
from tests.bench.ingest_bench.fleet import Fleet
from tests.bench.ingest_bench.system import Costs, System, wait_until_at_work

STATUS_EVERY_S: Final = 30.0
AWAY_S: Final = 7_200.0  # how long the centre was away, by the times of the backlog
STANDING: Final = 0.01  # the share of the backlog's hazards that nobody has seen to end
FRESH_PER_S: Final = 20.0
TEND_EVERY_S: Final = 0.5
SETTLE_WITHIN_S: Final = 60.0


@dataclass(slots=True)
class Story:
    """Which revision comes next: what is due of begun episodes before anything new. Times in seconds, of any clock."""

    of: Iterator[Episode]
    update_after_s: float = 4.0
    clear_after_s: float = 8.0
    standing: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    _begun: deque[tuple[float, Episode]] = field(default_factory=deque)
    _told: deque[tuple[float, Episode]] = field(default_factory=deque)

    def next(self, now_s: float, began_at: datetime | None = None) -> tuple[Episode, str]:
        if self._told and self._told[0][0] <= now_s:
            return self._told.popleft()[1], "cleared"
        if self._begun and self._begun[0][0] <= now_s:
            return self._go_on(now_s), "updated"
        episode = next(self.of)
        if began_at is not None:
            episode = Episode(episode.node, episode.camera, episode.hazard, episode.severity, began_at)
        self._begun.append((now_s + self.update_after_s, episode))
        return episode, "raised"

    def rest(self) -> Iterator[tuple[Episode, str]]:
        """What is still due, so that every episode but the standing ones has its end."""
        while self._begun:
            yield self._go_on(self._begun[0][0]), "updated"
        while self._told:
            yield self._told.popleft()[1], "cleared"

    def _go_on(self, now_s: float) -> Episode:
        episode = self._begun.popleft()[1]
        if self.rng.random() >= self.standing:
            self._told.append((now_s + self.clear_after_s - self.update_after_s, episode))
        return episode


class Load:
    """Offers alerts and statuses to a fleet on the wall clock."""

    def __init__(self, system: System, fleet: Fleet, seed: int) -> None:
        self._system, self._fleet = system, fleet
        self.story = Story(episodes(random.Random(seed), datetime.now(UTC)))
        self._next_status = 0
        self._status_due_s = time.monotonic()
        self._tend_due_s = 0.0

    def offer(self, label: str, per_s: float, seconds: float) -> None:
        """So many alerts a second for so long."""
        began_s = time.monotonic()
        total = round(per_s * seconds)
        for number in range(total):
            due_s = began_s + number / per_s
            while (now_s := time.monotonic()) < due_s:
                self.look_after(now_s)
                time.sleep(min(0.005, max(0.0, due_s - now_s)))
            self.one(label)
            if number % 50 == 0:
                self.look_after(time.monotonic())

    def next(self) -> tuple[Episode, str]:
        """What is told next, and how far its episode is."""
        return self.story.next(time.monotonic(), datetime.now(UTC) - timedelta(seconds=60))

    def one(self, label: str) -> None:
        episode, phase = self.next()
        self._fleet.accept(episode.node, label, lambda sequence: message(episode, phase, sequence, datetime.now(UTC)))

    def look_after(self, now_s: float) -> None:
        """Statuses that are due, records to repeat, and a look whether the programs run."""
        while self._status_due_s <= now_s:
            self._status_due_s += STATUS_EVERY_S / NODES
            node = self._fleet.nodes[self._next_status % NODES]
            self._next_status += 1
            at = datetime.now(UTC)
            self._fleet.status(node.number, status(node.number, node.last_sequence, len(node.pending), at))
        if now_s >= self._tend_due_s:
            self._tend_due_s = now_s + TEND_EVERY_S
            self._fleet.tend()
            self._system.must_run()

    def until_settled(self, label: str, total: int, within_s: float, *, fresh_per_s: float = 0.0) -> bool:
        """Go on until so many records of this label have a receipt; False when the time is over before."""
        give_up_s = time.monotonic() + within_s
        fresh_due_s = time.monotonic()
        while self._fleet.settled[label] < total:
            now_s = time.monotonic()
            if now_s > give_up_s:
                return False
            self.look_after(now_s)
            while fresh_per_s and fresh_due_s <= now_s:
                fresh_due_s += 1 / fresh_per_s
                self.one("fresh")
            time.sleep(0.01)
        return True


@dataclass(frozen=True, slots=True)
class Steady:
    """What a steady load met. Latencies in seconds, from accepted at the node to the receipt.

    Attributes:
        per_s: receipts a second, from the first alert to the last receipt.
        alerts, statuses: how many came in meanwhile; the costs are those of both.
    """

    per_s: float
    latencies_s: list[float]
    alerts: int
    statuses_per_s: float
    costs: Costs


def steady(load: Load, system: System, fleet: Fleet, per_s: float, warm_s: float, seconds: float) -> Steady:
    """Measured behind a warm-up, in which the first revisions come."""
    load.offer("warm", per_s, warm_s)
    before, statuses, settled = system.costs(), fleet.counts["statuses"], sum(fleet.settled.values())
    began_s = time.monotonic()
    load.offer("steady", per_s, seconds)
    load.until_settled("steady", round(per_s * seconds), SETTLE_WITHIN_S)
    ended_s = time.monotonic()
    spent = system.costs() - before
    return Steady(
        per_s=fleet.settled["steady"] / (fleet.last_settled_mono_s - began_s),
        latencies_s=fleet.latencies_s.get("steady", []),
        alerts=sum(fleet.settled.values()) - settled,
        statuses_per_s=(fleet.counts["statuses"] - statuses) / (ended_s - began_s),
        costs=spent,
    )


def statuses_only(load: Load, system: System, fleet: Fleet, seconds: float) -> tuple[int, Costs]:
    """Nothing but what the nodes say of themselves; how many statuses, and their costs."""
    before, statuses, until_s = system.costs(), fleet.counts["statuses"], time.monotonic() + seconds
    while (now_s := time.monotonic()) < until_s:
        load.look_after(now_s)
        time.sleep(0.005)
    return fleet.counts["statuses"] - statuses, system.costs() - before


@dataclass(frozen=True, slots=True)
class Wave:
    """What became of a burst or a backlog. `drained_s` None: not all had a receipt in time."""

    alerts: int
    drained_s: float | None
    costs: Costs


def burst(load: Load, system: System, fleet: Fleet, per_s: float, seconds: float, within_s: float) -> Wave:
    """`drained_s` counts from the first alert on."""
    before, began_s = system.costs(), time.monotonic()
    total = round(per_s * seconds)
    load.offer("burst", per_s, seconds)
    is_done = load.until_settled("burst", total, within_s)
    return Wave(total, fleet.last_settled_mono_s - began_s if is_done else None, system.costs() - before)


def backlog(load: Load, system: System, fleet: Fleet, total: int, within_s: float) -> Wave:
    """The ingest dies, so many alerts wait at the broker, it starts again; `drained_s` counts from when it works."""
    processes = len(system.ingests)
    while system.ingests:
        system.kill_ingest()
    began_at = datetime.now(UTC) - timedelta(seconds=AWAY_S)
    story = Story(episodes(random.Random(3), began_at), 120.0, 300.0, STANDING)
    step_s = AWAY_S / total
    told = 0

    def tell(episode: Episode, phase: str, now_s: float) -> None:
        at = began_at + timedelta(seconds=min(now_s, AWAY_S))
        fleet.accept(episode.node, "backlog", partial(_late, episode, phase, at))

    while told < total:
        now_s = told * step_s
        episode, phase = story.next(now_s, began_at + timedelta(seconds=now_s - 60))
        tell(episode, phase, now_s)
        told += 1
        if told % 200 == 0:
            fleet.tend()
            time.sleep(0.02)  # 10,000 a second at most: the broker is not what is measured
    for episode, phase in story.rest():
        tell(episode, phase, AWAY_S)
        told += 1
    for _ in range(processes):
        system.start_ingest()
    before = system.costs()
    wait_until_at_work(system)
    began_s = time.monotonic()
    is_done = load.until_settled("backlog", told, within_s, fresh_per_s=FRESH_PER_S)
    drained_s = fleet.last_settled_mono_s - began_s if is_done else None
    costs = system.costs() - before
    load.until_settled("fresh", fleet.counts["fresh"], 30.0)
    return Wave(told, drained_s, costs)


def _late(episode: Episode, phase: str, at: datetime, sequence: int) -> bytes:
    return message(episode, phase, sequence, at)

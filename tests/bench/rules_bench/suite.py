"""Runs every system over every case at observation level, spread over processes; nothing random but by seed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

from tests.bench.rules_bench.cases import FIRST_SEED, Case
from tests.bench.rules_bench.counting import Outcome, Told, outcome_of
from tests.bench.rules_bench.crowd_cases import crowd_case
from tests.bench.rules_bench.judging import told_by_us
from tests.bench.rules_bench.noise import NoiseModel
from tests.bench.rules_bench.observing import observations_of
from tests.bench.rules_bench.peers import Anchor, told_by_frames
from tests.bench.rules_bench.standing_cases import standing_case
from tests.bench.rules_bench.supervision_peer import as_request, told_by_supervision
from xueliang_edge.observations import Observation

STANDING_CASES: Final = 1400
CROWD_CASES: Final = 640
QUICK_STANDING, QUICK_CROWD = 60, 30
CROWD_SEEDS_FROM: Final = 200_000
BATCH: Final = 34  # in one process with one start of the peer; quick runs take less
QUICK_BATCH: Final = 15

OURS, FRAMES, SUPERVISION = "ours", "frames", "supervision"


def system_of(peer: str, anchor: Anchor) -> str:
    """A peer with that anchor, as a system of its own."""
    return f"{peer}, {anchor.value}"


@dataclass(frozen=True, slots=True)
class Judged:
    """One case by every system. `by`: system to outcome, its alerts beside it."""

    seed: int
    hazard: str
    plot: str
    disturbance: str
    gap_s: float
    by: dict[str, Outcome]
    told: dict[str, tuple[Told, ...]]


def case_of(seed: int) -> Case:
    return crowd_case(seed) if seed >= CROWD_SEEDS_FROM else standing_case(seed)


def seeds_of(standing: int, crowd: int) -> list[int]:
    """Standing ones from `FIRST_SEED` on, crowds from `CROWD_SEEDS_FROM` on."""
    return [*range(FIRST_SEED, FIRST_SEED + standing), *range(CROWD_SEEDS_FROM, CROWD_SEEDS_FROM + crowd)]


def run(
    seeds: Sequence[int], supervision_python: str | None, processes: int | None = None, batch: int = BATCH
) -> Iterable[list[Judged]]:
    """Batches as they are done; whoever reads may stop at any."""
    # Mixed, so that a run that is cut off has some of everything.
    mixed = [seeds[index::step] for step in [-(-len(seeds) // batch)] for index in range(step)]
    pool = ProcessPoolExecutor(processes or os.cpu_count() or 1, mp_context=get_context("spawn"))
    try:
        yield from pool.map(judge_batch, mixed, [supervision_python] * len(mixed))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # cut off by a deadline: what has begun ends by itself


def judge_batch(seeds: Sequence[int], supervision_python: str | None) -> list[Judged]:
    """Every system over some cases."""
    noise = NoiseModel.read()
    cases = [case_of(seed) for seed in seeds]
    looks = [observations_of(case, noise) for case in cases]
    told = {OURS: [told_by_us(seen, case.rule) for seen, case in zip(looks, cases, strict=True)]}
    told |= told_by_peers(cases, looks, supervision_python)
    return [judged_of(case, {name: alerts[index] for name, alerts in told.items()}) for index, case in enumerate(cases)]


def told_by_peers(
    cases: Sequence[Case], looks: Sequence[Sequence[Observation]], supervision_python: str | None
) -> dict[str, list[list[Told]]]:
    """System to the alerts of each case: every peer with every anchor; `supervision` where it was given."""
    pairs = list(zip(cases, looks, strict=True))
    told = {
        system_of(FRAMES, anchor): [told_by_frames(seen, case, anchor) for case, seen in pairs] for anchor in Anchor
    }
    if supervision_python:
        requests = [as_request(case, seen, anchor) for anchor in Anchor for case, seen in pairs]
        answers = told_by_supervision(supervision_python, requests)
        for number, anchor in enumerate(Anchor):
            told[system_of(SUPERVISION, anchor)] = answers[number * len(pairs) : (number + 1) * len(pairs)]
    return told


def judged_of(case: Case, told: dict[str, list[Told]]) -> Judged:
    """What each system told of a case, beside its events."""
    by = {name: outcome_of(alerts, case.events, gap_s=case.gap_s, hours=case.hours) for name, alerts in told.items()}
    return Judged(
        case.seed,
        case.hazard,
        case.plot,
        case.disturbance,
        case.gap_s,
        by,
        {name: tuple(alerts) for name, alerts in told.items()},
    )


def only(judged: Iterable[Judged], wanted: Callable[[Judged], bool], system: str) -> list[Outcome]:
    return [one.by[system] for one in judged if wanted(one) and system in one.by]

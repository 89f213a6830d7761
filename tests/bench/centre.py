"""What a centre is asked to reach: alerts on five hundred event streams, the API's answers, limits that pass in time;
with the figures of what alerts cost (`./run bench ingest`) and how often people are asked (`./run bench folding`).

    ./run bench centre                      all parts, most of an hour; --quick: stream and api
    ./run bench centre --parts stream       of stream, api, clocks, seats, ingest, folding

A city of 1,875 nodes and 30,000 cameras; viewers spread over its tree: 10 city, 40 county, 150 township, 300 village.
PostgreSQL with every commit on disk, the broker, the centre's own program (one process that ingests, one that speaks
HTTP) and the streams over sockets are real; nodes and viewers are played, in two processes on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from tests.bench import folding, ingest
from tests.bench.centre_bench.asking import asked
from tests.bench.centre_bench.clocks import OPEN, fired, passed_twice, put_clocks, run_worker
from tests.bench.centre_bench.dealing import dealt
from tests.bench.centre_bench.people import Viewer, sign_in, viewers
from tests.bench.centre_bench.stored import Past, make_past
from tests.bench.centre_bench.streaming import streamed
from tests.bench.figures import Figures
from tests.bench.ingest_bench.episodes import check_templates
from tests.bench.ingest_bench.fleet import Fleet
from tests.bench.ingest_bench.system import System, running_system, wait_until_at_work, wait_until_up
from tests.support.brokers import free_port
from xueliang_alerts.clocks import system_wall
from xueliang_central.store.database import Database

T = TypeVar("T")

FOLDER: Final = Path(".run/bench/centre")
OWN_PARTS: Final = ("stream", "api", "clocks", "seats")
PARTS: Final = (*OWN_PARTS, "ingest", "folding")
QUICK_PARTS: Final = ("stream", "api")
CLOCKS_S, CLOCKS_QUICK_S = 30.0, 10.0
SEATS_OPEN: Final = (500, OPEN)
SEATS_LOOKS: Final = 30
SEATS_FIGURES: Final = (("look_cpu", "ms"), ("look_held", "ms"), ("dealing_held", "ms"), ("dealt", "s"))
# What other benches measure and a centre is asked to reach as well.
OF_INGEST: Final = ("sustained_alerts_per_s", "burst_lost", "duplicates")
OF_FOLDING: Final = ("fold_ratio", "hazards_hidden", "seat_hour_p50", "seat_10_min_max", "waited_past_limit")
PER_S: Final = 200.0
CONNECTIONS: Final = 4
PAST, PAST_QUICK = Past(100_000, 500, 20), Past(2_000, 100, 20)

KEYS = (
    *OF_INGEST,
    *OF_FOLDING,
    "clock_late_p50_s",
    "clock_late_p99_s",
    "clock_late_max_s",
    "clock_crowd_late_p50_s",
    "clock_crowd_late_p99_s",
    "clock_crowd_late_max_s",
    "clock_killed_late_p50_s",
    "clock_killed_late_p99_s",
    "clock_killed_late_max_s",
    "clocks_open",
    "clocks_not_fired",
    "clocks_fired_twice",
    *(f"seats_{name}_{number}_{unit}" for number in SEATS_OPEN for name, unit in SEATS_FIGURES),
    "alert_to_stream_p50_ms",
    "alert_to_stream_p99_ms",
    "alert_to_stream_max_ms",
    "alerts_and_viewers",
    "not_delivered",
    "delivered_to_strangers",
    "deliveries_per_s",
    "incident_events_within_a_second",
    "api_cores",
    "receipt_p50_s",
    "receipt_p99_s",
    "alerts_stored",
    "api_p95_ms",
    "api_queue_p95_ms",
    "api_case_p95_ms",
    "api_map_p95_ms",
    "api_map_of_the_city_p95_ms",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "centre only", f"--parts: of {','.join(PARTS)}; --broker and --shed as for ingest"
    )
    group.add_argument("--per-s", type=float, default=PER_S, metavar="N", help="alerts a second (%(default)g)")


def measure(options: argparse.Namespace, figures: Figures) -> None:
    parts = options.parts or (QUICK_PARTS if options.quick else PARTS)
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise SystemExit(f"--parts: expected of {','.join(PARTS)}, got {','.join(unknown)}")
    check_templates(system_wall())
    people = viewers()
    for part in OWN_PARTS:
        if part not in parts:
            continue
        shutil.rmtree(FOLDER, ignore_errors=True)
        with running_system(FOLDER, options.broker, is_shedding=options.shed) as system:
            asyncio.run(_sign_in(system.database_url, people))
            port = free_port()
            if part == "stream":
                _stream(options, system, port, people, figures)
            elif part == "api":
                _api(options, system, port, people, figures)
            elif part == "seats":
                _seats(system, figures)
            else:
                _clocks(options, system, figures)
    _of_others(options, parts, figures)


def _of_others(options: argparse.Namespace, parts: Sequence[str], figures: Figures) -> None:
    found: Figures = {}
    if "ingest" in parts:
        asked_for = argparse.Namespace(**{**vars(options), "parts": ("sustained", "burst"), "ingests": 1})
        ingest.measure(asked_for, found)
    if "folding" in parts:
        folding.measure(options.quick, found)
    figures |= {name: found[name] for name in (*OF_INGEST, *OF_FOLDING) if name in found}


def _clocks(options: argparse.Namespace, system: System, figures: Figures) -> None:
    seconds = CLOCKS_QUICK_S if options.quick else CLOCKS_S
    plan = asyncio.run(_with(system.database_url, lambda database: put_clocks(database, system_wall, OPEN, seconds)))
    run_worker(system, plan, system_wall)
    not_fired = 0
    for prefix, first, due_s in (
        ("clock_late", plan.first, seconds),
        ("clock_crowd_late", plan.crowd, 1.0),
        ("clock_killed_late", plan.killed, 1.0),
    ):
        found = asyncio.run(_with(system.database_url, partial(fired, first=first, seconds=due_s)))
        not_fired += found.due - len(found.late_s)
        if found.late_s:
            p50, p99 = np.percentile(found.late_s, (50, 99))
            figures[f"{prefix}_p50_s"], figures[f"{prefix}_p99_s"] = float(p50), float(p99)
            figures[f"{prefix}_max_s"] = found.late_s[-1]
    figures["clocks_open"], figures["clocks_not_fired"] = OPEN, not_fired
    figures["clocks_fired_twice"] = asyncio.run(_with(system.database_url, passed_twice))


def _seats(system: System, figures: Figures) -> None:
    for total in SEATS_OPEN:
        ask = partial(dealt, policies=system.policies(), wall=system_wall, total=total, looks=SEATS_LOOKS)
        found = asyncio.run(_with(system.database_url, ask))
        figures[f"seats_look_cpu_{total}_ms"] = found.cpu_p50_s * 1000
        figures[f"seats_look_held_{total}_ms"] = max(found.held_s) * 1000
        figures[f"seats_dealing_held_{total}_ms"] = found.dealing_held_s * 1000
        figures[f"seats_dealt_{total}_s"] = found.dealt_s


async def _with(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    database = await Database.open(url, wait_s=60)
    try:
        return await work(database)
    finally:
        await database.close()


def _stream(options: argparse.Namespace, system: System, port: int, people: Sequence[Viewer], figures: Figures) -> None:
    system.start_ingest()
    wait_until_at_work(system)
    system.start_api(port)
    wait_until_up(system, port)
    fleet = Fleet([system.broker.centre_link(f"bench-{number}") for number in range(CONNECTIONS)])
    # Every node says its first status in half a minute: 30,000 cameras come up, a storm of its own.
    warm_s, seconds = (32.0, 8.0) if options.quick else (45.0, 60.0)
    found = streamed(system, fleet, port, people, options.per_s, warm_s, seconds)
    for problem in sorted(set(found.problems)):
        print(f"{found.problems.count(problem)} streams: {problem}")
    figures["alerts_and_viewers"] = len(found.latencies_s)
    if found.latencies_s:
        p50, p99 = np.percentile(found.latencies_s, (50, 99)) * 1000
        figures["alert_to_stream_p50_ms"], figures["alert_to_stream_p99_ms"] = float(p50), float(p99)
        figures["alert_to_stream_max_ms"] = max(found.latencies_s) * 1000
    figures["not_delivered"], figures["delivered_to_strangers"] = found.missing, found.strangers
    figures["deliveries_per_s"], figures["api_cores"] = found.deliveries_per_s, found.api_cores
    figures["incident_events_within_a_second"] = found.crowded
    if latencies := fleet.latencies_s.get("streamed"):
        p50, p99 = np.percentile(latencies, (50, 99))
        figures["receipt_p50_s"], figures["receipt_p99_s"] = float(p50), float(p99)


def _api(options: argparse.Namespace, system: System, port: int, people: Sequence[Viewer], figures: Figures) -> None:
    figures["alerts_stored"] = asyncio.run(_past(system.database_url, PAST_QUICK if options.quick else PAST))
    system.postgres.execute("vacuum analyze", database="bench")
    system.start_api(port)
    wait_until_up(system, port)
    times = 10 if options.quick else 40
    # Two of each level; the map of a city holds all its cameras, which nobody asks for twice.
    some = {length: [one for one in people if len(one.area_code) == length][:2] for length in (4, 6, 9, 12)}
    city, below = some.pop(4), [one for level in some.values() for one in level]
    of_city, rest = asked(port, city, max(5, times // 4)), asked(port, below, times)
    queue, case = of_city.queue + rest.queue, of_city.case + rest.case
    for key, waits in (
        ("api_p95_ms", queue + case + rest.map),
        ("api_queue_p95_ms", queue),
        ("api_case_p95_ms", case),
        ("api_map_p95_ms", rest.map),
        ("api_map_of_the_city_p95_ms", of_city.map),
    ):
        figures[key] = float(np.percentile(waits, 95)) if waits else None


async def _past(url: str, past: Past) -> int:
    database = await Database.open(url, wait_s=60)
    try:
        return await make_past(database, past, system_wall())
    finally:
        await database.close()


async def _sign_in(url: str, people: Sequence[Viewer]) -> None:
    database = await Database.open(url, wait_s=60)
    try:
        await sign_in(database, people, system_wall())
    finally:
        await database.close()

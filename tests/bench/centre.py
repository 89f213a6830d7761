"""How soon an alert is before people's eyes: from the broker to the event streams of five hundred viewers.

A city of 1,875 nodes and 30,000 cameras; viewers spread over its tree: 10 city, 40 county, 150 township, 300 village.
PostgreSQL with every commit on disk, the broker, the centre's own program (one process that ingests, one that speaks
HTTP) and the streams over sockets are real; nodes and viewers are played, in two processes on the same machine.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Final

import numpy as np

from tests.bench.centre_bench.people import viewers
from tests.bench.centre_bench.streaming import streamed
from tests.bench.figures import Figures
from tests.bench.ingest_bench.episodes import check_templates
from tests.bench.ingest_bench.fleet import Fleet
from tests.bench.ingest_bench.system import running_system, wait_until_at_work
from xueliang_alerts.clocks import system_wall

FOLDER: Final = Path(".run/bench/centre")
PER_S: Final = 200.0
CONNECTIONS: Final = 4

KEYS = (
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
)


def measure(options: argparse.Namespace, figures: Figures) -> None:
    check_templates(system_wall())
    shutil.rmtree(FOLDER, ignore_errors=True)
    with running_system(FOLDER, options.broker, is_shedding=options.shed) as system:
        system.start_ingest()
        wait_until_at_work(system)
        fleet = Fleet([system.broker.centre_link(f"bench-{number}") for number in range(CONNECTIONS)])
        # Every node says its first status in half a minute: 30,000 cameras come up, a storm of its own.
        warm_s, seconds = (32.0, 8.0) if options.quick else (45.0, 60.0)
        found = streamed(system, fleet, viewers(), options.per_s, warm_s, seconds)
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


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("centre only", "--broker and --shed as for ingest")
    group.add_argument("--per-s", type=float, default=PER_S, metavar="N", help="alerts a second (%(default)g)")

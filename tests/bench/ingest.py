"""What the centre's ingest carries on PostgreSQL, and what an alert costs it: a city of 1,875 nodes, 30,000 cameras.

Everything but the nodes is real: PostgreSQL (every commit on disk), the broker, the centre's own program with the role
`ingest`. No worker runs: nothing is escalated or closed by time. A rate on a machine where other things run says
little; CPU seconds per 1,000 alerts say what it costs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import psutil

from tests.bench.figures import Figures
from tests.bench.ingest_bench import phases
from tests.bench.ingest_bench.committing import cost_of_batches
from tests.bench.ingest_bench.episodes import check_templates
from tests.bench.ingest_bench.fleet import Fleet
from tests.bench.ingest_bench.system import Costs, System, running_system, wait_until_at_work
from tests.support.brokers import BROKER_KINDS
from xueliang_alerts.clocks import system_wall

FOLDER: Final = Path(".run/bench/ingest")
PARTS: Final = ("batches", "sustained", "burst", "backlog")
SUSTAINED_PER_S: Final = 200.0
BURST_PER_S: Final = 2_000.0
CONNECTIONS: Final = 4
ASKED_FOR_AFTER_S: Final = 3.0  # so long after it is at work an ingest has asked for all its shards
SHOWN: Final = 20
WITHIN_S: Final = 330.0  # a backlog is to be drained in five minutes

KEYS = (
    "batch_ingest_cpu_s_per_1000",
    "batch_postgres_cpu_s_per_1000",
    "batch_status_ingest_cpu_s_per_1000",
    "batch_status_postgres_cpu_s_per_1000",
    "sustained_alerts_per_s",
    "latency_p50_s",
    "latency_p99_s",
    "ingest_cpu_s_per_1000",
    "postgres_cpu_s_per_1000",
    "broker_cpu_s_per_1000",
    "statuses_per_s",
    "status_ingest_cpu_s_per_1000",
    "status_postgres_cpu_s_per_1000",
    "status_broker_cpu_s_per_1000",
    "burst_alerts",
    "burst_lost",
    "burst_drain_s",
    "burst_ingest_cpu_s_per_1000",
    "burst_postgres_cpu_s_per_1000",
    "burst_broker_cpu_s_per_1000",
    "backlog_alerts",
    "backlog_drain_s",
    "backlog_ingest_cpu_s_per_1000",
    "backlog_postgres_cpu_s_per_1000",
    "backlog_broker_cpu_s_per_1000",
    "fresh_latency_p50_s",
    "fresh_latency_p99_s",
    "tasks_for_what_had_ended",
    "lost",
    "duplicates",
    "quarantined",
    "incidents",
    "repeated_by_nodes",
    "other_work_cores",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("ingest only", f"--parts: of {','.join(PARTS)}")
    group.add_argument("--broker", choices=BROKER_KINDS, default="nats")
    group.add_argument("--ingests", type=int, default=1, metavar="N", help="ingest processes")
    group.add_argument("--shed", action="store_true", help="with the shedding of the example policies")


def measure(options: argparse.Namespace, figures: Figures) -> None:
    parts = options.parts or PARTS
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise SystemExit(f"--parts: expected of {','.join(PARTS)}, got {','.join(unknown)}")
    check_templates(system_wall())
    shutil.rmtree(FOLDER, ignore_errors=True)
    if "batches" in parts:
        with running_system(FOLDER, options.broker, is_shedding=options.shed) as system:
            alerts, statuses = cost_of_batches(system, 15 if options.quick else 60)
            for prefix, found in (("batch_", alerts), ("batch_status_", statuses)):
                figures[f"{prefix}ingest_cpu_s_per_1000"] = found.ingest
                figures[f"{prefix}postgres_cpu_s_per_1000"] = found.postgres
        shutil.rmtree(FOLDER)
    if set(parts) == {"batches"}:
        return
    with running_system(FOLDER, options.broker, is_shedding=options.shed) as system:
        for _ in range(options.ingests):
            system.start_ingest()
        wait_until_at_work(system)
        time.sleep(ASKED_FOR_AFTER_S)
        links = [system.broker.centre_link(f"bench-{number}") for number in range(CONNECTIONS)]
        fleet = Fleet(links)
        busy_before, own_before = _machine_s(), _own_s(system)
        _run(parts, options.quick, system, fleet, figures)
        figures["other_work_cores"] = _others(busy_before, own_before, system)
        _check(system, fleet, figures)


def _run(parts: Sequence[str], is_quick: bool, system: System, fleet: Fleet, figures: Figures) -> None:
    load = phases.Load(system, fleet, seed=1)
    if "sustained" in parts:
        warm_s, seconds = (6.0, 10.0) if is_quick else (15.0, 60.0)
        found = phases.steady(load, system, fleet, SUSTAINED_PER_S, warm_s, seconds)
        figures["sustained_alerts_per_s"] = found.per_s
        figures["statuses_per_s"] = found.statuses_per_s
        if found.latencies_s:
            figures["latency_p50_s"], figures["latency_p99_s"] = _percentiles(found.latencies_s)
        _say_costs(figures, "", found.costs, found.alerts)
        statuses, costs = phases.statuses_only(load, system, fleet, 8.0 if is_quick else 20.0)
        _say_costs(figures, "status_", costs, statuses)
    if "burst" in parts:
        wave = phases.burst(load, system, fleet, BURST_PER_S, 4.0 if is_quick else 60.0, WITHIN_S)
        figures["burst_alerts"], figures["burst_drain_s"] = wave.alerts, wave.drained_s
        figures["burst_lost"] = wave.alerts - fleet.settled["burst"] if wave.drained_s is not None else None
        _say_costs(figures, "burst_", wave.costs, fleet.settled["burst"])
    if "backlog" in parts:
        began_at = system_wall()
        wave = phases.backlog(load, system, fleet, 4_000 if is_quick else 50_000, WITHIN_S)
        figures["backlog_alerts"], figures["backlog_drain_s"] = wave.alerts, wave.drained_s
        if fresh := fleet.latencies_s.get("fresh"):
            figures["fresh_latency_p50_s"], figures["fresh_latency_p99_s"] = _percentiles(fresh)
        _say_costs(figures, "backlog_", wave.costs, fleet.settled["backlog"])
        _tasks_for_what_had_ended(system, began_at, figures)


def _tasks_for_what_had_ended(system: System, began_at: datetime, figures: Figures) -> None:
    """Counted, and printed record by record: when each came, seen from the offer of the task, in seconds.

    A fresh alert that joins what had ended, or opens it again, asks for somebody: that task is not one of them.
    """
    at = began_at.isoformat()
    found = system.rows(
        "select t.incident_id, t.offered_at from tasks t join incidents i using (incident_id) "
        f"where t.offered_at >= '{at}' and not i.still_present "
        f"and i.began_at < '{at}'::timestamptz - interval '15 minutes' "
        "and not exists (select 1 from alerts a where a.incident_id = t.incident_id "
        f"and a.began_at > '{at}'::timestamptz - interval '15 minutes' and a.first_received_at <= t.offered_at)"
    )
    figures["tasks_for_what_had_ended"] = len(found)
    for incident_id, offered_at in found[:SHOWN]:
        records = system.rows(
            "select s.node_id, s.sequence, s.revision, "
            f"round(extract(epoch from s.received_at - '{offered_at}'::timestamptz), 1) "
            "from spool_records s join alerts a using (alert_id) "
            f"where a.incident_id = '{incident_id}' order by s.received_at"
        )
        print(f"task for what had ended, offered after {offered_at}: {[[str(x) for x in one] for one in records]}")


def _say_costs(figures: Figures, prefix: str, costs: Costs, alerts: int) -> None:
    for name in ("ingest", "postgres", "broker"):
        figures[f"{prefix}{name}_cpu_s_per_1000"] = getattr(costs, name) / max(1, alerts) * 1000


def _check(system: System, fleet: Fleet, figures: Figures) -> None:
    """What nodes hold a receipt for is in the database, once."""
    settled = sum(fleet.settled.values())
    found = system.numbers(
        rows="select count(*) from spool_records",
        records="select count(*) from (select distinct node_id, spool_id, sequence from spool_records) one",
        quarantined="select count(*) from quarantine",
        incidents="select count(*) from incidents",
    )
    figures["lost"] = max(0, settled - found["records"])
    figures["duplicates"] = found["rows"] - found["records"]
    figures["quarantined"] = found["quarantined"]
    figures["incidents"] = found["incidents"]
    figures["repeated_by_nodes"] = fleet.counts["repeated"]
    if fleet.pending():
        print(f"{fleet.pending()} records without a receipt at the end")


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    p50, p99 = np.percentile(values, (50, 99))
    return float(p50), float(p99)


def _machine_s() -> tuple[float, float]:
    """Busy seconds of all cores, and the seconds that have passed."""
    times = psutil.cpu_times()
    return times.user + times.system + times.nice, sum(times) / (os.cpu_count() or 1)


def _own_s(system: System) -> float:
    costs, own = system.costs(), psutil.Process().cpu_times()
    return costs.ingest + costs.postgres + costs.broker + own.user + own.system


def _others(before: tuple[float, float], own_before: float, system: System) -> float:
    """Cores that something else kept busy on this machine meanwhile."""
    busy, passed = _machine_s()
    return max(0.0, (busy - before[0] - (_own_s(system) - own_before)) / max(1.0, passed - before[1]))

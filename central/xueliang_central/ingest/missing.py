"""Data missing: records that a node once had, and that the centre will not get.

A hole counts when the node declares it by a gap record, or when it is still open ten minutes after the node says that
its backlog is empty. A record that arrives after all is taken, and counts no longer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select

from xueliang_alerts.contract import NodeState, NodeStatus
from xueliang_alerts.ranges import SequenceRanges
from xueliang_central.fleet.nodes import tell_problem
from xueliang_central.incidents.change import Change
from xueliang_central.ingest.ledger import MAX_RANGES, Books
from xueliang_central.ingest.tables import ledger

log = logging.getLogger(__name__)

OPEN_FOR: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class OpenHoles:
    """A spool whose records up to `through` should have been here long ago, and are not all."""

    node_id: str
    spool_id: str
    through: int


async def find_open_holes(change: Change, statuses: Iterable[NodeStatus]) -> list[OpenHoles]:
    """Of nodes that have had nothing to send for ten minutes, by their own clock. Reads only; finds nothing twice."""
    through = {(status.node_id, str(status.spool_id)): status.last_sequence for status in statuses if _is_quiet(status)}
    if not through:
        return []
    node_ids = [node_id for node_id, _ in through]
    found = await change.conn.execute(select(ledger).where(ledger.c.node_id.in_(node_ids)))
    known: dict[tuple[str, str], SequenceRanges] = {}
    for row in found.mappings():
        key = (row["node_id"], row["spool_id"])
        if len(row["missing"]) < MAX_RANGES:  # more are not kept, and would be told again and again
            known[key] = _known(row)
            through.setdefault(key, known[key].highest)  # an earlier spool of this node
        else:
            through.pop(key, None)
    return [
        OpenHoles(*key, last)
        for key, last in sorted(through.items())
        if last and known.get(key, SequenceRanges()).missing_within(1, last)
    ]


def _is_quiet(status: NodeStatus) -> bool:
    since = status.backlog_empty_since
    is_online = status.state is NodeState.ONLINE and status.spool_id is not None
    return is_online and since is not None and status.at - since >= OPEN_FOR


def _known(row: Any) -> SequenceRanges:
    """What is settled, or has been found missing before."""
    ranges = SequenceRanges((first, last) for first, last in (*row["ranges"], *row["missing"]))
    if row["contiguous_through"]:
        ranges.add(1, row["contiguous_through"])
    return ranges


async def tell_missing(change: Change, books: Iterable[Books]) -> int:
    """Keep the count of every node whose books changed in it, and tell of what is newly missing; returns how much.

    The books are written back already.
    """
    changed = [book for book in books if book.missing.count() != book.missing_before]
    new_total = 0
    for node_id in sorted({book.node_id for book in changed}):
        new = [book for book in changed if book.node_id == node_id and book.newly_missing]
        records = await _missing_of(change, node_id)
        values: dict[str, Any] = {"missing_records": records}
        if new:
            values["missing_at"] = change.now
        detail = {"records": sum(book.newly_missing for book in new), "spool_ids": [book.spool_id for book in new]}
        await tell_problem(change.conn, node_id, "data_missing" if new else None, values, detail, change.now)
        if new:
            log.error("data missing", extra={"node_id": node_id, "missing_of_node": records, **detail})
            new_total += sum(book.newly_missing for book in new)
    return new_total


async def _missing_of(change: Change, node_id: str) -> int:
    found = await change.conn.execute(select(ledger.c.missing).where(ledger.c.node_id == node_id))
    return sum(last - first + 1 for ranges in found.scalars() for first, last in ranges)


async def tell_cloned(change: Change, node_id: str, detail: dict[str, Any]) -> None:
    """The same key came with other content."""
    log.error("cloned node", extra={"node_id": node_id, **detail})
    await tell_problem(change.conn, node_id, "cloned_node", {"cloned_at": change.now}, detail, change.now)

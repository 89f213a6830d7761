"""One batch, one transaction: quarantine, ledger, alerts, incidents, tasks, clocks, events. Then receipts.

Invariants
    - Everything a receipt says is committed before it is sent, and the broker is told "acknowledged" only after that.
    - A record is taken once, by its key (node, spool, sequence), in any order and however often it comes.
    - Nothing that a node sends makes a batch fail: what cannot be taken goes to quarantine. (What still fails for a
      fault of ours is found by `batches`, message by message.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select, tuple_

from xueliang_alerts.contract import Alert, NodeStatus, Receipt
from xueliang_alerts.desired import ReportedRules
from xueliang_central.audit import chain
from xueliang_central.camera_rules.reporting import store_report
from xueliang_central.cameras.register import places_of
from xueliang_central.cameras.releases import CameraGate
from xueliang_central.fleet.nodes import store_statuses
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.members import Revision
from xueliang_central.ingest import gating, quarantine, silencing
from xueliang_central.ingest.admission import (
    ANSWERED,
    Received,
    Record,
    Refusal,
    RefusalKind,
    SpoolKey,
    understand,
)
from xueliang_central.ingest.folding_in import fold_in, known_alerts
from xueliang_central.ingest.ledger import Books, close_books, open_books, receipts_for
from xueliang_central.ingest.missing import find_open_holes, tell_cloned, tell_missing
from xueliang_central.ingest.tables import spool_records
from xueliang_central.store.among import among


@dataclass(slots=True)
class Outcome:
    """What came of a batch: receipts to publish after the commit, and counts by what happened to the messages."""

    receipts: list[Receipt] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Sorted:
    records: list[Record] = field(default_factory=list)
    statuses: dict[str, tuple[NodeStatus, Received]] = field(default_factory=dict)
    reports: list[tuple[ReportedRules, Received]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


async def commit_batch(
    change: Change,
    batch: Sequence[Received],
    *,
    is_replay: bool = False,
    refuse: str | None = None,
    gate: CameraGate | None = None,
) -> Outcome:
    """Take a batch in, inside the caller's transaction.

    Args:
        is_replay: from the quarantine: a sequence that was answered "rejected" may be taken now.
        refuse: put everything into quarantine as *failed*, with this reason (see `batches`).
        gate: what holds alerts of cameras that are not released; None: nothing does.

    Raises:
        NoAreas: no area has been imported; nothing can be routed yet.
    """
    sorted_ = _sort(batch, refuse)
    await _refuse_unregistered(change, sorted_)
    keys = [record.key for record in sorted_.records]
    keys += [refusal.key for refusal in sorted_.refusals if refusal.key and refusal.kind in ANSWERED]
    holes = await find_open_holes(change, (status for status, _ in sorted_.statuses.values()))
    spools = [(key.node_id, key.spool_id) for key in keys] + [(hole.node_id, hole.spool_id) for hole in holes]
    books = await open_books(change.conn, spools, change.now)
    outcome = Outcome()
    new = await _take_new(change, sorted_, books, outcome, is_replay=is_replay)
    new = await _take_own(change, sorted_, new, outcome, gate)
    await _settle(change, sorted_, new, books)
    await _tell_of_clones(change, sorted_.refusals)
    if sorted_.statuses:
        said = [(status, received.received_at) for status, received in sorted_.statuses.values()]
        await store_statuses(change.conn, said)
        outcome.counts["status"] += len(said)
    for report, received in sorted(sorted_.reports, key=lambda one: one[0].camera_id):
        is_kept = await store_report(change.conn, report, received.received_at)
        outcome.counts["rules_reported" if is_kept else "rules_of_foreign_camera"] += 1
    for hole in holes:
        books[hole.node_id, hole.spool_id].give_up_on(hole.through)
    await quarantine.keep(change.conn, sorted_.refusals)
    outcome.counts.update(f"quarantined_{refusal.kind.value}" for refusal in sorted_.refusals)
    outcome.counts["taken"] += len(new)
    await close_books(change.conn, books.values(), change.now)
    outcome.counts["data_missing"] += await tell_missing(change, books.values())
    outcome.receipts = await receipts_for(change.conn, sorted({node_id for node_id, _ in books}), change.now)
    return outcome


def _sort(batch: Sequence[Received], refuse: str | None) -> _Sorted:
    sorted_ = _Sorted()
    for received in batch:
        found = understand(received)
        match found:
            case Record() if refuse is not None:
                sorted_.refusals.append(_refusal(found, RefusalKind.FAILED, refuse))
            case Record():
                sorted_.records.append(found)
            case NodeStatus() if refuse is None:
                sorted_.statuses[found.node_id] = (found, received)  # the last of a batch counts
            case NodeStatus() if refuse is not None:
                sorted_.refusals.append(Refusal(received, RefusalKind.FAILED, refuse, found.node_id))
            case ReportedRules() if refuse is None:
                sorted_.reports.append((found, received))
            case ReportedRules() if refuse is not None:
                sorted_.refusals.append(Refusal(received, RefusalKind.FAILED, refuse, found.node_id))
            case Refusal():
                sorted_.refusals.append(found)
    return sorted_


async def _refuse_unregistered(change: Change, sorted_: _Sorted) -> None:
    speaking = {record.key.node_id for record in sorted_.records} | set(sorted_.statuses)
    speaking |= {report.node_id for report, _ in sorted_.reports}
    speaking |= {refusal.node_id for refusal in sorted_.refusals if refusal.node_id}
    unknown = speaking - await _registered(change, speaking)
    if not unknown:
        return
    reason = "this node is not registered"
    strangers = [record for record in sorted_.records if record.key.node_id in unknown]
    sorted_.records = [record for record in sorted_.records if record.key.node_id not in unknown]
    sorted_.refusals = [
        Refusal(refusal.received, RefusalKind.UNKNOWN_NODE, refusal.reason, refusal.node_id)
        if refusal.node_id in unknown
        else refusal
        for refusal in sorted_.refusals
    ]
    sorted_.refusals += [_refusal(record, RefusalKind.UNKNOWN_NODE, reason) for record in strangers]
    sorted_.refusals += [
        Refusal(received, RefusalKind.UNKNOWN_NODE, reason, report.node_id)
        for report, received in sorted_.reports
        if report.node_id in unknown
    ]
    sorted_.reports = [one for one in sorted_.reports if one[0].node_id not in unknown]
    for node_id in unknown & set(sorted_.statuses):
        _, received = sorted_.statuses.pop(node_id)
        sorted_.refusals.append(Refusal(received, RefusalKind.UNKNOWN_NODE, reason, node_id))


async def _registered(change: Change, node_ids: Iterable[str]) -> set[str]:
    found = await change.conn.execute(
        select(nodes.c.node_id).where(among(change.conn, nodes.c.node_id, sorted(node_ids)))
    )
    return set(found.scalars())


async def _take_new(
    change: Change,
    sorted_: _Sorted,
    books: dict[tuple[str, str], Books],
    outcome: Outcome,
    *,
    is_replay: bool,
) -> list[Record]:
    """The records that are new. Those that are known are duplicates or, with other bytes, a clone."""
    known = await _known_hashes(change, [record.key for record in sorted_.records if _may_be_known(record, books)])
    new: list[Record] = []
    for record in sorted_.records:
        book = books[record.key.node_id, record.key.spool_id]
        sequence = record.key.sequence
        before = known.get(record.key)
        if before is not None and before != record.content_hash:
            reason = f"sequence {sequence} of this spool came before with other content"
            sorted_.refusals.append(_refusal(record, RefusalKind.CLONED_NODE, reason))
            continue
        may_return = book.is_missing(sequence) or (is_replay and book.was_rejected(sequence))
        if before is not None or (book.is_settled(sequence) and not may_return):
            outcome.counts["duplicate"] += 1
            continue
        known[record.key] = record.content_hash
        new.append(record)
    return new


def _may_be_known(record: Record, books: Mapping[tuple[str, str], Books]) -> bool:
    """A record that is stored is settled in its ledger: the two are written in one transaction."""
    return books[record.key.node_id, record.key.spool_id].is_settled(record.key.sequence)


async def _known_hashes(change: Change, keys: Iterable[SpoolKey]) -> dict[SpoolKey, str]:
    wanted = sorted({(key.node_id, key.spool_id, key.sequence) for key in keys})
    if not wanted:
        return {}
    rows = spool_records.c
    found = await change.conn.execute(
        select(rows.node_id, rows.spool_id, rows.sequence, rows.content_hash).where(
            tuple_(rows.node_id, rows.spool_id, rows.sequence).in_(wanted)
        )
    )
    return {SpoolKey(row.node_id, row.spool_id, row.sequence): row.content_hash for row in found}


async def _take_own(
    change: Change, sorted_: _Sorted, new: list[Record], outcome: Outcome, gate: CameraGate | None
) -> list[Record]:
    """Fold in what is new; what speaks for another's alert or camera goes to quarantine. Returns what was taken."""
    alert_ids = sorted({str(record.alert.alert_id) for record in new if record.alert})
    held = await gating.held_of(change.conn, alert_ids) if gate is not None else {}
    known = await known_alerts(change, alert_ids)
    hidden = await silencing.known_hidden(change.conn, set(alert_ids) - set(known))
    before = {**held, **hidden, **known}
    new = await _refuse_foreign_cameras(change, sorted_, new, before)
    owner: dict[str, tuple[str, ...]] = {
        alert_id: (row["node_id"], row["camera_id"], row["rule_id"], row["hazard"]) for alert_id, row in before.items()
    }
    revisions: dict[str, list[Revision]] = {}
    taken: list[Record] = []
    for record in new:
        alert = record.alert
        if alert is None:
            taken.append(record)
            continue
        mine = (record.key.node_id, alert.camera_id, alert.rule_id, alert.hazard.value)
        if owner.setdefault(str(alert.alert_id), mine) != mine:
            reason = "this alert was begun by another node, camera, rule or hazard"
            sorted_.refusals.append(_refusal(record, RefusalKind.FOREIGN_ALERT, reason))
            continue
        taken.append(record)
        revisions.setdefault(str(alert.alert_id), []).append(_revision(record, alert))
    if gate is not None and revisions:
        stopped, fresh = await gating.hold(change, gate, revisions, held, {**hidden, **known})
        outcome.counts["held"] += fresh
        revisions = {alert_id: found for alert_id, found in revisions.items() if alert_id not in stopped}
    if revisions:
        outcome.counts["silenced"] += await fold_in(change, revisions, known, hidden)
    return taken


async def _refuse_foreign_cameras(
    change: Change, sorted_: _Sorted, new: list[Record], known: Mapping[str, Mapping[str, Any]]
) -> list[Record]:
    """New alerts only: a camera that was given to another node in the meantime must not leave its open alerts open."""
    watched = {record.alert.camera_id for record in new if record.alert and str(record.alert.alert_id) not in known}
    places = await places_of(change.conn, sorted(watched))
    kept: list[Record] = []
    for record in new:
        alert = record.alert
        place = places.get(alert.camera_id) if alert and str(alert.alert_id) not in known else None
        if place is None or place.node_id in {None, record.key.node_id}:
            kept.append(record)
            continue
        reason = f"camera {place.camera_id} is registered to {place.node_id}"
        sorted_.refusals.append(_refusal(record, RefusalKind.FOREIGN_CAMERA, reason))
    return kept


def _refusal(record: Record, kind: RefusalKind, reason: str) -> Refusal:
    return Refusal(record.received, kind, reason, record.key.node_id, record.key)


def _revision(record: Record, alert: Alert) -> Revision:
    return Revision(
        node_id=record.key.node_id,
        spool_id=record.key.spool_id,
        sequence=record.key.sequence,
        emitted_at=record.message.emitted_at,
        received_at=record.received.received_at,
        alert=alert,
    )


async def _settle(
    change: Change, sorted_: _Sorted, taken: Sequence[Record], books: dict[tuple[str, str], Books]
) -> None:
    rows = []
    for record in taken:
        book = books[record.key.node_id, record.key.spool_id]
        book.commit(record.key.sequence)
        if record.gap is not None:
            book.close_gap(record.gap.first_sequence, record.gap.last_sequence)
        rows.append(
            {
                "received_at": record.received.received_at,
                "node_id": record.key.node_id,
                "spool_id": record.key.spool_id,
                "sequence": record.key.sequence,
                "kind": record.message.body.kind,
                "content_hash": record.content_hash,
                "alert_id": str(record.alert.alert_id) if record.alert else None,
                "revision": record.alert.revision if record.alert else None,
                "payload": record.received.payload,
            }
        )
    if rows:
        await change.conn.execute(insert(spool_records), rows)
    for refusal in sorted_.refusals:
        if refusal.key is not None and refusal.kind in ANSWERED:
            books[refusal.key.node_id, refusal.key.spool_id].reject(refusal.key.sequence, refusal.reason)


async def _tell_of_clones(change: Change, refusals: Iterable[Refusal]) -> None:
    """A cloned node is an alarm: on the register of acts, and on the stream of those who see the node."""
    cloned = {refusal.key.node_id: refusal.key for refusal in refusals if _is_clone(refusal) and refusal.key}
    if not cloned:
        return
    for node_id in sorted(await _registered(change, cloned)):
        key = cloned[node_id]
        detail = {"spool_id": key.spool_id, "sequence": key.sequence}
        await tell_cloned(change, node_id, detail)
        await chain.record(
            change.conn,
            actor=f"node:{node_id}",
            action="node.cloned",
            object_kind="node",
            object_id=node_id,
            detail=detail,
            at=change.now,
        )


def _is_clone(refusal: Refusal) -> bool:
    return refusal.kind is RefusalKind.CLONED_NODE

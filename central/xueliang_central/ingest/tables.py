"""What arrived from nodes: every record as sent, the ledger per spool, the quarantine.

`spool_records` is partitioned by month of receipt on PostgreSQL from the first migration. A unique key there must hold
the partition key, so it cannot know duplicates; the ledger does, and old partitions can go. The `default` partition is
made with the table (event below), the months by `ingest.partitions`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import DDL, BigInteger, Column, Index, Integer, LargeBinary, String, Table, event
from sqlalchemy.schema import ExecutableDDLElement

from xueliang_central.incidents.tables import alert_columns
from xueliang_central.store.metadata import JsonText, UtcDateTime, metadata

spool_records = Table(
    "spool_records",
    metadata,
    Column("received_at", UtcDateTime, primary_key=True),
    Column("node_id", String(64), primary_key=True),
    Column("spool_id", String(36), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(8), nullable=False),  # alert | gap
    Column("content_hash", String(64), nullable=False),
    Column("alert_id", String(36)),
    Column("revision", Integer),
    Column("payload", LargeBinary, nullable=False),  # as sent: evidence of what the node said
    postgresql_partition_by="RANGE (received_at)",
)
Index("spool_records_by_key", spool_records.c.node_id, spool_records.c.spool_id, spool_records.c.sequence)
Index("spool_records_by_alert", spool_records.c.alert_id)
DEFAULT_PARTITION: Final = "create table if not exists spool_records_default partition of spool_records default"
_make_default: ExecutableDDLElement = DDL(DEFAULT_PARTITION)  # type: ignore[no-untyped-call]
event.listen(spool_records, "after_create", _make_default.execute_if(dialect="postgresql"))

ledger = Table(
    "ledger",
    metadata,
    Column("node_id", String(64), primary_key=True),
    Column("spool_id", String(36), primary_key=True),
    Column("contiguous_through", BigInteger, nullable=False),
    Column("ranges", JsonText, nullable=False),  # [[first, last], ...] settled beyond contiguous_through
    Column("rejected", JsonText, nullable=False),  # newest last: [[sequence, reason], ...], at most 200
    Column("missing", JsonText, nullable=False),  # [[first, last], ...] data missing: see ingest.missing
    Column("first_heard_at", UtcDateTime, nullable=False),
    Column("last_heard_at", UtcDateTime, nullable=False),
)

# Alerts of cameras that are not released: taken and acknowledged, in no incident yet. See `ingest.gating`.
gated_alerts = Table(
    "gated_alerts",
    metadata,
    *alert_columns(),
    Column("held_at", UtcDateTime, nullable=False),
    Column("held_state", String(12), nullable=False),  # how its camera stood then
)
Index("gated_alerts_by_camera", gated_alerts.c.camera_id, gated_alerts.c.first_received_at)
Index("gated_alerts_by_node", gated_alerts.c.node_id)

quarantine = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", String(36), primary_key=True),
    Column("received_at", UtcDateTime, nullable=False, index=True),
    Column("last_received_at", UtcDateTime, nullable=False),
    Column("times", Integer, nullable=False),  # the same bytes on the same topic again only count up
    Column("topic", String(200), nullable=False),
    Column("node_id", String(64)),
    Column("spool_id", String(36)),
    Column("sequence", BigInteger),
    Column("content_hash", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("payload", LargeBinary, nullable=False),  # cut at the contract's limit
    Column("total_bytes", BigInteger, nullable=False),
    Column("replay_asked_at", UtcDateTime),  # an operator wants it tried again; the ingest process does
)
Index("quarantine_same", quarantine.c.topic, quarantine.c.content_hash, unique=True)

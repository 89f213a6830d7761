"""Nodes and what they last said of themselves and their cameras."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, String, Table

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime, UuidText, metadata

nodes: Final = Table(
    "nodes",
    metadata,
    Column("node_id", String(63), primary_key=True),
    Column("area_path", String(AREA_PATH_LENGTH), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("state", String(12), nullable=True),  # null: it has not been heard of yet
    Column("state_since", UtcDateTime, nullable=True),
    Column("last_seen_at", UtcDateTime, nullable=True),
    Column("status_at", UtcDateTime, nullable=True),
    Column("boot_id", UuidText, nullable=True),
    Column("spool_id", UuidText, nullable=True),
    Column("software", String(80), nullable=True),
    Column("last_sequence", BigInteger, nullable=True),
    Column("backlog_records", BigInteger, nullable=True),
    Column("backlog_empty_since", UtcDateTime, nullable=True),
    Column("clock_state", String(16), nullable=True),
    Column("counters", JsonText, nullable=True),
    Column("missing_records", BigInteger, nullable=True),  # in all its spools together; see ingest.missing
    Column("missing_at", UtcDateTime, nullable=True),  # when some were last found missing
    Column("cloned_at", UtcDateTime, nullable=True),  # when the same key last came with other content
)

camera_states: Final = Table(
    "camera_states",
    metadata,
    Column("camera_id", String(63), primary_key=True),
    Column("node_id", String(63), ForeignKey("nodes.node_id", ondelete="CASCADE"), nullable=False),
    Column("state", String(24), nullable=False),
    Column("since", UtcDateTime, nullable=True),
    Column("achieved_gap_s", Float, nullable=True),
    Column("problem", String(300), nullable=True),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "node_id"),
)

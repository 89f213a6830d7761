"""The audit chain's table."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, String, Table

from xueliang_central.store.metadata import BigId, JsonText, UtcDateTime, metadata

audit_records: Final = Table(
    "audit_records",
    metadata,
    Column("position", BigId, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(160), nullable=False),
    Column("action", String(80), nullable=False),
    Column("object_kind", String(40), nullable=False),
    Column("object_id", String(160), nullable=False),
    Column("detail", JsonText, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("record_hash", String(64), nullable=False),
    Index(None, "object_kind", "object_id"),
    Index(None, "actor", "at"),  # what one person did within the hour
)

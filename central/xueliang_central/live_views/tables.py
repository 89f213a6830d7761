"""Who may watch live, and until when. Of what was watched there is nothing here: the audit chain alone tells it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, ForeignKey, String, Table

from xueliang_central.store.metadata import UtcDateTime, UuidText, metadata

live_rights: Final = Table(
    "live_rights",
    metadata,
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("why", String(200), nullable=False),
    Column("granted_by", String(80), nullable=False),
    Column("granted_at", UtcDateTime, nullable=False),
    Column("until_at", UtcDateTime, nullable=False),  # there is none for good
)

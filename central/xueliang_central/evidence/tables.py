"""Which pictures lie on disk. Who may see one is decided by what names it: an incident's alert, or a task."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Integer, String, Table

from xueliang_central.store.metadata import UtcDateTime, metadata

pictures: Final = Table(
    "pictures",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("kind", String(10), primary_key=True),  # evidence | photo | voice
    Column("media_type", String(20), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("received_from", String(80), nullable=False),  # "node:edge-01" or a user id
    Index(None, "received_at"),
)

leaving_pictures: Final = Table(  # their rows are gone, their files may still be there: see retention/tables.py
    "leaving_pictures",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
)

"""Tables of the store itself: the stream of events, and leases."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, String, Table

from xueliang_central.store.metadata import AREA_PATH_LENGTH, BigId, JsonText, UtcDateTime, UuidText, metadata

events: Final = Table(
    "events",
    metadata,
    Column("event_id", BigId, primary_key=True, autoincrement=True),
    Column("kind", String(24), nullable=False),
    Column("area_path", String(AREA_PATH_LENGTH), nullable=False),
    Column("for_user", UuidText, nullable=True),
    Column("body", JsonText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "at"),
    sqlite_autoincrement=True,  # an id is never used twice, also after retention has emptied the table
)

leases: Final = Table(
    "leases",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("until_at", UtcDateTime, nullable=False),
    Column("fence", BigInteger, nullable=False),
)

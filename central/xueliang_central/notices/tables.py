"""The outbox: notices written in the transaction of the change they tell of, sent later by the worker."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, text

from xueliang_central.store.metadata import JsonText, UtcDateTime, metadata

notices = Table(
    "notices",
    metadata,
    Column("notice_id", String(36), primary_key=True),
    Column("idempotency_key", String(200), nullable=False, unique=True),
    Column("kind", String(40), nullable=False),
    Column("user_id", String(36), nullable=False, index=True),
    Column("area_path", String(80), nullable=False),
    Column("params", JsonText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_try_at", UtcDateTime),  # null: sent, or given up
    Column("attempts", Integer, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("given_up_at", UtcDateTime),
    Column("last_error", String(200)),
)
_waiting = text("next_try_at is not null")
Index("notices_due", notices.c.next_try_at, postgresql_where=_waiting, sqlite_where=_waiting)

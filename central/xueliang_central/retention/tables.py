"""Incidents that are held, pictures on their way out, and how much has been removed.

Invariants
    - A picture's row goes first, in the transaction that writes it to `leaving_pictures`; its file goes next, and then
      that row. Whoever is killed in between is followed by the next run; a picture that comes again meanwhile takes its
      row off this list first (`evidence.pictures.note_received`).
    - `removals` is counted in the transaction that removes.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table

from xueliang_central.store.metadata import UtcDateTime, metadata

legal_holds: Final = Table(
    "legal_holds",
    metadata,
    Column("incident_id", String(36), ForeignKey("incidents.incident_id"), primary_key=True),
    Column("held_at", UtcDateTime, nullable=False),
    Column("held_by", String(120), nullable=False),
    Column("why", String(1000), nullable=False),
)

removals: Final = Table(
    "removals",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("removed", BigInteger, nullable=False),
    Column("removed_at", UtcDateTime, nullable=False),  # the last time
)

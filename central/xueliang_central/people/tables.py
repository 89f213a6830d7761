"""Who is on duty where and when.

Invariants
    - A person without a shift of kind weekly or span is always on duty in the own area, but for the leaves.
    - A shift lies in the person's own area or below it when it is written; one that no longer does, because the person
      has moved, counts for nothing.
    - The version of a roster counts its changes; one that nobody has written yet is version 0 and has no row.
    - Of a person at a desk only the last moment is kept at which a page said that somebody is there. Who has no row in
      `seat_presence` has never been told of, and is where the roster says (`people.presence`).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Date, ForeignKey, Index, Integer, String, Table

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime, UuidText, metadata

shifts: Final = Table(
    "shifts",
    metadata,
    Column("shift_id", String(36), primary_key=True),
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(8), nullable=False),  # weekly | span | leave
    Column("area_code", String(15), nullable=True),  # null: a leave, which is from everywhere
    Column("area_path", String(AREA_PATH_LENGTH), nullable=True),
    Column("weekly", JsonText, nullable=True),  # bands as in a rule's schedule
    Column("valid_from", Date, nullable=True),  # local days on which a band may begin, both included
    Column("valid_to", Date, nullable=True),
    Column("starts_at", UtcDateTime, nullable=True),  # of a span or a leave
    Column("ends_at", UtcDateTime, nullable=True),
)
Index("shifts_by_person", shifts.c.user_id)
Index("shifts_by_area", shifts.c.area_code)

roster_versions: Final = Table(
    "roster_versions",
    metadata,
    Column("subject", String(36), primary_key=True),  # a user_id, or the code of an area
    Column("version", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changed_by", String(80), nullable=False),
)

seat_presence: Final = Table(
    "seat_presence",
    metadata,
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("told_at", UtcDateTime, nullable=False),
    Column("unstaffed_since", UtcDateTime, nullable=True),  # null: staffed, or not on duty
)

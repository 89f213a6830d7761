"""Rows of seats: what was dealt to whom, in which row, and since when it is shown. See `incidents.seating`.

They say what is before people now; what was dealt when and why stays in the incident's timeline. A row that has been
over for two days is forgotten (`seats.forget`).

And which case somebody has open: see `dispatch.claiming`; and who looked up more than the norm: `dispatch.bulk_reads`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, text

from xueliang_central.store.metadata import AREA_PATH_LENGTH, UtcDateTime, UuidText, metadata

seat_rows: Final = Table(
    "seat_rows",
    metadata,
    Column("row_id", String(36), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("desk_code", String(15), nullable=False),
    Column("seat_id", String(36), nullable=False),
    Column("hazard", String(40), nullable=False),
    Column("group_key", String(36), nullable=False),  # an area's code, or the incident that stands alone
    Column("severity", Integer, nullable=False),  # of the most severe when it was dealt
    Column("began_at", UtcDateTime, nullable=False),
    Column("show_by", UtcDateTime, nullable=False),
    Column("shown_at", UtcDateTime),
    Column("closed_at", UtcDateTime),
)
OPEN: Final = "closed_at IS NULL"
Index("seat_rows_open", seat_rows.c.seat_id, postgresql_where=text(OPEN), sqlite_where=text(OPEN))
Index("seat_rows_by_shown", seat_rows.c.shown_at)
Index("seat_rows_by_closed", seat_rows.c.closed_at)

seat_cases: Final = Table(
    "seat_cases",
    metadata,
    Column("incident_id", String(36), primary_key=True),
    Column("row_id", String(36), ForeignKey("seat_rows.row_id"), nullable=False, index=True),
    Column("ask", String(16), nullable=False),  # what for, and at which opening: "judge:0"
    Column("dealt_at", UtcDateTime, nullable=False),
    Column("rose_from", String(15)),  # the lowest desk it passed over because no page told of anybody there
)

case_claims: Final = Table(
    "case_claims",
    metadata,
    Column("incident_id", String(36), ForeignKey("incidents.incident_id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("since", UtcDateTime, nullable=False),
    Column("renewed_at", UtcDateTime, nullable=False, index=True),
)

bulk_reads: Final = Table(
    "bulk_reads",
    metadata,
    Column("alarm_id", String(36), primary_key=True),
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False),
    Column("area_path", String(AREA_PATH_LENGTH), nullable=False),  # of the person then: whose auditor is told
    Column("cases", Integer, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "user_id", "at"),
)

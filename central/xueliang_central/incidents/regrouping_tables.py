"""Rows of what people have grouped otherwise than folding did: each merge and split, its alerts, and whose a place is.

Invariants
    - `regroupings` is a history: rows are added, never changed. Of two rows the one with the higher id came later.
    - `hand_places`: new alerts of this camera go to this incident, whatever incident carries the camera as its own
      place. One row a place; the latest hand counts. It holds while its incident is open (see `grouping`).
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, String, Table, Text

from xueliang_central.store.metadata import BigId, JsonText, UtcDateTime, metadata

regroupings = Table(
    "regroupings",
    metadata,
    Column("regrouping_id", BigId, primary_key=True, autoincrement=True),
    Column("kind", String(8), nullable=False),  # merge | split | undo (of a merge)
    Column("from_incident_id", String(36), ForeignKey("incidents.incident_id"), nullable=False, index=True),
    Column("into_incident_id", String(36), ForeignKey("incidents.incident_id"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor_id", String(36), nullable=False),
    Column("actor_name", String(120), nullable=False),
    Column("reason_code", String(40)),
    Column("note", Text),
    Column("idempotency_key", String(120)),
    Column("task_id", String(36)),  # the task that came along
    Column("policy_before", JsonText),  # the survivor's limits, where it took over stricter ones
)
Index("regroupings_by_key", regroupings.c.actor_id, regroupings.c.idempotency_key)

regrouped_alerts = Table(
    "regrouped_alerts",
    metadata,
    Column("regrouping_id", BigId, ForeignKey("regroupings.regrouping_id"), primary_key=True),
    Column("alert_id", String(36), primary_key=True, index=True),
)

hand_places = Table(
    "hand_places",
    metadata,
    Column("area_code", String(15), primary_key=True),
    Column("hazard", String(40), primary_key=True),
    Column("drill", Boolean, primary_key=True),
    Column("place_key", String(64), primary_key=True),  # a camera
    Column("incident_id", String(36), ForeignKey("incidents.incident_id"), nullable=False, index=True),
    Column("longitude", Float),
    Column("latitude", Float),
    Column("by_way_of", String(24), nullable=False),  # number of the incident it was taken from
    Column("since", UtcDateTime, nullable=False),
)

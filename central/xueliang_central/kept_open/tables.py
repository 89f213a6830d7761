"""Plans of hazards that are kept open, and the photos of their follow-up.

Invariants
    - A row of `hazard_plans` names all five of 五到位: duty holder, measures, funds, deadline, plan.
    - It stays when the hazard is written off; kept open again, it is replaced. The timeline keeps every one.
    - An extension that was asked for stands in `asked_*` until another person decides it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from xueliang_central.store.metadata import UtcDateTime, metadata

hazard_plans: Final = Table(
    "hazard_plans",
    metadata,
    Column("incident_id", String(36), ForeignKey("incidents.incident_id"), primary_key=True),
    Column("level", String(16), nullable=False),  # which level follows it up: grid | village | … | city
    Column("holder", String(80), nullable=False),  # 责任
    Column("holder_unit", String(80), nullable=False),
    Column("measures", Text, nullable=False),  # 措施
    Column("funds", Text, nullable=False),  # 资金
    Column("plan", Text, nullable=False),  # 预案
    Column("deadline", UtcDateTime, nullable=False),  # 时限
    Column("first_deadline", UtcDateTime, nullable=False),
    Column("extensions", Integer, nullable=False),
    Column("kept_at", UtcDateTime, nullable=False),
    Column("kept_by", String(80), nullable=False),
    Column("asked_deadline", UtcDateTime),
    Column("asked_by_id", String(36)),
    Column("asked_by", String(80)),
    Column("asked_why", Text),
)

hazard_photos: Final = Table(
    "hazard_photos",
    metadata,
    Column("incident_id", String(36), ForeignKey("incidents.incident_id"), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("area_path", String(80), nullable=False),
    Column("move", String(24), nullable=False),  # follow_up | write_off
    Column("added_at", UtcDateTime, nullable=False),
    Column("added_by", String(80), nullable=False),
)
Index("hazard_photos_by_sha256", hazard_photos.c.sha256)

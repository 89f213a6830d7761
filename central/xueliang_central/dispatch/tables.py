"""Tasks: what a grid worker is asked to do about an incident. One live task per incident (partial unique index)."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, text

from xueliang_central.store.metadata import JsonText, UtcDateTime, metadata

tasks = Table(
    "tasks",
    metadata,
    Column("task_id", String(36), primary_key=True),
    Column("incident_id", String(36), ForeignKey("incidents.incident_id"), nullable=False, index=True),
    Column("state", String(12), nullable=False),  # offered taken arrived handled withdrawn refused closed
    Column("area_code", String(15), nullable=False),  # whose worker is asked
    Column("area_path", String(80), nullable=False),
    Column("worker_id", String(36), index=True),
    Column("worker_name", String(120)),
    Column("why_offered", JsonText, nullable=False),
    Column("offered_at", UtcDateTime, nullable=False),
    Column("taken_at", UtcDateTime),
    Column("arrived_at", UtcDateTime),
    Column("handled_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("take_due_at", UtcDateTime),
    Column("arrive_due_at", UtcDateTime),
    Column("note", Text),
    Column("reason_code", String(40)),
    Column("help", JsonText),  # the last call for help and its answer: see dispatch/helping.py
    Column("checked_in", JsonText),  # the last check-in; gone with the task's end: see dispatch/checking_in.py
    Column("handed_on", JsonText),  # to what role and area, when an operator gave it to another person
    Column("version", Integer, nullable=False),
)
_live = text("state in ('offered', 'taken', 'arrived', 'handled')")
Index("tasks_one_live", tasks.c.incident_id, unique=True, postgresql_where=_live, sqlite_where=_live)
Index("tasks_by_scope", tasks.c.area_path, tasks.c.offered_at)

task_photos = Table(
    "task_photos",
    metadata,
    Column("task_id", String(36), ForeignKey("tasks.task_id"), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("area_path", String(80), nullable=False),  # of the incident: who may see it
    Column("added_by", String(36), nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
)
task_voices = Table(  # voice notes: heard by whoever may see the photos, kept and deleted as they are
    "task_voices",
    metadata,
    Column("task_id", String(36), ForeignKey("tasks.task_id"), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("area_path", String(80), nullable=False),
    Column("move", String(24), nullable=False),  # with which move it came
    Column("added_by", String(36), nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
)
Index("task_voices_by_sha256", task_voices.c.sha256)
Index("task_photos_by_sha256", task_photos.c.sha256)  # who may see one; has it been kept long enough

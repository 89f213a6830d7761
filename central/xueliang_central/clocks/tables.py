"""Running time limits as rows. A clock with `next_due_at` and without `stopped_at` is waiting to fire.

A paused one has no `next_due_at`, so that nothing fires it, also not a worker of the release before; its `due_at` is
that of when it paused until it goes on.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table, text

from xueliang_central.store.metadata import JsonText, UtcDateTime, metadata

clocks = Table(
    "clocks",
    metadata,
    Column("clock_id", String(36), primary_key=True),
    Column("incident_id", String(36), ForeignKey("incidents.incident_id"), nullable=False, index=True),
    Column("kind", String(8), nullable=False),  # as in `limits.ClockKind`
    Column("limit_s", Float, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("next_due_at", UtcDateTime),  # when it fires next: first due_at, then every escalation step
    Column("stopped_at", UtcDateTime),
    Column("paused_at", UtcDateTime),
    Column("left_s", Float),  # of a paused one, until it fires next; null: it had nothing left to fire
    Column("first_due_at", UtcDateTime),  # of one that two people have moved: when it was due before; null: not moved
    Column("times_moved", Integer),  # so; null: never
    Column("breached_at", UtcDateTime),
    Column("escalation_levels", JsonText, nullable=False),  # who is told, in order
    Column("escalate_every_s", Float, nullable=False),
    Column("escalated_steps", Integer, nullable=False),
    Column("escalated_to", String(16)),
    Column("counts", JsonText),  # which hours count, as `limits.Limits.counted`; null: every hour
)
_waiting = text("stopped_at is null and next_due_at is not null")
Index("clocks_due", clocks.c.next_due_at, postgresql_where=_waiting, sqlite_where=_waiting)
_running = text("stopped_at is null")
Index(
    "clocks_one_running",
    clocks.c.incident_id,
    clocks.c.kind,
    unique=True,
    postgresql_where=_running,
    sqlite_where=_running,
)

escalations = Table(
    "escalations",
    metadata,
    # One row per firing: the primary key makes "exactly once" a fact of the database, not of the loop.
    Column("clock_id", String(36), ForeignKey("clocks.clock_id"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("level", String(16)),
    Column("area_code", String(15)),
    Column("told", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("fired_at", UtcDateTime, nullable=False),
)

working_calendars = Table(
    "working_calendars",
    metadata,
    # Those of the policy table that a worker was started with last: every worker brings clocks to these.
    Column("name", String(32), primary_key=True),
    Column("hours", JsonText, nullable=False),  # a `Calendar`
    Column("since", UtcDateTime, nullable=False),
)

"""The outbox, how each notice climbs, its steps by channel, and how people are reached.

Notices are written in the transaction of the change they tell of, sent later by the worker. A notice goes to the
receiver's own event stream (`next_try_at`); beside that it climbs its ladder (`climb_at`) until it is received.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, text

from xueliang_central.store.metadata import JsonText, UtcDateTime, UuidText, metadata

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
    # The ladder; null where the release before wrote the notice, which climbs none.
    Column("severity", Integer),
    Column("incident_id", String(36), index=True),
    Column("task_id", String(36), index=True),
    Column("climb_at", UtcDateTime),  # when the next step is looked at; null: the climb is over
    Column("next_step", Integer),  # counts from 0
    Column("climb_end", String(24)),  # why it is over: received, taken, last_step, no_ladder, …
    Column("received_at", UtcDateTime),
    Column("received_by", String(12)),  # device | opened | acted
    Column("held_by", String(8)),  # budget | quiet, while it waits for one
    Column("held_for_budget", Integer),  # how often
    Column("held_for_quiet", Integer),
)
_waiting = text("next_try_at is not null")
Index("notices_due", notices.c.next_try_at, postgresql_where=_waiting, sqlite_where=_waiting)
_climbing = text("climb_at is not null")
Index("notices_by_age", notices.c.created_at)
Index("notices_climbing", notices.c.climb_at, postgresql_where=_climbing, sqlite_where=_climbing)

notice_steps = Table(
    "notice_steps",
    metadata,
    Column("notice_id", String(36), ForeignKey("notices.notice_id", ondelete="CASCADE"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("channel", String(63), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("state", String(10), nullable=False),  # waiting | sent | dead | dropped | skipped
    Column("reason", String(60)),  # of dead, dropped, skipped, or of the last try that failed
    Column("made_at", UtcDateTime, nullable=False),
    Column("next_try_at", UtcDateTime),  # null unless waiting; a try that is under way moves it past its own end
    Column("attempts", Integer, nullable=False),
    Column("tried_at", UtcDateTime),
    Column("sent_at", UtcDateTime),
)
_unsent = text("next_try_at is not null")
Index(
    "notice_steps_due",
    notice_steps.c.channel,
    notice_steps.c.next_try_at,
    postgresql_where=_unsent,
    sqlite_where=_unsent,
)
Index("notice_steps_by_person", notice_steps.c.user_id, notice_steps.c.made_at)
_dead = text("state = 'dead'")
Index("notice_steps_dead", notice_steps.c.made_at, postgresql_where=_dead, sqlite_where=_dead)

contacts = Table(
    "contacts",
    metadata,
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("channel", String(63), primary_key=True),
    Column("address", String(200), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changed_by", String(80), nullable=False),
)

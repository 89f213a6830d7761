"""Notices that climb: their ladder, their steps by channel, and how people are reached.

Only adds: the release before runs on it, and what it writes climbs no ladder.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime, UuidText

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_NEW_COLUMNS: tuple[tuple[str, sa.types.TypeEngine[Any]], ...] = (
    ("severity", sa.Integer()),
    ("incident_id", sa.String(length=36)),
    ("task_id", sa.String(length=36)),
    ("climb_at", UtcDateTime()),
    ("next_step", sa.Integer()),
    ("climb_end", sa.String(length=24)),
    ("received_at", UtcDateTime()),
    ("received_by", sa.String(length=12)),
    ("held_by", sa.String(length=8)),
    ("held_for_budget", sa.Integer()),
    ("held_for_quiet", sa.Integer()),
)


def upgrade() -> None:
    for name, kind in _NEW_COLUMNS:
        op.add_column("notices", sa.Column(name, kind, nullable=True))
    op.create_index(op.f("ix_notices_incident_id"), "notices", ["incident_id"])
    op.create_index(op.f("ix_notices_task_id"), "notices", ["task_id"])
    _partial("notices_climbing", "notices", ["climb_at"], "climb_at is not null")
    op.create_table(
        "notice_steps",
        sa.Column("notice_id", sa.String(length=36), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=63), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=True),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("next_try_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tried_at", UtcDateTime(), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["notice_id"],
            ["notices.notice_id"],
            name=op.f("fk_notice_steps_notice_id_notices"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("notice_id", "step", name=op.f("pk_notice_steps")),
    )
    _partial("notice_steps_due", "notice_steps", ["channel", "next_try_at"], "next_try_at is not null")
    op.create_index("notice_steps_by_person", "notice_steps", ["user_id", "made_at"])
    _partial("notice_steps_dead", "notice_steps", ["made_at"], "state = 'dead'")
    op.create_table(
        "contacts",
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("channel", sa.String(length=63), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("changed_by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_contacts_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "channel", name=op.f("pk_contacts")),
    )


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))

"""Versions of cameras' rules, and what their nodes say of them.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText, UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rule_versions",
        sa.Column("camera_id", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.Column("settings", JsonText(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("by_id", sa.String(length=36), nullable=True),
        sa.Column("by_name", sa.String(length=120), nullable=False),
        sa.Column("restores", sa.Integer(), nullable=True),
        sa.Column("severities", JsonText(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("decided_by_id", sa.String(length=36), nullable=True),
        sa.Column("decided_by_name", sa.String(length=120), nullable=True),
        sa.Column("decide_note", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.String(length=120), nullable=True),
        sa.Column("unsent", sa.Boolean(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("sent_to", sa.String(length=63), nullable=True),
        sa.PrimaryKeyConstraint("camera_id", "version", name=op.f("pk_rule_versions")),
    )
    desired = sa.text("state = 'desired'")
    op.create_index(
        "rule_versions_one_desired",
        "rule_versions",
        ["camera_id"],
        unique=True,
        postgresql_where=desired,
        sqlite_where=desired,
    )
    op.create_index(
        "rule_versions_unsent",
        "rule_versions",
        ["camera_id"],
        postgresql_where=sa.text("unsent"),
        sqlite_where=sa.text("unsent = 1"),
    )
    op.create_table(
        "rule_reports",
        sa.Column("camera_id", sa.String(length=63), nullable=False),
        sa.Column("node_id", sa.String(length=63), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("takes_rules", sa.Boolean(), nullable=False),
        sa.Column("node_version", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=24), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("settings", JsonText(), nullable=True),
        sa.Column("answer_version", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=8), nullable=True),
        sa.Column("answer_at", UtcDateTime(), nullable=True),
        sa.Column("problems", JsonText(), nullable=False),
        sa.Column("notes", JsonText(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", name=op.f("pk_rule_reports")),
    )

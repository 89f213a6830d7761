"""What is told to other systems: CAP messages, what was told last of each incident, how far the events were read.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText, UtcDateTime

revision = "0013"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cap_messages",
        sa.Column("identifier", sa.String(length=80), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("hazard", sa.String(length=40), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("message_type", sa.String(length=6), nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("refers_to", JsonText(), nullable=False),
        sa.Column("why", JsonText(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("identifier", name=op.f("pk_cap_messages")),
    )
    op.create_index(op.f("ix_cap_messages_incident_id"), "cap_messages", ["incident_id"])
    op.create_index("cap_messages_by_sent", "cap_messages", ["sent_at", "identifier"])
    op.create_table(
        "cap_told",
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("chain", JsonText(), nullable=False),
        sa.Column("facts", JsonText(), nullable=False),
        sa.Column("renew_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_cap_told")),
    )
    op.create_index(op.f("ix_cap_told_renew_at"), "cap_told", ["renew_at"])
    op.create_table(
        "cap_progress",
        sa.Column("progress_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("progress_id", name=op.f("pk_cap_progress")),
    )

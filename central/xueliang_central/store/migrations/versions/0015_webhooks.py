"""Other systems that are told of incidents by HTTP, and what could not be told them.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import AREA_PATH_LENGTH, UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", sa.String(length=30), nullable=False),
        sa.Column("area_path", sa.String(length=AREA_PATH_LENGTH), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("key_version", sa.BigInteger(), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", UtcDateTime(), nullable=False),
        sa.Column("last_error", sa.String(length=40), nullable=True),
        sa.Column("told_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("webhook_id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_next_try_at"), "webhooks", ["next_try_at"])
    op.create_table(
        "webhook_dead_letters",
        sa.Column("webhook_id", sa.String(length=30), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("given_up_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", "event_id", name=op.f("pk_webhook_dead_letters")),
    )


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

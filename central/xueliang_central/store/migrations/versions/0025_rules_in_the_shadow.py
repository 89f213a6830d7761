"""Rules in the shadow: why new ones did not start there, and how often each would have raised.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText, UtcDateTime

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rule_versions", sa.Column("live_why", sa.Text(), nullable=True))
    op.create_table(
        "shadow_counts",
        sa.Column("camera_id", sa.String(63), primary_key=True),
        sa.Column("rule_id", sa.String(80), primary_key=True),
        sa.Column("rule", JsonText(), nullable=False),
        sa.Column("counted_at", UtcDateTime(), nullable=False),
        sa.Column("by_name", sa.String(120), nullable=False),
        sa.Column("asked_hours", sa.Float(), nullable=False),
        sa.Column("answered_s", sa.Float(), nullable=False),
        sa.Column("alerts", sa.Integer(), nullable=False),
        sa.Column("alerts_per_day", sa.Float(), nullable=True),
    )


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

"""What a camera's page tells, notices by age, and CAP: who a message is for, and what could not be told.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import AREA_PATH_LENGTH, UtcDateTime

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cameras", sa.Column("signed_on", sa.Date(), nullable=True))
    op.add_column("cameras", sa.Column("approved_view", sa.String(length=200), nullable=True))
    op.add_column("cameras", sa.Column("view_approved_on", sa.Date(), nullable=True))
    op.add_column("cameras", sa.Column("review_by", sa.Date(), nullable=True))
    op.create_index("notices_by_age", "notices", ["created_at"])
    op.add_column("cap_messages", sa.Column("gone_to", sa.String(length=AREA_PATH_LENGTH), nullable=True))
    op.create_table(
        "cap_set_aside",
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_cap_set_aside")),
    )
    op.create_index(op.f("ix_cap_set_aside_next_try_at"), "cap_set_aside", ["next_try_at"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

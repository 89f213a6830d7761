"""When a page last said that somebody is at a seat, and what rose because none did.

Only adds: the release before runs on it, and asks the rosters alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime, UuidText

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seat_presence",
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.Column("unstaffed_since", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_seat_presence")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_seat_presence_user_id_users"), ondelete="CASCADE"
        ),
    )
    op.add_column("seat_cases", sa.Column("rose_from", sa.String(length=15), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

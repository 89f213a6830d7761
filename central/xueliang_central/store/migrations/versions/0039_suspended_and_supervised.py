"""Tasks that are suspended for a while, with clocks that wait; cases that a centre above supervises.

Only adds: the release before runs on it. A paused clock has no `next_due_at`, so that its worker does not fire it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText, UtcDateTime

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("clocks", sa.Column("paused_at", UtcDateTime(), nullable=True))
    op.add_column("clocks", sa.Column("left_s", sa.Float(), nullable=True))
    op.add_column("incidents", sa.Column("suspension", JsonText(), nullable=True))
    op.add_column("incidents", sa.Column("supervision", JsonText(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

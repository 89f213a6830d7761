"""A worker's call for help and last check-in stand on the task.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText

revision = "0029"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("help", JsonText(), nullable=True))
    op.add_column("tasks", sa.Column("checked_in", JsonText(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

"""A worker's call for help and last check-in stand on the task; voice notes come with its moves.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText, UtcDateTime

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("help", JsonText(), nullable=True))
    op.add_column("tasks", sa.Column("checked_in", JsonText(), nullable=True))
    op.create_table(
        "task_voices",
        sa.Column("task_id", sa.String(36), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("area_path", sa.String(80), nullable=False),
        sa.Column("move", sa.String(24), nullable=False),
        sa.Column("added_by", sa.String(36), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.task_id"], name=op.f("fk_task_voices_task_id")),
        sa.PrimaryKeyConstraint("task_id", "sha256", name=op.f("pk_task_voices")),
    )
    op.create_index("task_voices_by_sha256", "task_voices", ["sha256"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

"""The last still of a camera that somebody who tunes its rules asked for.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "camera_stills",
        sa.Column("camera_id", sa.String(63), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("node_id", sa.String(63), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("observed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", name=op.f("pk_camera_stills")),
    )
    op.create_index(op.f("ix_camera_stills_sha256"), "camera_stills", ["sha256"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

"""What nodes have told of the views of cameras that turn, and the stills of each view that were asked for.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText, UtcDateTime

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "camera_views",
        sa.Column("camera_id", sa.String(63), nullable=False),
        sa.Column("node_id", sa.String(63), nullable=False),
        sa.Column("views", JsonText(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", name=op.f("pk_camera_views")),
    )
    op.create_table(
        "camera_view_stills",
        sa.Column("camera_id", sa.String(63), nullable=False),
        sa.Column("view_id", sa.String(63), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("node_id", sa.String(63), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("observed_at", UtcDateTime(), nullable=False),
        sa.Column("noted_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "view_id", "sha256", name=op.f("pk_camera_view_stills")),
    )
    op.create_index(op.f("ix_camera_view_stills_sha256"), "camera_view_stills", ["sha256"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

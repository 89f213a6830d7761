"""Notes by which a shift hands over to the next. Only adds: the release before runs on it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText, UtcDateTime

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hand_overs",
        sa.Column("hand_over_id", sa.String(36), primary_key=True),
        sa.Column("area_code", sa.String(15), nullable=False),
        sa.Column("area_path", sa.String(64), nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        sa.Column("writer_id", sa.String(36), nullable=False),
        sa.Column("writer_name", sa.String(120), nullable=False),
        sa.Column("words", sa.String(1000), nullable=False),
        sa.Column("facts", JsonText(), nullable=False),
        sa.Column("acknowledged_at", UtcDateTime(), nullable=True),
        sa.Column("reader_id", sa.String(36), nullable=True),
        sa.Column("reader_name", sa.String(120), nullable=True),
    )
    op.create_index("hand_overs_by_area", "hand_overs", ["area_path", "written_at"])
    op.create_index("hand_overs_by_written", "hand_overs", ["written_at"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

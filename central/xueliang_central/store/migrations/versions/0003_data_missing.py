"""What a node's records lack, and when it was last found to be cloned. Only adds: the release before runs on it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("nodes", sa.Column("missing_records", sa.BigInteger(), nullable=True))
    op.add_column("nodes", sa.Column("missing_at", UtcDateTime(), nullable=True))
    op.add_column("nodes", sa.Column("cloned_at", UtcDateTime(), nullable=True))

"""Which hours a clock counts.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("clocks", sa.Column("counts", JsonText(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

"""Where cameras look: bearing and width of their view.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cameras", sa.Column("bearing_deg", sa.Float(), nullable=True))
    op.add_column("cameras", sa.Column("field_of_view_deg", sa.Float(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

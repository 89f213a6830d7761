"""The working calendars in force: what running clocks that count their hours are brought to.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText, UtcDateTime

revision = "0050"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "working_calendars",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("hours", JsonText(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

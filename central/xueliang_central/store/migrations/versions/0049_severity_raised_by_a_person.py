"""What a person has said of a case's severity, beside its alerts.

Only adds: the release before runs on it, and shows the severity of the alerts at the next of them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("incidents", sa.Column("raised", JsonText(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

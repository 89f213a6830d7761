"""Open incidents are counted by area: an index that holds nothing else.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_IS_OPEN = sa.text("state <> 'closed'")


def upgrade() -> None:
    columns = ["area_path", "severity", "state", "drill"]
    op.create_index("incidents_open_by_area", "incidents", columns, postgresql_where=_IS_OPEN, sqlite_where=_IS_OPEN)


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

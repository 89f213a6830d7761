"""A later limit of a task by two people: what is asked stands on the incident, the clock keeps the moment that it had
first; counted in the roll-ups, as are severities that a person raised, supervisions and replies to them.

Only adds: the release before runs on it. It counts nothing of this; `roll-up-again` has the past counted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText, UtcDateTime

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

_COUNTS = ("arrive_moved", "arrive_by_move", "raised", "supervised", "reply_on_time", "reply_late")


def upgrade() -> None:
    op.add_column("incidents", sa.Column("later_limit", JsonText(), nullable=True))
    op.add_column("clocks", sa.Column("first_due_at", UtcDateTime(), nullable=True))
    op.add_column("clocks", sa.Column("times_moved", sa.Integer(), nullable=True))
    for name in _COUNTS:
        op.add_column("rollups", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

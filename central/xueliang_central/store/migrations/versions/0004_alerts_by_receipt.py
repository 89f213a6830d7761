"""Alerts by the time of their receipt, and incidents that hold or settle: what folding asks for all the time.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("alerts_by_receipt", "alerts", ["first_received_at"])
    for name, only in (
        ("incidents_that_hold", "place_key LIKE '~%' AND NOT gone"),
        ("incidents_that_settle", "gone AND state IN ('open', 'dispatched')"),
    ):
        op.create_index(name, "incidents", ["incident_id"], postgresql_where=sa.text(only), sqlite_where=sa.text(only))

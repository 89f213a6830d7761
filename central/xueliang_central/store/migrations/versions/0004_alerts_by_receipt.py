"""Alerts by the time of their receipt: how many the last hour brought. Only adds: the release before runs on it."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("alerts_by_receipt", "alerts", ["first_received_at"])

"""Alerts by county and receipt: whether a county is to shed is counted without reading those of all others.

Only adds, but for an index that nothing else asks for: the release before runs on it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alerts", sa.Column("county_code", sa.String(15), nullable=True))
    tell_the_last_hours()
    op.create_index("alerts_by_county", "alerts", ["county_code", "first_received_at"])
    op.drop_index("alerts_by_receipt", "alerts")


def tell_the_last_hours() -> None:
    """Only the last hour is ever counted: a county that sheds goes on shedding. Codes: see `areas.tree`."""
    alerts = sa.table(
        "alerts",
        sa.column("county_code", sa.String),
        sa.column("area_path", sa.String),
        sa.column("first_received_at", UtcDateTime()),
    )
    path = alerts.c.area_path
    county = sa.case(
        (sa.func.length(path) <= 6, path),  # a city, or a county that is a root
        (sa.func.substr(path, 5, 1) == "/", sa.func.substr(path, 6, 6)),  # city/county/…
        else_=sa.func.substr(path, 1, 6),  # county/…
    )
    lately = alerts.c.first_received_at > datetime.now(UTC) - timedelta(hours=2)
    op.execute(alerts.update().where(lately).values(county_code=county))

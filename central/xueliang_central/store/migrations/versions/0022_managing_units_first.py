"""The managing unit of a lane told first: what it was asked, and what is counted of it.

Only adds, and makes one index anew. The release before runs on it until a unit is told, whose states it does not know:
so every process is new before the policy names one.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_SETTLES = "gone AND state IN ('open', 'dispatched', 'unit_told')"
_COUNTS = ("unit_told", "unit_cleared", "unit_cannot", "unit_given_up")


def upgrade() -> None:
    op.create_table(
        "unit_requests",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("lane_id", sa.String(length=63), nullable=False),
        sa.Column("lane_name", sa.String(length=80), nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.Column("code", sa.String(length=4), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.Column("reply_by", UtcDateTime(), nullable=False),
        sa.Column("clear_s", sa.Float(), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=True),
        sa.Column("replied_at", UtcDateTime(), nullable=True),
        sa.Column("replied_by", sa.String(length=8), nullable=True),
        sa.Column("clear_by", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.incident_id"], name=op.f("fk_unit_requests_incident_id")),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_unit_requests")),
    )
    op.create_index(op.f("ix_unit_requests_incident_id"), "unit_requests", ["incident_id"], unique=True)
    op.create_index(op.f("ix_unit_requests_lane_id"), "unit_requests", ["lane_id"])
    op.drop_index("incidents_that_settle", table_name="incidents")
    op.create_index(
        "incidents_that_settle",
        "incidents",
        ["incident_id"],
        postgresql_where=sa.text(_SETTLES),
        sqlite_where=sa.text(_SETTLES),
    )
    for name in _COUNTS:
        op.add_column("rollups", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

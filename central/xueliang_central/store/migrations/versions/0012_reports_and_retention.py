"""Roll-ups and what keeps them right; legal holds, pictures that are being removed, and what was removed.

Only adds: the release before runs on it. It does not know that a picture was removed and shows it as not here.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_COUNTS = (
    "alerts",
    "folded",
    "suppressed",
    "incidents",
    "merged",
    "true_hazard",
    "false_alarm",
    "permitted",
    "duplicate",
    "nothing_here",
    "unjudged",
    "ended_by_itself",
    "dispatched",
    "returned",
    "closed",
    "closed_once",
    "reopened",
    "judge_on_time",
    "judge_late",
    "take_on_time",
    "take_late",
    "arrive_on_time",
    "arrive_late",
    "check_on_time",
    "check_late",
)


def upgrade() -> None:
    _rollups()
    _retention()


def _rollups() -> None:
    op.create_table(
        "rollups",
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("shift", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hazard", sa.String(length=40), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("part", sa.String(length=9), nullable=False),
        sa.Column("parent_code", sa.String(length=15)),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS),
        sa.Column("durations", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("area_code", "day", "shift", "hazard", "drill", "part", name="pk_rollups"),
    )
    op.create_index("rollups_by_parent", "rollups", ["parent_code", "day"])
    op.create_table(
        "rollup_marks",
        sa.Column("height", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("shift", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.String(length=9), nullable=False),
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.PrimaryKeyConstraint("height", "day", "shift", "part", "area_code", name="pk_rollup_marks"),
    )
    state = op.create_table(
        "rollup_state",
        sa.Column("name", sa.String(length=8), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("rolled_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("name", name="pk_rollup_state"),
    )
    op.bulk_insert(state, [{"name": "events", "position": 0, "rolled_at": None}])  # the events are all there still
    op.create_index("incidents_by_area", "incidents", ["area_code", "opened_at"])
    op.create_index("silenced_alerts_by_area", "silenced_alerts", ["area_path", "first_received_at"])


def _retention() -> None:
    op.create_table(
        "legal_holds",
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("held_at", UtcDateTime(), nullable=False),
        sa.Column("held_by", sa.String(length=120), nullable=False),
        sa.Column("why", sa.String(length=1000), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.incident_id"], name="fk_legal_holds_incident_id_incidents"
        ),
        sa.PrimaryKeyConstraint("incident_id", name="pk_legal_holds"),
    )
    op.create_table(
        "leaving_pictures",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "kind", name="pk_leaving_pictures"),
    )
    op.create_table(
        "removals",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name="pk_removals"),
    )
    op.add_column("expected_pictures", sa.Column("removed_at", UtcDateTime(), nullable=True))
    op.create_index("alerts_by_receipt", "alerts", ["first_received_at"])

"""What people have merged and split by hand, and whose new alerts of a place are.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import BigId, JsonText, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "regroupings",
        sa.Column("regrouping_id", BigId, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("from_incident_id", sa.String(length=36), nullable=False),
        sa.Column("into_incident_id", sa.String(length=36), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor_id", sa.String(length=36), nullable=False),
        sa.Column("actor_name", sa.String(length=120), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.String(length=120), nullable=True),
        sa.Column("task_id", sa.String(length=36), nullable=True),
        sa.Column("policy_before", JsonText(), nullable=True),
        sa.ForeignKeyConstraint(
            ["from_incident_id"],
            ["incidents.incident_id"],
            name=op.f("fk_regroupings_from_incident_id_incidents"),
        ),
        sa.ForeignKeyConstraint(
            ["into_incident_id"],
            ["incidents.incident_id"],
            name=op.f("fk_regroupings_into_incident_id_incidents"),
        ),
        sa.PrimaryKeyConstraint("regrouping_id", name=op.f("pk_regroupings")),
    )
    op.create_index(op.f("ix_regroupings_from_incident_id"), "regroupings", ["from_incident_id"])
    op.create_index(op.f("ix_regroupings_into_incident_id"), "regroupings", ["into_incident_id"])
    op.create_index("regroupings_by_key", "regroupings", ["actor_id", "idempotency_key"])
    op.create_table(
        "regrouped_alerts",
        sa.Column("regrouping_id", BigId, nullable=False),
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["regrouping_id"],
            ["regroupings.regrouping_id"],
            name=op.f("fk_regrouped_alerts_regrouping_id_regroupings"),
        ),
        sa.PrimaryKeyConstraint("regrouping_id", "alert_id", name=op.f("pk_regrouped_alerts")),
    )
    op.create_index(op.f("ix_regrouped_alerts_alert_id"), "regrouped_alerts", ["alert_id"])
    op.create_table(
        "hand_places",
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("hazard", sa.String(length=40), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("place_key", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("by_way_of", sa.String(length=24), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.incident_id"], name=op.f("fk_hand_places_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("area_code", "hazard", "drill", "place_key", name=op.f("pk_hand_places")),
    )
    op.create_index(op.f("ix_hand_places_incident_id"), "hand_places", ["incident_id"])

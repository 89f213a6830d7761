"""What the noise board is answered from: a row for each incident and rule, and the rules in force at each camera.

Only adds: the release before runs on it. It writes none of these rows; a worker of this one does, from the events that
are still kept.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import AREA_PATH_LENGTH, UtcDateTime

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "noise_cases",
        sa.Column("incident_id", sa.String(36), nullable=False),
        sa.Column("camera_id", sa.String(64), nullable=False),
        sa.Column("rule_id", sa.String(80), nullable=False),
        sa.Column("area_path", sa.String(AREA_PATH_LENGTH), nullable=False),
        sa.Column("hazard", sa.String(40), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("judged", sa.String(12), nullable=False),
        sa.Column("alerts", sa.Integer(), nullable=False),
        sa.Column("peak", sa.Integer(), nullable=False),
        sa.Column("last_raised_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "camera_id", "rule_id", name=op.f("pk_noise_cases")),
    )
    op.create_index("noise_cases_by_area", "noise_cases", ["area_path", "opened_at"])
    op.create_index("noise_cases_by_rule", "noise_cases", ["camera_id", "rule_id", "last_raised_at"])
    op.create_index("noise_cases_by_raised", "noise_cases", ["last_raised_at"])
    op.create_table(
        "noise_rules",
        sa.Column("camera_id", sa.String(63), nullable=False),
        sa.Column("rule_id", sa.String(80), nullable=False),
        sa.Column("hazard", sa.String(40), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("scheduled", sa.Boolean(), nullable=False),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "rule_id", name=op.f("pk_noise_rules")),
    )
    op.create_table(
        "noise_cameras",
        sa.Column("camera_id", sa.String(63), nullable=False),
        sa.Column("node_id", sa.String(63), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", name=op.f("pk_noise_cameras")),
    )
    state = op.create_table(
        "noise_state",
        sa.Column("name", sa.String(8), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_noise_state")),
    )
    op.bulk_insert(state, [{"name": "events", "position": 0}])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

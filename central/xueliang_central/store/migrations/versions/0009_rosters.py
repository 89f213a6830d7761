"""Duty rosters: the shifts and leaves of people, and how often each roster has changed.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime, UuidText

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shifts",
        sa.Column("shift_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("area_code", sa.String(length=15), nullable=True),
        sa.Column("area_path", sa.String(length=AREA_PATH_LENGTH), nullable=True),
        sa.Column("weekly", JsonText(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("starts_at", UtcDateTime(), nullable=True),
        sa.Column("ends_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_shifts_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shift_id", name=op.f("pk_shifts")),
    )
    op.create_index("shifts_by_person", "shifts", ["user_id"])
    op.create_index("shifts_by_area", "shifts", ["area_code"])
    op.create_table(
        "roster_versions",
        sa.Column("subject", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("changed_by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_roster_versions")),
    )

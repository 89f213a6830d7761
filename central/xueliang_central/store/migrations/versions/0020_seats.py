"""What is dealt to the seats of a desk. Only adds: the release before runs on it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None

OPEN = sa.text("closed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "seat_rows",
        sa.Column("row_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("desk_code", sa.String(length=15), nullable=False),
        sa.Column("seat_id", sa.String(length=36), nullable=False),
        sa.Column("hazard", sa.String(length=40), nullable=False),
        sa.Column("group_key", sa.String(length=36), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("show_by", UtcDateTime(), nullable=False),
        sa.Column("shown_at", UtcDateTime(), nullable=True),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_seat_rows")),
    )
    op.create_index("seat_rows_open", "seat_rows", ["seat_id"], postgresql_where=OPEN, sqlite_where=OPEN)
    op.create_index("seat_rows_by_shown", "seat_rows", ["shown_at"])
    op.create_index("seat_rows_by_closed", "seat_rows", ["closed_at"])
    op.create_table(
        "seat_cases",
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("row_id", sa.String(length=36), nullable=False),
        sa.Column("ask", sa.String(length=16), nullable=False),
        sa.Column("dealt_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_seat_cases")),
        sa.ForeignKeyConstraint(["row_id"], ["seat_rows.row_id"], name=op.f("fk_seat_cases_row_id_seat_rows")),
    )
    op.create_index(op.f("ix_seat_cases_row_id"), "seat_cases", ["row_id"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

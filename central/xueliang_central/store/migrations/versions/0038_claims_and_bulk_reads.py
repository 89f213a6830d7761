"""Who has a case open that waits for a desk; what one person did within an hour, and who looked up more than the norm.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import AREA_PATH_LENGTH, UtcDateTime, UuidText

revision = "0038"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_claims",
        sa.Column("incident_id", sa.String(36), nullable=False),
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("renewed_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incidents.incident_id"],
            name=op.f("fk_case_claims_incident_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_case_claims_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_case_claims")),
    )
    op.create_index(op.f("ix_case_claims_user_id"), "case_claims", ["user_id"])
    op.create_index(op.f("ix_case_claims_renewed_at"), "case_claims", ["renewed_at"])
    op.create_index(op.f("ix_audit_records_actor_at"), "audit_records", ["actor", "at"])
    op.create_table(
        "bulk_reads",
        sa.Column("alarm_id", sa.String(36), nullable=False),
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("area_path", sa.String(AREA_PATH_LENGTH), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("pictures", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_bulk_reads_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("alarm_id", name=op.f("pk_bulk_reads")),
    )
    op.create_index(op.f("ix_bulk_reads_user_id_at"), "bulk_reads", ["user_id", "at"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

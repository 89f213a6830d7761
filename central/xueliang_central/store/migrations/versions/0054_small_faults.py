"""Codes that enrolled a phone are known for as long as they would have stood: a lost answer is given again.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime, UuidText

revision = "0054"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "used_phone_codes",
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("phone_id", UuidText(), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["phone_id"], ["phones.phone_id"], name=op.f("fk_used_phone_codes_phone_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_used_phone_codes")),
    )
    op.create_index(op.f("ix_used_phone_codes_phone_id"), "used_phone_codes", ["phone_id"])
    op.create_index(op.f("ix_used_phone_codes_expires_at"), "used_phone_codes", ["expires_at"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

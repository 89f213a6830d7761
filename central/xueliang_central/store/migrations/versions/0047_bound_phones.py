"""Phones of workers that are bound by a key, the one-time codes that enrol them, and the challenges they sign.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime, UuidText

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("phone_id", UuidText(), nullable=True))
    op.create_table(
        "phones",
        sa.Column("phone_id", UuidText(), nullable=False),
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("key_x", sa.String(43), nullable=False),
        sa.Column("key_y", sa.String(43), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("enrolled_at", UtcDateTime, nullable=False),
        sa.Column("enrolled_by", sa.String(64), nullable=False),
        sa.Column("last_used_at", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime, nullable=True),
        sa.Column("revoked_by", sa.String(64), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_phones_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("phone_id", name=op.f("pk_phones")),
    )
    op.create_index(op.f("ix_phones_user_id"), "phones", ["user_id"])
    op.create_table(
        "phone_codes",
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_phone_codes_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_phone_codes")),
    )
    op.create_index("phone_codes_by_hash", "phone_codes", ["code_hash"], unique=True)
    op.create_table(
        "phone_challenges",
        sa.Column("challenge_hash", sa.String(64), nullable=False),
        sa.Column("phone_id", UuidText(), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["phone_id"], ["phones.phone_id"], name=op.f("fk_phone_challenges_phone_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("challenge_hash", name=op.f("pk_phone_challenges")),
    )
    op.create_index(op.f("ix_phone_challenges_phone_id"), "phone_challenges", ["phone_id"])
    op.create_index(op.f("ix_phone_challenges_expires_at"), "phone_challenges", ["expires_at"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

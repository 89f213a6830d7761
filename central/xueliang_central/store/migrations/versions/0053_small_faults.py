"""Codes that enrolled a phone are known for as long as they would have stood: a lost answer is given again. What waits
for a second person is found by an index, and a person's key makes one copy of rules.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime, UuidText

revision = "0053"
down_revision = "0052"
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
    of_proposed = sa.text("state = 'proposed'")
    op.create_index(
        "rule_versions_waiting",
        "rule_versions",
        ["made_at", "camera_id", "version"],
        postgresql_where=of_proposed,
        sqlite_where=of_proposed,
    )
    op.execute(  # of two that one key has made, the second keeps what it did and loses the key
        "update rule_copies set idempotency_key = null where exists (select 1 from rule_copies as earlier"
        " where earlier.by_id = rule_copies.by_id and earlier.idempotency_key = rule_copies.idempotency_key"
        " and (earlier.made_at < rule_copies.made_at"
        " or earlier.made_at = rule_copies.made_at and earlier.copy_id < rule_copies.copy_id))"
    )
    op.create_index("rule_copies_one_of_a_key", "rule_copies", ["by_id", "idempotency_key"], unique=True)


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

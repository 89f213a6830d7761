"""Rules that are copied to many cameras, tried on some of them first, and which versions came from a copy.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rule_versions", sa.Column("copy_id", sa.String(length=36), nullable=True))
    op.create_table(
        "rule_copies",
        sa.Column("copy_id", sa.String(length=36), nullable=False),
        sa.Column("source_id", sa.String(length=63), nullable=False),
        sa.Column("rules", JsonText(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("by_id", sa.String(length=36), nullable=False),
        sa.Column("by_name", sa.String(length=120), nullable=False),
        sa.Column("severities", JsonText(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("decided_by_id", sa.String(length=36), nullable=True),
        sa.Column("decided_by_name", sa.String(length=120), nullable=True),
        sa.Column("decide_note", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.String(length=120), nullable=True),
        sa.Column("new_in_shadow", sa.Boolean(), nullable=False),
        sa.Column("is_tried", sa.Boolean(), nullable=False),
        sa.Column("was_promoted", sa.Boolean(), nullable=False),
        sa.Column("spreading", sa.Boolean(), nullable=False),
        sa.Column("area_path", sa.String(length=AREA_PATH_LENGTH), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("hours", sa.Float(), nullable=False),
        sa.Column("promotes_itself", sa.Boolean(), nullable=False),
        sa.Column("band", JsonText(), nullable=False),
        sa.Column("hazards", JsonText(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=True),
        sa.Column("ends_at", UtcDateTime(), nullable=True),
        sa.Column("next_look_at", UtcDateTime(), nullable=True),
        sa.Column("looked_at", UtcDateTime(), nullable=True),
        sa.Column("figures", JsonText(), nullable=True),
        sa.Column("reasons", JsonText(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("ended_by", sa.String(length=120), nullable=True),
        sa.Column("ended_by_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("copy_id", name=op.f("pk_rule_copies")),
    )
    op.create_index(op.f("ix_rule_copies_area_path"), "rule_copies", ["area_path"])
    on, one = sa.text("spreading"), sa.text("spreading = 1")
    op.create_index("rule_copies_spreading", "rule_copies", ["copy_id"], postgresql_where=on, sqlite_where=one)
    watched = sa.text("next_look_at IS NOT NULL")
    op.create_index(
        "rule_copies_watched", "rule_copies", ["next_look_at"], postgresql_where=watched, sqlite_where=watched
    )
    op.create_table(
        "rule_copy_cameras",
        sa.Column("copy_id", sa.String(length=36), nullable=False),
        sa.Column("camera_id", sa.String(length=63), nullable=False),
        sa.Column("is_tried", sa.Boolean(), nullable=False),
        sa.Column("seen_version", sa.Integer(), nullable=False),
        sa.Column("seen_digest", sa.String(length=64), nullable=False),
        sa.Column("severities", JsonText(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("before", sa.Integer(), nullable=True),
        sa.Column("back", sa.String(length=16), nullable=True),
        sa.Column("was_faulty", sa.Boolean(), nullable=False),
        sa.Column("gap_before_s", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("copy_id", "camera_id", name=op.f("pk_rule_copy_cameras")),
    )
    op.create_index(op.f("ix_rule_copy_cameras_camera_id"), "rule_copy_cameras", ["camera_id"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

"""What areas say for the rules of their cameras, which versions came from it, and changes tried on some cameras first.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rule_versions", sa.Column("inherited", JsonText(), nullable=True))
    op.add_column("rule_versions", sa.Column("level_code", sa.String(length=15), nullable=True))
    op.add_column("rule_versions", sa.Column("level_version", sa.Integer(), nullable=True))
    _defaults()
    _canaries()


def _defaults() -> None:
    op.create_table(
        "rule_defaults",
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("area_path", sa.String(length=AREA_PATH_LENGTH), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("settings", JsonText(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("by_id", sa.String(length=36), nullable=False),
        sa.Column("by_name", sa.String(length=120), nullable=False),
        sa.Column("restores", sa.Integer(), nullable=True),
        sa.Column("severities", JsonText(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("decided_by_id", sa.String(length=36), nullable=True),
        sa.Column("decided_by_name", sa.String(length=120), nullable=True),
        sa.Column("decide_note", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.String(length=120), nullable=True),
        sa.Column("spreading", sa.Boolean(), nullable=False),
        sa.Column("spread_after", sa.String(length=63), nullable=False),
        sa.Column("spread_at", UtcDateTime(), nullable=True),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("left_out", JsonText(), nullable=False),
        sa.PrimaryKeyConstraint("area_code", "version", name=op.f("pk_rule_defaults")),
    )
    op.create_index(op.f("ix_rule_defaults_area_path"), "rule_defaults", ["area_path"])
    for name, state in (("rule_defaults_one_desired", "desired"), ("rule_defaults_one_trying", "trying")):
        only = sa.text(f"state = '{state}'")
        op.create_index(name, "rule_defaults", ["area_code"], unique=True, postgresql_where=only, sqlite_where=only)
    op.create_index(
        "rule_defaults_spreading",
        "rule_defaults",
        ["area_code"],
        postgresql_where=sa.text("spreading"),
        sqlite_where=sa.text("spreading = 1"),
    )


def _canaries() -> None:
    op.create_table(
        "rule_canaries",
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
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
        sa.PrimaryKeyConstraint("area_code", "version", name=op.f("pk_rule_canaries")),
    )
    op.create_index(op.f("ix_rule_canaries_area_path"), "rule_canaries", ["area_path"])
    watched = sa.text("next_look_at IS NOT NULL")
    op.create_index(
        "rule_canaries_watched", "rule_canaries", ["next_look_at"], postgresql_where=watched, sqlite_where=watched
    )
    op.create_table(
        "rule_canary_cameras",
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("camera_id", sa.String(length=63), nullable=False),
        sa.Column("was_faulty", sa.Boolean(), nullable=False),
        sa.Column("gap_before_s", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("area_code", "version", "camera_id", name=op.f("pk_rule_canary_cameras")),
    )
    op.create_index(op.f("ix_rule_canary_cameras_camera_id"), "rule_canary_cameras", ["camera_id"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

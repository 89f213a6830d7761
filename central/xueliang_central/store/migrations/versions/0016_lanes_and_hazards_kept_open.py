"""The register of fire lanes; plans of hazards that are kept open, and their photos.

Only adds: the release before runs on it until a hazard is kept open, whose state it does not know. So every process is
new before the first is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _lanes()
    _kept_open()


def _lanes() -> None:
    op.create_table(
        "lanes",
        sa.Column("lane_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("shape", JsonText(), nullable=False),
        sa.Column("width_m", sa.Float(), nullable=True),
        sa.Column("area_code", sa.String(length=15), nullable=True),
        sa.Column("area_path", sa.String(length=AREA_PATH_LENGTH), nullable=False),
        sa.Column("located", sa.String(length=12), nullable=False),
        sa.Column("located_note", sa.String(length=200), nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.Column("duty_phone", sa.String(length=25), nullable=False),
        sa.Column("marking_photo", sa.String(length=64), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("changed_by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("lane_id", name=op.f("pk_lanes")),
    )
    op.create_index(op.f("ix_lanes_area_path"), "lanes", ["area_path"])
    op.create_index(op.f("ix_lanes_marking_photo"), "lanes", ["marking_photo"])
    op.create_table(
        "lane_cameras",
        sa.Column("lane_id", sa.String(length=63), nullable=False),
        sa.Column("camera_id", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(
            ["lane_id"], ["lanes.lane_id"], name=op.f("fk_lane_cameras_lane_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.camera_id"], name=op.f("fk_lane_cameras_camera_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("lane_id", "camera_id", name=op.f("pk_lane_cameras")),
    )
    op.create_index("lane_cameras_by_camera", "lane_cameras", ["camera_id"])


def _kept_open() -> None:
    op.create_table(
        "hazard_plans",
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("holder_unit", sa.String(length=80), nullable=False),
        sa.Column("measures", sa.Text(), nullable=False),
        sa.Column("funds", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("deadline", UtcDateTime(), nullable=False),
        sa.Column("first_deadline", UtcDateTime(), nullable=False),
        sa.Column("extensions", sa.Integer(), nullable=False),
        sa.Column("kept_at", UtcDateTime(), nullable=False),
        sa.Column("kept_by", sa.String(length=80), nullable=False),
        sa.Column("asked_deadline", UtcDateTime(), nullable=True),
        sa.Column("asked_by_id", sa.String(length=36), nullable=True),
        sa.Column("asked_by", sa.String(length=80), nullable=True),
        sa.Column("asked_why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.incident_id"], name=op.f("fk_hazard_plans_incident_id")),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_hazard_plans")),
    )
    op.create_table(
        "hazard_photos",
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("move", sa.String(length=24), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.Column("added_by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.incident_id"], name=op.f("fk_hazard_photos_incident_id")),
        sa.PrimaryKeyConstraint("incident_id", "sha256", name=op.f("pk_hazard_photos")),
    )
    op.create_index("hazard_photos_by_sha256", "hazard_photos", ["sha256"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

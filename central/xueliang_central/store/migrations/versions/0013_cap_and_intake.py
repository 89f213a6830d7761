"""What is told to other systems and what is taken from them.

CAP messages, what was told last of each incident, how far the events were read; sources, what they and people have
seen, and hazards that a rule should have seen.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _cap()
    _intake()


def _cap() -> None:
    op.create_table(
        "cap_messages",
        sa.Column("identifier", sa.String(length=80), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("hazard", sa.String(length=40), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("message_type", sa.String(length=6), nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("refers_to", JsonText(), nullable=False),
        sa.Column("why", JsonText(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("identifier", name=op.f("pk_cap_messages")),
    )
    op.create_index(op.f("ix_cap_messages_incident_id"), "cap_messages", ["incident_id"])
    op.create_index("cap_messages_by_sent", "cap_messages", ["sent_at", "identifier"])
    op.create_table(
        "cap_told",
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("chain", JsonText(), nullable=False),
        sa.Column("facts", JsonText(), nullable=False),
        sa.Column("renew_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_cap_told")),
    )
    op.create_index(op.f("ix_cap_told_renew_at"), "cap_told", ["renew_at"])
    op.create_table(
        "cap_receivers",
        sa.Column("receiver_id", sa.String(length=30), nullable=False),
        sa.Column("area_path", sa.String(length=AREA_PATH_LENGTH), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("receiver_id", name=op.f("pk_cap_receivers")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_cap_receivers_token_hash")),
    )
    op.create_table(
        "cap_progress",
        sa.Column("progress_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("progress_id", name=op.f("pk_cap_progress")),
    )


def _intake() -> None:
    op.create_table(
        "sources",
        sa.Column("source_id", sa.String(length=30), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("area_path", sa.String(length=AREA_PATH_LENGTH), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("registered_at", UtcDateTime(), nullable=False),
        sa.Column("last_heard_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_sources")),
    )
    op.create_table(
        "sightings",
        sa.Column("sighting_id", sa.String(length=36), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("by_id", sa.String(length=40), nullable=False),
        sa.Column("by_name", sa.String(length=120), nullable=False),
        sa.Column("idempotency_key", sa.String(length=120), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("hazard", sa.String(length=40), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("text", sa.String(length=400), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("cameras", JsonText(), nullable=False),
        sa.Column("call_back", sa.String(length=24), nullable=True),
        sa.Column("call_back_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("sighting_id", name=op.f("pk_sightings")),
        sa.UniqueConstraint("by_id", "idempotency_key", name=op.f("uq_sightings_by_id_idempotency_key")),
    )
    op.create_index(op.f("ix_sightings_alert_id"), "sightings", ["alert_id"])
    op.create_index("sightings_by_scope", "sightings", ["area_path", "received_at"])
    op.create_index("sightings_to_forget", "sightings", ["call_back_until"])
    op.create_table(
        "missed_hazards",
        sa.Column("sighting_id", sa.String(length=36), nullable=False),
        sa.Column("camera_id", sa.String(length=63), nullable=False),
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("rules_digest", sa.String(length=64), nullable=False),
        sa.Column("hazard", sa.String(length=40), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("distance_m", sa.Float(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("marked_at", UtcDateTime(), nullable=False),
        sa.Column("why", JsonText(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sighting_id"],
            ["sightings.sighting_id"],
            name=op.f("fk_missed_hazards_sighting_id_sightings"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sighting_id", "camera_id", "rule_id", name=op.f("pk_missed_hazards")),
    )
    op.create_index("missed_hazards_by_scope", "missed_hazards", ["area_path", "marked_at"])

"""Silences, maintenance windows and known events; what they hide; events that are proposed.

Only adds: the release before runs on it, and shows what it would have shown without them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _silences()
    _silenced_alerts()
    _calendar_proposals()


def _silences() -> None:
    op.create_table(
        "silences",
        sa.Column("silence_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("camera_id", sa.String(length=64)),
        sa.Column("node_id", sa.String(length=64)),
        sa.Column("hazard", sa.String(length=40)),
        sa.Column("rule_id", sa.String(length=64)),
        sa.Column("severities", JsonText(), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("owner_name", sa.String(length=120), nullable=False),
        sa.Column("owner_path", sa.String(length=80), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.Column("weekly", JsonText()),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("proposal_id", sa.String(length=36)),
        sa.Column("closed_at", UtcDateTime()),
        sa.Column("close_reason", sa.String(length=12)),
        sa.Column("closed_by", sa.String(length=120)),
        sa.Column("close_note", sa.String(length=1000)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("silence_id", name="pk_silences"),
    )
    is_open = sa.text("closed_at IS NULL")
    for name, column in (("silences_open", "area_path"), ("silences_due", "ends_at")):
        op.create_index(name, "silences", [column], postgresql_where=is_open, sqlite_where=is_open)
    op.create_index("silences_by_made", "silences", ["made_at", "silence_id"])
    op.create_index("silences_closed", "silences", ["closed_at"])


def _silenced_alerts() -> None:
    op.create_table(
        "silenced_alerts",
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("node_id", sa.String(length=64), nullable=False),
        sa.Column("spool_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(length=12), nullable=False),
        sa.Column("end_reason", sa.String(length=16)),
        sa.Column("camera_id", sa.String(length=64), nullable=False),
        sa.Column("hazard", sa.String(length=40), nullable=False),
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("rule_version", sa.BigInteger(), nullable=False),
        sa.Column("model_digest", sa.String(length=64)),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("raised_at", UtcDateTime(), nullable=False),
        sa.Column("observed_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("emitted_at", UtcDateTime(), nullable=False),
        sa.Column("first_received_at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("clock_state", sa.String(length=16), nullable=False),
        sa.Column("boxes_xyxyn", JsonText(), nullable=False),
        sa.Column("frame_size_wh", JsonText()),
        sa.Column("measures", JsonText(), nullable=False),
        sa.Column("reason", JsonText(), nullable=False),
        sa.Column("evidence", JsonText(), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("longitude", sa.Float()),
        sa.Column("latitude", sa.Float()),
        sa.Column("silence_id", sa.String(length=36), nullable=False),
        sa.Column("standing", sa.String(length=8), nullable=False),
        sa.Column("left_at", UtcDateTime()),
        sa.Column("incident_id", sa.String(length=36)),
        sa.Column("why_left", JsonText()),
        sa.ForeignKeyConstraint(["silence_id"], ["silences.silence_id"], name="fk_silenced_alerts_silence_id"),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.incident_id"], name="fk_silenced_alerts_incident_id"),
        sa.PrimaryKeyConstraint("alert_id", name="pk_silenced_alerts"),
    )
    hidden = sa.text("standing = 'hidden'")
    op.create_index(
        "silenced_alerts_hidden", "silenced_alerts", ["silence_id"], postgresql_where=hidden, sqlite_where=hidden
    )
    op.create_index("silenced_alerts_by_rule", "silenced_alerts", ["camera_id", "rule_id", "began_at"])
    op.create_table(
        "silence_alerts",
        sa.Column("silence_id", sa.String(length=36), nullable=False),
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("hidden_at", UtcDateTime(), nullable=False),
        sa.Column("why", JsonText(), nullable=False),
        sa.ForeignKeyConstraint(["silence_id"], ["silences.silence_id"], name="fk_silence_alerts_silence_id"),
        sa.ForeignKeyConstraint(["alert_id"], ["silenced_alerts.alert_id"], name="fk_silence_alerts_alert_id"),
        sa.PrimaryKeyConstraint("silence_id", "alert_id", name="pk_silence_alerts"),
    )
    op.create_index("silence_alerts_by_time", "silence_alerts", ["silence_id", "hidden_at"])
    op.create_index("silence_alerts_by_alert", "silence_alerts", ["alert_id"])


def _calendar_proposals() -> None:
    op.create_table(
        "calendar_proposals",
        sa.Column("proposal_id", sa.String(length=36), nullable=False),
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("camera_id", sa.String(length=64), nullable=False),
        sa.Column("camera_name", sa.String(length=200), nullable=False),
        sa.Column("hazard", sa.String(length=40), nullable=False),
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("weekly", JsonText(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.Column("closings", JsonText(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("decided_at", UtcDateTime()),
        sa.Column("decided_by", sa.String(length=120)),
        sa.Column("note", sa.String(length=1000)),
        sa.Column("silence_id", sa.String(length=36)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("proposal_id", name="pk_calendar_proposals"),
    )
    op.create_index("calendar_proposals_by_place", "calendar_proposals", ["camera_id", "rule_id"])
    op.create_index("calendar_proposals_by_made", "calendar_proposals", ["made_at", "proposal_id"])

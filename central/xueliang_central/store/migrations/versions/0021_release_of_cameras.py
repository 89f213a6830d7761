"""The gate before the analysis of a camera: who signed for it, alerts that are held, what the installation does.
Signals over MQTT that were refused, by reason.

A centre that knows nodes has watched before there was a gate: nothing is stopped there until centre.yaml says so.
Only adds: the release before runs on it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText, UtcDateTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind in _RELEASE:
        op.add_column("cameras", sa.Column(name, kind, nullable=True))
    op.create_table(
        "installation",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation")),
    )
    op.execute("insert into installation (name, value) select 'camera_gate', 'tell' where exists (select 1 from nodes)")
    op.create_table("gated_alerts", *_held_alert(), sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_gated_alerts")))
    op.create_index("gated_alerts_by_camera", "gated_alerts", ["camera_id", "first_received_at"])
    op.create_index("gated_alerts_by_node", "gated_alerts", ["node_id"])

    op.create_table(
        "refused_signals",
        sa.Column("reason", sa.String(length=24), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.Column("last_claimed", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("reason", name=op.f("pk_refused_signals")),
    )


_RELEASE: tuple[tuple[str, Any], ...] = (
    ("released_at", UtcDateTime()),
    ("released_by", sa.String(length=120)),
    ("released_digest", sa.String(length=64)),
    ("withdrawn_at", UtcDateTime()),
    ("withdrawn_by", sa.String(length=120)),
    ("withdrawn_why", sa.String(length=200)),
)


def _held_alert() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("node_id", sa.String(length=64), nullable=False),
        sa.Column("spool_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(length=12), nullable=False),
        sa.Column("end_reason", sa.String(length=16), nullable=True),
        sa.Column("camera_id", sa.String(length=64), nullable=False),
        sa.Column("hazard", sa.String(length=40), nullable=False),
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("rule_version", sa.BigInteger(), nullable=False),
        sa.Column("model_digest", sa.String(length=64), nullable=True),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        *(sa.Column(name, UtcDateTime(), nullable=False) for name in ("began_at", "raised_at", "observed_at")),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        *(sa.Column(name, UtcDateTime(), nullable=False) for name in ("emitted_at", "first_received_at")),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("clock_state", sa.String(length=16), nullable=False),
        sa.Column("boxes_xyxyn", JsonText(), nullable=False),
        sa.Column("frame_size_wh", JsonText(), nullable=True),
        *(sa.Column(name, JsonText(), nullable=False) for name in ("measures", "reason", "evidence")),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("held_at", UtcDateTime(), nullable=False),
        sa.Column("held_state", sa.String(length=12), nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

"""Every table of the first release.

On PostgreSQL `spool_records` is partitioned by month of receipt from here on; the months are made by the worker, and
what falls into none lies in the default partition.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import BigId, JsonText, UtcDateTime, UuidText

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "area_imports",
        sa.Column("import_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("imported_at", UtcDateTime(), nullable=False),
        sa.Column("imported_by", sa.String(length=80), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("import_id", name="pk_area_imports"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "areas",
        sa.Column("code", sa.String(length=15), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("name_en", sa.String(length=80), nullable=False),
        sa.Column("level", sa.String(length=12), nullable=False),
        sa.Column("parent", sa.String(length=15), nullable=True),
        sa.Column("path", sa.String(length=64), nullable=False),
        sa.Column("geometry", JsonText(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("code", name="pk_areas"),
        sa.UniqueConstraint("path", name="uq_areas_path"),
    )
    op.create_table(
        "audit_records",
        sa.Column("position", BigId, autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=160), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("object_kind", sa.String(length=40), nullable=False),
        sa.Column("object_id", sa.String(length=160), nullable=False),
        sa.Column("detail", JsonText(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("record_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_audit_records"),
    )
    op.create_index(
        "ix_audit_records_object_kind_object_id", "audit_records", ["object_kind", "object_id"], unique=False
    )
    op.create_table(
        "cameras",
        sa.Column("camera_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("area_code", sa.String(length=15), nullable=True),
        sa.Column("area_path", sa.String(length=64), nullable=False),
        sa.Column("located", sa.String(length=12), nullable=False),
        sa.Column("located_note", sa.String(length=200), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("place_class", sa.String(length=16), nullable=False),
        sa.Column("node_id", sa.String(length=63), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", name="pk_cameras"),
    )
    op.create_index("ix_cameras_area_path", "cameras", ["area_path"], unique=False)
    op.create_index("ix_cameras_node_id", "cameras", ["node_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("event_id", BigId, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("area_path", sa.String(length=64), nullable=False),
        sa.Column("for_user", UuidText(), nullable=True),
        sa.Column("body", JsonText(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_at", "events", ["at"], unique=False)
    op.create_table(
        "incident_numbers",
        sa.Column("day", sa.String(length=8), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_incident_numbers"),
    )
    op.create_table(
        "incidents",
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("hazard", sa.String(length=40), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("owner_level", sa.String(length=16), nullable=False),
        sa.Column("place_key", sa.String(length=64), nullable=False),
        sa.Column("camera_id", sa.String(length=64), nullable=False),
        sa.Column("camera_name", sa.String(length=200), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("place_class", sa.String(length=24), nullable=False),
        sa.Column("misplaced", sa.Boolean(), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("last_observed_at", UtcDateTime(), nullable=False),
        sa.Column("alert_count", sa.Integer(), nullable=False),
        sa.Column("camera_count", sa.Integer(), nullable=False),
        sa.Column("still_present", sa.Boolean(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("reason", JsonText(), nullable=False),
        sa.Column("measures", JsonText(), nullable=False),
        sa.Column("picture", JsonText(), nullable=True),
        sa.Column("why_routed", JsonText(), nullable=False),
        sa.Column("policy", JsonText(), nullable=False),
        sa.Column("handled_at", UtcDateTime(), nullable=True),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("close_reason", sa.String(length=24), nullable=True),
        sa.Column("reopened_count", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name="pk_incidents"),
        sa.UniqueConstraint("number", name="uq_incidents_number"),
    )
    op.create_index("incidents_by_group", "incidents", ["area_code", "hazard", "closed_at"], unique=False)
    op.create_index("incidents_by_opened", "incidents", ["opened_at", "incident_id"], unique=False)
    op.create_index("incidents_by_scope", "incidents", ["area_path", "opened_at"], unique=False)
    op.create_index(
        "incidents_one_open",
        "incidents",
        ["area_code", "hazard", "place_key", "drill"],
        unique=True,
        postgresql_where=sa.text("state <> 'closed'"),
        sqlite_where=sa.text("state <> 'closed'"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("until_at", UtcDateTime(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "ledger",
        sa.Column("node_id", sa.String(length=64), nullable=False),
        sa.Column("spool_id", sa.String(length=36), nullable=False),
        sa.Column("contiguous_through", sa.BigInteger(), nullable=False),
        sa.Column("ranges", JsonText(), nullable=False),
        sa.Column("rejected", JsonText(), nullable=False),
        sa.Column("missing", JsonText(), nullable=False),
        sa.Column("first_heard_at", UtcDateTime(), nullable=False),
        sa.Column("last_heard_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("node_id", "spool_id", name="pk_ledger"),
    )
    op.create_table(
        "login_attempts",
        sa.Column("subject_hash", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.Column("next_allowed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("subject_hash", name="pk_login_attempts"),
    )
    op.create_index("ix_login_attempts_last_at", "login_attempts", ["last_at"], unique=False)
    op.create_table(
        "move_keys",
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=120), nullable=False),
        sa.Column("object_id", sa.String(length=36), nullable=False),
        sa.Column("move", sa.String(length=24), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("actor_id", "idempotency_key", name="pk_move_keys"),
    )
    op.create_table(
        "nodes",
        sa.Column("node_id", sa.String(length=63), nullable=False),
        sa.Column("area_path", sa.String(length=64), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("registered_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=True),
        sa.Column("state_since", UtcDateTime(), nullable=True),
        sa.Column("last_seen_at", UtcDateTime(), nullable=True),
        sa.Column("status_at", UtcDateTime(), nullable=True),
        sa.Column("boot_id", UuidText(), nullable=True),
        sa.Column("spool_id", UuidText(), nullable=True),
        sa.Column("software", sa.String(length=80), nullable=True),
        sa.Column("last_sequence", sa.BigInteger(), nullable=True),
        sa.Column("backlog_records", sa.BigInteger(), nullable=True),
        sa.Column("backlog_empty_since", UtcDateTime(), nullable=True),
        sa.Column("clock_state", sa.String(length=16), nullable=True),
        sa.Column("counters", JsonText(), nullable=True),
        sa.PrimaryKeyConstraint("node_id", name="pk_nodes"),
        sa.UniqueConstraint("token_hash", name="uq_nodes_token_hash"),
    )
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.String(length=36), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("params", JsonText(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("next_try_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("given_up_at", UtcDateTime(), nullable=True),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("notice_id", name="pk_notices"),
        sa.UniqueConstraint("idempotency_key", name="uq_notices_idempotency_key"),
    )
    op.create_index("ix_notices_user_id", "notices", ["user_id"], unique=False)
    op.create_index(
        "notices_due",
        "notices",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("next_try_at is not null"),
        sqlite_where=sa.text("next_try_at is not null"),
    )
    op.create_table(
        "pictures",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("media_type", sa.String(length=20), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("received_from", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "kind", name="pk_pictures"),
    )
    op.create_index("ix_pictures_received_at", "pictures", ["received_at"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", sa.String(length=36), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("last_received_at", UtcDateTime(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(length=200), nullable=False),
        sa.Column("node_id", sa.String(length=64), nullable=True),
        sa.Column("spool_id", sa.String(length=36), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("replay_asked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("quarantine_id", name="pk_quarantine"),
    )
    op.create_index("ix_quarantine_received_at", "quarantine", ["received_at"], unique=False)
    op.create_index("quarantine_same", "quarantine", ["topic", "content_hash"], unique=True)
    op.create_table(
        "spool_records",
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("node_id", sa.String(length=64), nullable=False),
        sa.Column("spool_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("alert_id", sa.String(length=36), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("received_at", "node_id", "spool_id", "sequence", name="pk_spool_records"),
        postgresql_partition_by="RANGE (received_at)",
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("create table spool_records_default partition of spool_records default")
    op.create_index("spool_records_by_alert", "spool_records", ["alert_id"], unique=False)
    op.create_index("spool_records_by_key", "spool_records", ["node_id", "spool_id", "sequence"], unique=False)
    op.create_table(
        "users",
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("display_name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("area_path", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_users"),
        sa.UniqueConstraint("username", name="uq_users_username"),
    )
    op.create_index("ix_users_area_path", "users", ["area_path"], unique=False)
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
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
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("raised_at", UtcDateTime(), nullable=False),
        sa.Column("observed_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("emitted_at", UtcDateTime(), nullable=False),
        sa.Column("first_received_at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("clock_state", sa.String(length=16), nullable=False),
        sa.Column("boxes_xyxyn", JsonText(), nullable=False),
        sa.Column("frame_size_wh", JsonText(), nullable=True),
        sa.Column("measures", JsonText(), nullable=False),
        sa.Column("reason", JsonText(), nullable=False),
        sa.Column("evidence", JsonText(), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("why_folded", JsonText(), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.incident_id"], name="fk_alerts_incident_id"),
        sa.PrimaryKeyConstraint("alert_id", name="pk_alerts"),
    )
    op.create_index("alerts_by_camera", "alerts", ["camera_id", "began_at"], unique=False)
    op.create_index("ix_alerts_incident_id", "alerts", ["incident_id"], unique=False)
    op.create_table(
        "camera_states",
        sa.Column("camera_id", sa.String(length=63), nullable=False),
        sa.Column("node_id", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=True),
        sa.Column("achieved_gap_s", sa.Float(), nullable=True),
        sa.Column("problem", sa.String(length=300), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.node_id"], name="fk_camera_states_node_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("camera_id", name="pk_camera_states"),
    )
    op.create_index("ix_camera_states_node_id", "camera_states", ["node_id"], unique=False)
    op.create_table(
        "clocks",
        sa.Column("clock_id", sa.String(length=36), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("limit_s", sa.Float(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("next_due_at", UtcDateTime(), nullable=True),
        sa.Column("stopped_at", UtcDateTime(), nullable=True),
        sa.Column("breached_at", UtcDateTime(), nullable=True),
        sa.Column("escalation_levels", JsonText(), nullable=False),
        sa.Column("escalate_every_s", sa.Float(), nullable=False),
        sa.Column("escalated_steps", sa.Integer(), nullable=False),
        sa.Column("escalated_to", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.incident_id"], name="fk_clocks_incident_id"),
        sa.PrimaryKeyConstraint("clock_id", name="pk_clocks"),
    )
    op.create_index(
        "clocks_due",
        "clocks",
        ["next_due_at"],
        unique=False,
        postgresql_where=sa.text("stopped_at is null and next_due_at is not null"),
        sqlite_where=sa.text("stopped_at is null and next_due_at is not null"),
    )
    op.create_index(
        "clocks_one_running",
        "clocks",
        ["incident_id", "kind"],
        unique=True,
        postgresql_where=sa.text("stopped_at is null"),
        sqlite_where=sa.text("stopped_at is null"),
    )
    op.create_index("ix_clocks_incident_id", "clocks", ["incident_id"], unique=False)
    op.create_table(
        "expected_pictures",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("node_id", sa.String(length=64), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("named_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.incident_id"], name="fk_expected_pictures_incident_id"),
        sa.PrimaryKeyConstraint("sha256", "alert_id", name="pk_expected_pictures"),
    )
    op.create_index("ix_expected_pictures_incident_id", "expected_pictures", ["incident_id"], unique=False)
    op.create_table(
        "grants",
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("area_path", sa.String(length=64), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.Column("granted_by", sa.String(length=80), nullable=False),
        sa.Column("granted_at", UtcDateTime(), nullable=False),
        sa.Column("until_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_grants_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "area_path", name="pk_grants"),
    )
    op.create_table(
        "incident_timeline",
        sa.Column("entry_id", BigId, autoincrement=True, nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor_kind", sa.String(length=8), nullable=False),
        sa.Column("actor_name", sa.String(length=120), nullable=False),
        sa.Column("params", JsonText(), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.incident_id"], name="fk_incident_timeline_incident_id"),
        sa.PrimaryKeyConstraint("entry_id", name="pk_incident_timeline"),
    )
    op.create_index("incident_timeline_by_incident", "incident_timeline", ["incident_id", "entry_id"], unique=False)
    op.create_table(
        "known_devices",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_known_devices_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", "user_id", name="pk_known_devices"),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_sessions_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], unique=False)
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("area_code", sa.String(length=15), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("worker_id", sa.String(length=36), nullable=True),
        sa.Column("worker_name", sa.String(length=120), nullable=True),
        sa.Column("why_offered", JsonText(), nullable=False),
        sa.Column("offered_at", UtcDateTime(), nullable=False),
        sa.Column("taken_at", UtcDateTime(), nullable=True),
        sa.Column("arrived_at", UtcDateTime(), nullable=True),
        sa.Column("handled_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("take_due_at", UtcDateTime(), nullable=True),
        sa.Column("arrive_due_at", UtcDateTime(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("reason_code", sa.String(length=40), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.incident_id"], name="fk_tasks_incident_id"),
        sa.PrimaryKeyConstraint("task_id", name="pk_tasks"),
    )
    op.create_index("ix_tasks_incident_id", "tasks", ["incident_id"], unique=False)
    op.create_index("ix_tasks_worker_id", "tasks", ["worker_id"], unique=False)
    op.create_index("tasks_by_scope", "tasks", ["area_path", "offered_at"], unique=False)
    op.create_index(
        "tasks_one_live",
        "tasks",
        ["incident_id"],
        unique=True,
        postgresql_where=sa.text("state in ('offered', 'taken', 'arrived', 'handled')"),
        sqlite_where=sa.text("state in ('offered', 'taken', 'arrived', 'handled')"),
    )
    op.create_table(
        "escalations",
        sa.Column("clock_id", sa.String(length=36), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=True),
        sa.Column("area_code", sa.String(length=15), nullable=True),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("fired_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["clock_id"], ["clocks.clock_id"], name="fk_escalations_clock_id"),
        sa.PrimaryKeyConstraint("clock_id", "step", name="pk_escalations"),
    )
    op.create_table(
        "task_photos",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("area_path", sa.String(length=80), nullable=False),
        sa.Column("added_by", sa.String(length=36), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.task_id"], name="fk_task_photos_task_id"),
        sa.PrimaryKeyConstraint("task_id", "sha256", name="pk_task_photos"),
    )


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

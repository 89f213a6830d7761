"""Versions of a camera's rules, what its node last said of them, and what those in the shadow would have raised.

Invariants
    - Versions count up on their camera and are never changed but for their state; a roll-back is a new version.
    - At most one version of a camera is `desired`: a unique partial index. What it says never changes afterwards.
    - `unsent` is set in the transaction that makes a version desired: what is to be sent outlives every process.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, String, Table, Text, text

from xueliang_central.store.metadata import JsonText, UtcDateTime, metadata

rule_versions: Final = Table(
    "rule_versions",
    metadata,
    Column("camera_id", String(63), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("state", String(10), nullable=False),  # see deciding.VersionState
    Column("origin", String(8), nullable=False),  # centre | node: a node ran it by itself, before a person changed it
    Column("settings", JsonText, nullable=False),  # a CameraRules as written, all of it
    Column("digest", String(64), nullable=False),
    Column("why", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("by_id", String(36), nullable=True),  # null: a node
    Column("by_name", String(120), nullable=False),
    Column("restores", Integer, nullable=True),  # the version whose content it has again
    Column("severities", JsonText, nullable=False),  # why a second person is needed, in words; empty: none is
    Column("decided_at", UtcDateTime, nullable=True),
    Column("decided_by_id", String(36), nullable=True),
    Column("decided_by_name", String(120), nullable=True),
    Column("decide_note", Text, nullable=True),
    Column("idempotency_key", String(120), nullable=True),
    Column("unsent", Boolean, nullable=False),
    Column("sent_at", UtcDateTime, nullable=True),
    Column("sent_to", String(63), nullable=True),
    Column("live_why", Text, nullable=True),  # why rules first put in force did not start in the shadow
)
_DESIRED: Final = text("state = 'desired'")
_UNSENT: Final = text("unsent"), text("unsent = 1")  # each as its database is asked, else the index is not used
Index(
    "rule_versions_one_desired",
    rule_versions.c.camera_id,
    unique=True,
    postgresql_where=_DESIRED,
    sqlite_where=_DESIRED,
)
Index("rule_versions_unsent", rule_versions.c.camera_id, postgresql_where=_UNSENT[0], sqlite_where=_UNSENT[1])

rule_reports: Final = Table(
    "rule_reports",
    metadata,
    Column("camera_id", String(63), primary_key=True),
    Column("node_id", String(63), nullable=False),
    Column("at", UtcDateTime, nullable=False),  # by the node's clock
    Column("received_at", UtcDateTime, nullable=False),
    Column("takes_rules", Boolean, nullable=False),
    Column("node_version", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("source", String(24), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("by", String(200), nullable=False),
    Column("note", Text, nullable=False),
    Column("settings", JsonText, nullable=True),  # null: of this digest they have not been said
    Column("answer_version", BigInteger, nullable=True),
    Column("outcome", String(8), nullable=True),
    Column("answer_at", UtcDateTime, nullable=True),
    Column("problems", JsonText, nullable=False),
    Column("notes", JsonText, nullable=False),
)

shadow_counts: Final = Table(
    "shadow_counts",
    metadata,
    Column("camera_id", String(63), primary_key=True),
    Column("rule_id", String(80), primary_key=True),
    Column("rule", JsonText, nullable=False),  # as it was counted: of another one the figures say nothing
    Column("counted_at", UtcDateTime, nullable=False),
    Column("by_name", String(120), nullable=False),
    Column("asked_hours", Float, nullable=False),
    Column("answered_s", Float, nullable=False),
    Column("alerts", Integer, nullable=False),
    Column("alerts_per_day", Float, nullable=True),  # null: the log could say nothing
)

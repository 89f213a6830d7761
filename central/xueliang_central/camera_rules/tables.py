"""Versions of a camera's rules, what its node last said of them, what those in the shadow would have raised, and what
the levels above it say for many.

Invariants
    - Versions count up on their camera and are never changed but for their state; a roll-back is a new version.
    - At most one version of a camera is `desired`: a unique partial index. What it says never changes afterwards.
    - `unsent` is set in the transaction that makes a version desired: what is to be sent outlives every process.
    - At most one version of a level is `desired`, and at most one is `trying`: partial indexes.
    - How far a level's version has been brought to its cameras (`spread_after`) is moved in the transaction that
      changes them: each camera gets it once, whatever ends in between.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, String, Table, Text, text

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime, metadata

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
    Column("inherited", JsonText, nullable=True),  # rule_id → setting → area_code; null: all of it is the camera's own
    Column("level_code", String(15), nullable=True),  # made by a version of this area's defaults; null: of the camera
    Column("level_version", Integer, nullable=True),
    Column("live_why", Text, nullable=True),  # why rules first put in force did not start in the shadow
    Column("copy_id", String(36), nullable=True),  # made by this copy of rules to many cameras, or by its roll-back
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
_PROPOSED: Final = text("state = 'proposed'")
Index(  # what waits for a second person, over all cameras
    "rule_versions_waiting",
    rule_versions.c.made_at,
    rule_versions.c.camera_id,
    rule_versions.c.version,
    postgresql_where=_PROPOSED,
    sqlite_where=_PROPOSED,
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

rule_defaults: Final = Table(
    "rule_defaults",
    metadata,
    Column("area_code", String(15), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("area_path", String(AREA_PATH_LENGTH), nullable=False),
    Column("state", String(12), nullable=False),  # see deciding.LevelState
    Column("settings", JsonText, nullable=False),  # hazard → setting → value
    Column("why", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("by_id", String(36), nullable=False),
    Column("by_name", String(120), nullable=False),
    Column("restores", Integer, nullable=True),
    Column("severities", JsonText, nullable=False),  # why a second person is needed, in words; empty: none is
    Column("decided_at", UtcDateTime, nullable=True),
    Column("decided_by_id", String(36), nullable=True),
    Column("decided_by_name", String(120), nullable=True),
    Column("decide_note", Text, nullable=True),
    Column("idempotency_key", String(120), nullable=True),
    Column("spreading", Boolean, nullable=False),  # it is being brought to its cameras
    Column("spread_after", String(63), nullable=False),  # done up to this camera_id
    Column("spread_at", UtcDateTime, nullable=True),  # when all of them had it
    Column("changed", Integer, nullable=False),  # cameras whose rules it changed
    Column("left_out", JsonText, nullable=False),  # camera_id → why it has not got it; at most LEFT_OUT_KEPT
    Index(None, "area_path"),
)
_TRYING: Final = text("state = 'trying'")
_SPREADING: Final = text("spreading"), text("spreading = 1")
Index(
    "rule_defaults_one_desired",
    rule_defaults.c.area_code,
    unique=True,
    postgresql_where=_DESIRED,
    sqlite_where=_DESIRED,
)
Index(
    "rule_defaults_one_trying", rule_defaults.c.area_code, unique=True, postgresql_where=_TRYING, sqlite_where=_TRYING
)
Index("rule_defaults_spreading", rule_defaults.c.area_code, postgresql_where=_SPREADING[0], sqlite_where=_SPREADING[1])


def trial_columns() -> list[Column[Any]]:
    """Of whatever is tried on some cameras first (trials.py)."""
    return [
        Column("area_path", String(AREA_PATH_LENGTH), nullable=False),
        Column("state", String(12), nullable=False),  # see canary.CanaryState
        Column("hours", Float, nullable=False),  # how long it is watched
        Column("promotes_itself", Boolean, nullable=False),
        Column("band", JsonText, nullable=False),  # a canary.Band
        Column("hazards", JsonText, nullable=False),  # whose alerts are counted: those that the version changes
        Column("began_at", UtcDateTime, nullable=True),  # when its cameras had it; null: not yet
        Column("ends_at", UtcDateTime, nullable=True),
        Column("next_look_at", UtcDateTime, nullable=True),
        Column("looked_at", UtcDateTime, nullable=True),
        Column("figures", JsonText, nullable=True),  # a canary.Figures of the last look
        Column("reasons", JsonText, nullable=False),  # what left the band, in numbers
        Column("ended_at", UtcDateTime, nullable=True),
        Column("ended_by", String(120), nullable=True),  # null: by itself
    ]


rule_canaries: Final = Table(
    "rule_canaries",
    metadata,
    Column("area_code", String(15), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    *trial_columns(),
    Index(None, "area_path"),
)
_WATCHED: Final = text("next_look_at IS NOT NULL")
Index("rule_canaries_watched", rule_canaries.c.next_look_at, postgresql_where=_WATCHED, sqlite_where=_WATCHED)

rule_canary_cameras: Final = Table(
    "rule_canary_cameras",
    metadata,
    Column("area_code", String(15), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("camera_id", String(63), primary_key=True),
    Column("was_faulty", Boolean, nullable=False),  # its state before it had the version
    Column("gap_before_s", Float, nullable=True),
    Index(None, "camera_id"),
)

rule_copies: Final = Table(
    "rule_copies",
    metadata,
    Column("copy_id", String(36), primary_key=True),
    Column("source_id", String(63), nullable=False),  # the camera whose rules they were
    Column("rules", JsonText, nullable=False),  # as that camera said them itself
    Column("why", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("by_id", String(36), nullable=False),
    Column("by_name", String(120), nullable=False),
    Column("severities", JsonText, nullable=False),  # why a second person is needed, in words; empty: none is
    Column("decided_at", UtcDateTime, nullable=True),
    Column("decided_by_id", String(36), nullable=True),
    Column("decided_by_name", String(120), nullable=True),
    Column("decide_note", Text, nullable=True),
    Column("idempotency_key", String(120), nullable=True),
    Column("new_in_shadow", Boolean, nullable=False),  # the first rules of a camera start in the shadow
    Column("is_tried", Boolean, nullable=False),  # on some cameras first; else on all at once
    Column("was_promoted", Boolean, nullable=False),  # to all of its cameras, whatever became of it since
    Column("spreading", Boolean, nullable=False),  # it is being brought to its cameras, or back
    *trial_columns(),
    Column("ended_by_id", String(36), nullable=True),  # who rolled it back; null: it did by itself, or was not
    Index(None, "area_path"),
)
Index("rule_copies_one_of_a_key", rule_copies.c.by_id, rule_copies.c.idempotency_key, unique=True)
Index("rule_copies_spreading", rule_copies.c.copy_id, postgresql_where=_SPREADING[0], sqlite_where=_SPREADING[1])
Index("rule_copies_watched", rule_copies.c.next_look_at, postgresql_where=_WATCHED, sqlite_where=_WATCHED)

rule_copy_cameras: Final = Table(
    "rule_copy_cameras",
    metadata,
    Column("copy_id", String(36), primary_key=True),
    Column("camera_id", String(63), primary_key=True),
    Column("is_tried", Boolean, nullable=False),
    Column("seen_version", Integer, nullable=False),  # its newest version as the person saw it
    Column("seen_digest", String(64), nullable=False),  # what it was to run; another one: somebody changed it
    Column("severities", JsonText, nullable=False),  # those that were agreed to
    Column("outcome", String(16), nullable=True),  # null: to be given; "given", else a code of why it was left as it is
    Column("version", Integer, nullable=True),  # that it was given
    Column("before", Integer, nullable=True),  # the version to go back to
    Column("back", String(16), nullable=True),  # null: not gone back; "given", "waits", or why it was left as it is
    Column("was_faulty", Boolean, nullable=False),  # its state before it was given
    Column("gap_before_s", Float, nullable=True),
    Index(None, "camera_id"),
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

"""Sources that may speak, what was reported, and hazards that a rule should have seen.

Invariants
    - A sighting is written with its alert in one transaction; the same key of the same sender is one sighting.
    - Of a resident nothing is kept but a number to call back, and that only until `call_back_until` (`worker`).
    - No secret lies here: a source's key is worked out from the centre's own and `key_version` (`signing`).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime, metadata

sources: Final = Table(
    "sources",
    metadata,
    Column("source_id", String(30), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("area_code", String(15), nullable=False),
    Column("area_path", String(AREA_PATH_LENGTH), nullable=False),  # nothing outside is taken from it
    Column("longitude", Float),  # where it stands; null: each signal says where
    Column("latitude", Float),
    Column("key_version", Integer, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("last_heard_at", UtcDateTime),
)

sightings: Final = Table(
    "sightings",
    metadata,
    Column("sighting_id", String(36), primary_key=True),
    Column("channel", String(10), nullable=False),  # sensor | worker | resident
    Column("by_id", String(40), nullable=False),  # "@" and the source, or the user
    Column("by_name", String(120), nullable=False),
    Column("idempotency_key", String(120), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("alert_id", String(36), nullable=False, index=True),
    Column("hazard", String(40), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("area_code", String(15), nullable=False),
    Column("area_path", String(80), nullable=False),
    Column("longitude", Float, nullable=False),
    Column("latitude", Float, nullable=False),
    Column("text", String(400), nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),  # by the clock of whoever told
    Column("received_at", UtcDateTime, nullable=False),
    Column("cameras", JsonText, nullable=False),  # the nearest: [{camera_id, distance_m, bearing_deg, looks_there}]
    Column("accuracy_m", Float),  # of the place, as the phone told it; null: not told
    Column("call_back", String(24)),
    Column("call_back_until", UtcDateTime),
    UniqueConstraint("by_id", "idempotency_key"),
)
refused_signals: Final = Table(  # over MQTT, by every ingest process: a few rows, however much strangers send
    "refused_signals",
    metadata,
    Column("reason", String(24), primary_key=True),
    Column("times", Integer, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("last_claimed", String(120), nullable=False),  # the source, or topic, that the last of them named
)
Index("sightings_by_scope", sightings.c.area_path, sightings.c.received_at)
Index("sightings_to_forget", sightings.c.call_back_until)

sighting_files: Final = Table(  # what a worker photographed or spoke for an own report; deleted as a task's photos are
    "sighting_files",
    metadata,
    Column("sighting_id", String(36), ForeignKey("sightings.sighting_id", ondelete="CASCADE"), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("kind", String(10), primary_key=True),  # photo | voice
    Column("area_path", String(80), nullable=False),  # of the sighting: who may see it
    Column("added_at", UtcDateTime, nullable=False),
)
Index("sighting_files_by_sha256", sighting_files.c.sha256)

missed_hazards: Final = Table(
    "missed_hazards",
    metadata,
    Column("sighting_id", String(36), ForeignKey("sightings.sighting_id", ondelete="CASCADE"), primary_key=True),
    Column("camera_id", String(63), primary_key=True),
    Column("rule_id", String(64), primary_key=True),
    Column("rules_digest", String(64), nullable=False),  # of all rules of the camera as they were
    Column("hazard", String(40), nullable=False),
    Column("area_path", String(80), nullable=False),  # of the camera
    Column("distance_m", Float, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("marked_at", UtcDateTime, nullable=False),
    Column("why", JsonText, nullable=False),
)
Index("missed_hazards_by_scope", missed_hazards.c.area_path, missed_hazards.c.marked_at)

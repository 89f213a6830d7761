"""Rows of incidents: the incident, its member alerts (highest revision of each), its timeline, the numbers of the day.

Invariants
    - One open incident per group key (area, hazard, place, drill): the partial unique index `incidents_one_open`, on
      both databases. Folding decides under a lock; the index is what makes a mistake impossible.
    - `alerts` holds one row per alert_id: the highest revision that has arrived. Every revision as sent lies in
      `spool_records` (ingest/tables.py).
    - The aggregates of an incident (counts, severity, times, face) are a pure function of its member rows, recomputed
      whenever one changes: the order of arrival leaves no trace in them. Two things of a person stand above them: who
      reopens it takes `gone` back until then, and who raises its severity keeps it there (`raised.py`).
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, text

from xueliang_central.store.metadata import JsonText, UtcDateTime, metadata

incidents = Table(
    "incidents",
    metadata,
    Column("incident_id", String(36), primary_key=True),
    Column("number", String(24), nullable=False, unique=True),
    Column("hazard", String(40), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("area_code", String(15), nullable=False),
    Column("area_path", String(80), nullable=False),
    Column("owner_level", String(16), nullable=False),
    Column("place_key", String(64), nullable=False),  # the camera that opened it, or a key of `shedding`
    Column("camera_id", String(64), nullable=False),
    Column("camera_name", String(200), nullable=False),
    Column("longitude", Float),
    Column("latitude", Float),
    Column("place_class", String(24), nullable=False),
    Column("misplaced", Boolean, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("last_observed_at", UtcDateTime, nullable=False),
    Column("alert_count", Integer, nullable=False),
    Column("camera_count", Integer, nullable=False),
    Column("still_present", Boolean, nullable=False),
    Column("gone", Boolean, nullable=False),  # every member's place was seen clear: what verification asks
    Column("reason", JsonText, nullable=False),
    Column("measures", JsonText, nullable=False),
    Column("picture", JsonText),  # {sha256, boxes_xyxyn, frame_size_wh}; whether it is here is asked when shown
    Column("why_routed", JsonText, nullable=False),
    Column("policy", JsonText, nullable=False),  # the limits as they were when it opened
    Column("handled_at", UtcDateTime),
    Column("verified", Boolean, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("close_reason", String(24)),
    Column("review", String(12)),  # of what ended before it was judged: see incidents/reviewing.py
    Column("sent_when_gone", Boolean, nullable=False, default=False),  # a person sent somebody all the same: it stands
    Column("urged", JsonText),  # how often, the last time by whom, and about which task: see dispatch/urging.py
    Column("messages", JsonText),  # between desks and worker, the newest: see dispatch/messaging.py
    Column("suspension", JsonText),  # of its task, the last one: see incidents/suspended.py
    Column("later_limit", JsonText),  # of its task, the last one asked for: see incidents/later_limit.py
    Column("supervision", JsonText),  # by a centre above, the last one: see incidents/supervised.py
    Column("raised", JsonText),  # the severity that a person has said, the last one: see incidents/raised.py
    Column("reopened_count", Integer, nullable=False),
    Column("version", Integer, nullable=False),
)
Index(
    "incidents_one_open",
    incidents.c.area_code,
    incidents.c.hazard,
    incidents.c.place_key,
    incidents.c.drill,
    unique=True,
    postgresql_where=text("state <> 'closed'"),
    sqlite_where=text("state <> 'closed'"),
)
Index("incidents_by_group", incidents.c.area_code, incidents.c.hazard, incidents.c.closed_at)
Index("incidents_by_scope", incidents.c.area_path, incidents.c.opened_at)
Index("incidents_by_opened", incidents.c.opened_at, incidents.c.incident_id)
Index("incidents_by_area", incidents.c.area_code, incidents.c.opened_at)  # what roll-ups are computed from
Index("incidents_by_camera", incidents.c.camera_id, incidents.c.opened_at)  # what was there before
# What the worker asks for every second, in the same words in the query and in its index, so that both databases see
# that the index answers it: what may have to leave a collective incident, and what ends by itself once it has settled.
HOLDS: Final = "place_key LIKE '~%' AND NOT gone"
_GONE: Final = "gone AND state IN ('open', 'dispatched', 'unit_told')"
# Fire and severity 1 wait for somebody's judgement however long they are gone (`dispatch.service.waits_for_a_person`).
_WAITS: Final = "state = 'open' AND alert_count > 0 AND (hazard = 'fire_smoke' OR severity = 1)"
# A person sent somebody although it was gone: it stands until somebody has said what became of it.
_STANDS: Final = "sent_when_gone AND alert_count > 0"
SETTLES: Final = f"{_GONE} AND NOT ({_WAITS}) AND NOT ({_STANDS})"
Index("incidents_that_hold", incidents.c.incident_id, postgresql_where=text(HOLDS), sqlite_where=text(HOLDS))
Index("incidents_that_settle", incidents.c.incident_id, postgresql_where=text(_GONE), sqlite_where=text(_GONE))
# What ended before it was judged, the newest first; `area_path` so that a scope is counted from the index alone.
ENDED_UNJUDGED: Final = "review IS NOT NULL"
Index(
    "incidents_to_review",
    *(incidents.c[name] for name in ("review", "opened_at", "incident_id", "area_path")),
    postgresql_where=text(ENDED_UNJUDGED),
    sqlite_where=text(ENDED_UNJUDGED),
)

# What the command page counts by area, while it has not all of them.
IS_OPEN: Final = "state <> 'closed'"
Index(
    "incidents_open_by_area",
    *(incidents.c[name] for name in ("area_path", "severity", "state", "drill")),
    postgresql_where=text(IS_OPEN),
    sqlite_where=text(IS_OPEN),
)


def alert_columns() -> tuple[Column[Any], ...]:
    """What is kept of an alert, new columns at each call; whoever holds it (incident or silence) says where and why."""
    return (
        Column("alert_id", String(36), primary_key=True),
        Column("area_path", String(80), nullable=False),
        Column("node_id", String(64), nullable=False),
        Column("spool_id", String(36), nullable=False),
        Column("sequence", BigInteger, nullable=False),  # of the revision kept here
        Column("revision", Integer, nullable=False),
        Column("phase", String(12), nullable=False),
        Column("end_reason", String(16)),
        Column("camera_id", String(64), nullable=False),
        Column("hazard", String(40), nullable=False),
        Column("rule_id", String(64), nullable=False),
        Column("rule_version", BigInteger, nullable=False),
        Column("model_digest", String(64)),
        Column("severity", Integer, nullable=False),
        Column("confidence", Float, nullable=False),
        Column("began_at", UtcDateTime, nullable=False),
        Column("raised_at", UtcDateTime, nullable=False),
        Column("observed_at", UtcDateTime, nullable=False),
        Column("ended_at", UtcDateTime),
        Column("emitted_at", UtcDateTime, nullable=False),
        Column("first_received_at", UtcDateTime, nullable=False),
        Column("received_at", UtcDateTime, nullable=False),
        Column("clock_state", String(16), nullable=False),
        Column("boxes_xyxyn", JsonText, nullable=False),
        Column("frame_size_wh", JsonText),
        Column("measures", JsonText, nullable=False),
        Column("reason", JsonText, nullable=False),
        Column("evidence", JsonText, nullable=False),  # [{sha256, kind, bytes}]
        Column("drill", Boolean, nullable=False),
        Column("longitude", Float),
        Column("latitude", Float),
    )


alerts = Table(
    "alerts",
    metadata,
    *alert_columns(),
    Column("incident_id", String(36), ForeignKey("incidents.incident_id"), nullable=False, index=True),
    Column("why_folded", JsonText, nullable=False),
    Column("county_code", String(15)),  # of its camera on receipt; null: received by a release before there were counts
)
Index("alerts_by_camera", alerts.c.camera_id, alerts.c.began_at)
Index("alerts_by_county", alerts.c.county_code, alerts.c.first_received_at)  # of the last hour: is a county to shed
Index("alerts_by_receipt", alerts.c.first_received_at)  # what has been kept long enough

expected_pictures = Table(
    "expected_pictures",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("alert_id", String(36), primary_key=True),
    Column("incident_id", String(36), ForeignKey("incidents.incident_id"), nullable=False, index=True),
    Column("node_id", String(64), nullable=False),
    Column("area_path", String(80), nullable=False),  # who may see it: the scope of the incident
    Column("kind", String(12), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("named_at", UtcDateTime, nullable=False),
    Column("removed_at", UtcDateTime),  # it was here and has been kept long enough
)
Index("expected_pictures_by_alert", expected_pictures.c.alert_id)  # of alerts that go to another incident

incident_timeline = Table(
    "incident_timeline",
    metadata,
    Column("entry_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("incident_id", String(36), ForeignKey("incidents.incident_id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("actor_kind", String(8), nullable=False),
    Column("actor_name", String(120), nullable=False),
    Column("params", JsonText, nullable=False),
)
Index("incident_timeline_by_incident", incident_timeline.c.incident_id, incident_timeline.c.entry_id)

incident_numbers = Table(
    "incident_numbers",
    metadata,
    Column("day", String(8), primary_key=True),
    Column("last", Integer, nullable=False),
)

move_keys = Table(
    "move_keys",
    metadata,
    Column("actor_id", String(64), primary_key=True),
    Column("idempotency_key", String(120), primary_key=True),
    Column("object_id", String(36), nullable=False),
    Column("move", String(24), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

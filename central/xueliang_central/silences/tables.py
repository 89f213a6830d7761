"""Rows of what is held back: silences (of every kind), the alerts they hide, and events that are proposed.

Invariants
    - An alert is hidden here or lies in an incident (`alerts`), never both: what leaves says so in `standing` and
      stays in the books of its silence, as a copy that no longer changes.
    - `hidden` is only what a silence hides now and nobody has seen to be gone: what the worker looks through.
    - `silence_alerts` is a book: a row for every alert that a silence has ever hidden, with why. Counts are counted in
      it, so nothing that was hidden is missing from them.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, text

from xueliang_central.incidents.tables import alert_columns
from xueliang_central.store.metadata import JsonText, UtcDateTime, metadata

silences: Final = Table(
    "silences",
    metadata,
    Column("silence_id", String(36), primary_key=True),
    Column("kind", String(12), nullable=False),  # silence | maintenance | event | fault
    Column("area_code", String(15), nullable=False),
    Column("area_path", String(80), nullable=False),  # nothing outside of it is ever hidden
    Column("camera_id", String(64)),
    Column("node_id", String(64)),
    Column("hazard", String(40)),
    Column("rule_id", String(64)),
    Column("hazards", JsonText),  # of a fault: what it mutes at its camera; null: `hazard` says which
    Column("severities", JsonText, nullable=False),
    Column("reason", String(1000), nullable=False),
    Column("owner_id", String(36), nullable=False),
    Column("owner_name", String(120), nullable=False),
    Column("owner_path", String(80), nullable=False),  # the owner's area when it was made: who stands above
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("weekly", JsonText),  # bands as in a rule's schedule; null: all the time from start to end
    Column("made_at", UtcDateTime, nullable=False),
    Column("proposal_id", String(36)),
    Column("closed_at", UtcDateTime),
    Column("close_reason", String(12)),  # ended | expired
    Column("closed_by", String(120)),
    Column("close_note", String(1000)),
    Column("version", Integer, nullable=False),
)
OPEN: Final = "closed_at IS NULL"
Index("silences_open", silences.c.area_path, postgresql_where=text(OPEN), sqlite_where=text(OPEN))
Index("silences_due", silences.c.ends_at, postgresql_where=text(OPEN), sqlite_where=text(OPEN))
Index("silences_by_made", silences.c.made_at, silences.c.silence_id)
Index("silences_closed", silences.c.closed_at)

silenced_alerts: Final = Table(
    "silenced_alerts",
    metadata,
    *alert_columns(),
    Column("silence_id", String(36), ForeignKey("silences.silence_id"), nullable=False),  # which hides it, or did last
    Column("standing", String(8), nullable=False),  # hidden | over | left
    Column("left_at", UtcDateTime),
    Column("incident_id", String(36), ForeignKey("incidents.incident_id")),  # where it went
    Column("why_left", JsonText),
)
HIDDEN: Final = "standing = 'hidden'"
Index(
    "silenced_alerts_hidden",
    silenced_alerts.c.silence_id,
    postgresql_where=text(HIDDEN),
    sqlite_where=text(HIDDEN),
)
Index(
    "silenced_alerts_by_rule", silenced_alerts.c.camera_id, silenced_alerts.c.rule_id, silenced_alerts.c.began_at
)  # is an end that nobody saw followed by a later episode
Index("silenced_alerts_by_area", silenced_alerts.c.area_path, silenced_alerts.c.first_received_at)

silence_alerts: Final = Table(
    "silence_alerts",
    metadata,
    Column("silence_id", String(36), ForeignKey("silences.silence_id"), primary_key=True),
    Column("alert_id", String(36), ForeignKey("silenced_alerts.alert_id"), primary_key=True),
    Column("hidden_at", UtcDateTime, nullable=False),
    Column("why", JsonText, nullable=False),
)
Index("silence_alerts_by_time", silence_alerts.c.silence_id, silence_alerts.c.hidden_at)
Index("silence_alerts_by_alert", silence_alerts.c.alert_id)

calendar_proposals: Final = Table(
    "calendar_proposals",
    metadata,
    Column("proposal_id", String(36), primary_key=True),
    Column("area_code", String(15), nullable=False),
    Column("area_path", String(80), nullable=False),
    Column("camera_id", String(64), nullable=False),
    Column("camera_name", String(200), nullable=False),
    Column("hazard", String(40), nullable=False),
    Column("rule_id", String(64), nullable=False),
    Column("weekly", JsonText, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),  # of the event; also when an unanswered proposal lapses
    Column("closings", JsonText, nullable=False),  # [{incident_id, number, began_at, closed_at}]: the why
    Column("state", String(10), nullable=False),  # open | accepted | refused | lapsed
    Column("made_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("decided_by", String(120)),
    Column("note", String(1000)),
    Column("silence_id", String(36)),  # the event that came of it
    Column("version", Integer, nullable=False),
)
Index("calendar_proposals_by_place", calendar_proposals.c.camera_id, calendar_proposals.c.rule_id)
Index("calendar_proposals_by_made", calendar_proposals.c.made_at, calendar_proposals.c.proposal_id)

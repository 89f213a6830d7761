"""What each incident says of each rule that raised it, and which rules are in force at which camera.

Invariants
    - A row of `noise_cases` is a pure function of the incident, its timeline and its alerts: it is written anew
      whenever an event tells of the incident, never added to. Drills and what was merged have none.
    - `noise_state` says up to which event that is done; it moves in the transaction that writes the rows.
    - Rows older than `following.KEPT` are of no span that can be asked for, and go.
    - `noise_rules` follows what the nodes say they run (`rule_reports`), camera by camera, by the digest.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table

from xueliang_central.store.metadata import AREA_PATH_LENGTH, UtcDateTime, metadata

noise_cases: Final = Table(
    "noise_cases",
    metadata,
    Column("incident_id", String(36), primary_key=True),
    Column("camera_id", String(64), primary_key=True),
    Column("rule_id", String(80), primary_key=True),
    Column("area_path", String(AREA_PATH_LENGTH), nullable=False),  # of the camera; not in the register: the incident's
    Column("hazard", String(40), nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),  # of the incident: to which span it belongs, as in reports
    Column("judged", String(12), nullable=False),  # one of incidents.judging.JUDGEMENTS
    Column("alerts", Integer, nullable=False),  # how often the rule was raised in it
    Column("peak", Integer, nullable=False),  # the most of them within the policy's flap_window_s
    Column("last_raised_at", UtcDateTime, nullable=False),
)
Index("noise_cases_by_area", noise_cases.c.area_path, noise_cases.c.opened_at)
Index("noise_cases_by_rule", noise_cases.c.camera_id, noise_cases.c.rule_id, noise_cases.c.last_raised_at)
Index("noise_cases_by_raised", noise_cases.c.last_raised_at)  # what may go

noise_rules: Final = Table(
    "noise_rules",
    metadata,
    Column("camera_id", String(63), primary_key=True),
    Column("rule_id", String(80), primary_key=True),
    Column("hazard", String(40), nullable=False),
    Column("shadow", Boolean, nullable=False),
    Column("scheduled", Boolean, nullable=False),  # it watches at some hours only
    Column("content", String(64), nullable=False),  # digest of the rule alone
    Column("since", UtcDateTime, nullable=False),  # since when it has been as it is
)

noise_cameras: Final = Table(
    "noise_cameras",
    metadata,
    Column("camera_id", String(63), primary_key=True),
    Column("node_id", String(63), nullable=False),
    Column("digest", String(64), nullable=False),  # of the rules that `noise_rules` has
)

noise_state: Final = Table(
    "noise_state",
    metadata,
    Column("name", String(8), primary_key=True),  # one row: "events"
    Column("position", BigInteger, nullable=False),  # the last event whose incidents are here
)

"""What the managing unit of a lane was asked of an incident.

Invariants
    - One request for an incident, ever: a unit that did not clear it is not asked a second time.
    - No telephone number and no token lies here: the number is the lane's, and a link is worked out from its key.
    - `state` is what the unit has said, or what ended the request. One that waits here while the incident has left the
      two states of a unit is over (`requests.standing`).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Float, ForeignKey, Index, String, Table

from xueliang_central.store.metadata import UtcDateTime, metadata

unit_requests: Final = Table(
    "unit_requests",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("incident_id", String(36), ForeignKey("incidents.incident_id"), nullable=False),
    Column("lane_id", String(63), nullable=False),  # as it was told: the register may have lost it since
    Column("lane_name", String(80), nullable=False),
    Column("unit", String(80), nullable=False),
    Column("code", String(4), nullable=False),  # tells a short message's reply from others of the same number
    Column("state", String(10), nullable=False),  # told | clearing | done | cannot | given_up | bypassed
    Column("told_at", UtcDateTime, nullable=False),
    Column("reply_by", UtcDateTime, nullable=False),
    Column("clear_s", Float, nullable=False),
    Column("opened_at", UtcDateTime),  # the link was opened for the first time
    Column("replied_at", UtcDateTime),
    Column("replied_by", String(8)),  # link | gateway: of the last reply
    Column("clear_by", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Index(None, "incident_id", unique=True),
    Index(None, "lane_id"),
)

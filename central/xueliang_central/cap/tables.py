"""Messages as they were told, and how far each incident has been told.

Invariants
    - A row of `cap_messages` is written once and never changed: what a receiver has fetched can be fetched again,
      also when the incident has been forgotten: nothing here refers to its row.
    - `cap_told` says what the receivers were told last of an incident, so that only what matters is told again.
    - `cap_set_aside` names the incidents of which no document could be made; the others are told meanwhile.
    - Of a receiver's token only its hash is kept.
    - `cap_progress` has one row at most: up to which event the incidents have been looked at. Who holds it tells.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime, metadata

cap_messages: Final = Table(
    "cap_messages",
    metadata,
    Column("identifier", String(80), primary_key=True),
    Column("incident_id", String(36), nullable=False, index=True),
    Column("area_path", String(80), nullable=False),  # whose message it is: that of the incident when it was sent
    Column("area_code", String(15), nullable=False),
    Column("number", String(24), nullable=False),
    Column("hazard", String(40), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("status", String(8), nullable=False),  # Actual | Exercise | Test
    Column("message_type", String(6), nullable=False),  # Alert | Update | Cancel
    Column("scope", String(10), nullable=False),
    Column("sent_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("refers_to", JsonText, nullable=False),  # ["sender,identifier,sent"], oldest first
    Column("why", JsonText, nullable=False),
    # Only for receivers that do not see this area: the incident has gone there from `area_path`. Null: for all.
    Column("gone_to", String(AREA_PATH_LENGTH), nullable=True),
    Column("sha256", String(64), nullable=False),  # of the document
    Column("document", Text, nullable=False),
)
Index("cap_messages_by_sent", cap_messages.c.sent_at, cap_messages.c.identifier)

cap_told: Final = Table(
    "cap_told",
    metadata,
    Column("incident_id", String(36), primary_key=True),
    Column("messages", Integer, nullable=False),  # of this incident, ever
    Column("chain", JsonText, nullable=False),  # references to what is in force: since the last Alert
    Column("facts", JsonText, nullable=False),
    Column("renew_at", UtcDateTime, index=True),  # before what was told last expires; null: it is over
)

cap_set_aside: Final = Table(
    "cap_set_aside",
    metadata,
    Column("incident_id", String(36), primary_key=True),
    Column("why", String(200), nullable=False),  # the kind of error: its text may hold anything
    Column("since", UtcDateTime, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_try_at", UtcDateTime, nullable=False, index=True),
)

cap_receivers: Final = Table(
    "cap_receivers",
    metadata,
    Column("receiver_id", String(30), primary_key=True),
    Column("area_path", String(AREA_PATH_LENGTH), nullable=False),  # what is told of this area and below
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("added_at", UtcDateTime, nullable=False),
)

cap_progress: Final = Table(
    "cap_progress",
    metadata,
    Column("progress_id", Integer, primary_key=True, autoincrement=False),
    Column("event_id", BigInteger, nullable=False),
)

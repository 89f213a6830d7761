"""Other systems that are told of incidents by HTTP, and what could not be told them.

Invariants
    - The journal (`events`) is the outbox: an event is there if and only if its change is. A webhook keeps how far it
      has been told, so that nothing is written for it when something happens.
    - `next_try_at` is also the claim of whoever sends: it lies ahead while a try is in the air.
    - No key lies here: a webhook's key is worked out from the intake key and its version (`intake/signing.py`).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text

from xueliang_central.store.metadata import AREA_PATH_LENGTH, UtcDateTime, metadata

webhooks: Final = Table(
    "webhooks",
    metadata,
    Column("webhook_id", String(30), primary_key=True),
    Column("area_path", String(AREA_PATH_LENGTH), nullable=False),  # what is told of this area and below
    Column("url", Text, nullable=False),
    Column("key_version", BigInteger, nullable=False),  # seconds since 1970 when it was made: never given twice
    Column("added_at", UtcDateTime, nullable=False),
    Column("event_id", BigInteger, nullable=False),  # told, or given up, up to this one
    Column("attempts", Integer, nullable=False),  # at the next one
    Column("next_try_at", UtcDateTime, nullable=False, index=True),
    Column("last_error", String(40)),
    Column("told_at", UtcDateTime),
)

webhook_dead_letters: Final = Table(
    "webhook_dead_letters",
    metadata,
    Column("webhook_id", String(30), primary_key=True),
    Column("event_id", BigInteger, primary_key=True),
    Column("reason", String(40), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("given_up_at", UtcDateTime, nullable=False),
)

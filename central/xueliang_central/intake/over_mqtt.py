"""Signals of sensors and stations that come over MQTT: the treatment of the webhook, without an answer.

Invariants
    - What is not signed by the source of its topic is not kept: it is counted by reason in the database, for every
      process that refuses.
    - What is signed and cannot be taken, and what a known source sent that is no envelope, is in quarantine with the
      reason, under its topic: a replay takes the same way again.
    - A signal is taken once, by its key, however often the broker repeats it; a kill may come between take and
      acknowledgement.
    - A message may have waited at the broker while the centre was away: `LONGEST_WAIT_S` from its signature. Within
      that its key is known (`sightings` are kept longer), so a message taken from the wire does nothing again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import NotUnderstood, content_hash
from xueliang_alerts.stations import SignedSignal, read_signed_signal
from xueliang_alerts.topics import source_of_topic
from xueliang_central.errors import Conflict
from xueliang_central.incidents.change import Change
from xueliang_central.ingest.admission import Received, Refusal, RefusalKind
from xueliang_central.intake import service, signing
from xueliang_central.intake.sources import source_of
from xueliang_central.intake.tables import refused_signals

Row = dict[str, Any]

LONGEST_WAIT_S: Final = 24 * 3600.0  # the outage that the broker's queues are sized for is 8 h
PER_SECOND: Final = 2.0  # as for the webhook: a station that tells more often measures; it does not alarm
BURST: Final = 60.0
_REMEMBERED: Final = 2_000  # messages in hand are tried again while the database is away: they are counted once
NO_KEY: Final = "there is no intake.key in data_dir of the ingest process: copy it there, then replay"


@dataclass(slots=True)
class _Allowance:
    tokens: float
    signed_s: float


class StationSignals:
    """Takes signals as `ingest.stations` asks for it. One for the process; not thread-safe."""

    def __init__(self, key_path: Path) -> None:
        """`key_path`: of the intake key; it is read when there is something to check, and need not be there before."""
        self._key_path = key_path
        self._key: bytes | None = None
        self._allowances: dict[str, _Allowance] = {}
        self._admitted: OrderedDict[str, None] = OrderedDict()

    async def __call__(self, change: Change, received: Received, *, is_replay: bool) -> str | Refusal:
        source_id = source_of_topic(received.topic)
        if source_id is None:
            return await _refused(change, "bad_topic", received.topic)
        source = await source_of(change.conn, source_id)
        if source is None:
            return await _refused(change, "unknown_source", source_id)
        if source["disabled"]:
            return await _refused(change, "disabled", source_id)
        try:
            envelope = read_signed_signal(received.payload)
        except NotUnderstood as error:
            return _quarantined(received, source_id, error.reason)
        if self._intake_key() is None:
            return Refusal(received, RefusalKind.FAILED, NO_KEY, f"@{source_id}")
        why = self._why_not_genuine(source, envelope, change.now)
        if why is not None:
            return _quarantined(received, source_id, why) if is_replay else await _refused(change, why, source_id)
        if not is_replay:
            age_s = change.now.timestamp() - int(envelope.time)
            if age_s > LONGEST_WAIT_S:
                return _quarantined(
                    received, source_id, f"signed {age_s / 3600:.0f} h before it came: replay or drop it"
                )
            if not self._allows(source_id, float(envelope.time), content_hash(received.payload)):
                return await _refused(change, "throttled", source_id)
        return await _taken(change, source, envelope.signal.encode(), received)

    def _intake_key(self) -> bytes | None:
        if self._key is None:
            self._key = signing.read_key(self._key_path)
        return self._key

    def _why_not_genuine(self, source: Row, envelope: SignedSignal, now: datetime) -> str | None:
        key = signing.key_of(self._key or b"", source["source_id"], source["key_version"])
        body = envelope.signal.encode("utf-8", "surrogatepass")
        if not signing.is_genuine(key, envelope.time, source["source_id"], body, envelope.signature):
            return "bad_signature"
        if int(envelope.time) - now.timestamp() > signing.WINDOW_S:
            return "outside_window"
        return None

    def _allows(self, source_id: str, signed_s: float, digest: str) -> bool:
        """By the times at which it signed: what waited at the broker comes all at once and was not told all at once."""
        if digest in self._admitted:
            return True
        mine = self._allowances.setdefault(source_id, _Allowance(BURST, signed_s))
        mine.tokens = min(BURST, mine.tokens + max(0.0, signed_s - mine.signed_s) * PER_SECOND)
        mine.signed_s = max(mine.signed_s, signed_s)
        if mine.tokens < 1.0:
            return False
        mine.tokens -= 1.0
        self._admitted[digest] = None
        if len(self._admitted) > _REMEMBERED:
            self._admitted.popitem(last=False)
        return True


async def _taken(change: Change, source: Row, body: bytes, received: Received) -> str | Refusal:
    """Nothing was written yet when this finds that the signal cannot be taken."""
    try:
        signal, place = service.understand(source, body, change.now)
        taken = await service.take_signal(change, source, signal, place, body)
    except (NotUnderstood, Conflict) as error:
        reason = error.reason if isinstance(error, NotUnderstood) else error.detail
        return _quarantined(received, source["source_id"], reason)
    return "repeated" if taken.is_repeated else "taken"


def _quarantined(received: Received, source_id: str, reason: str) -> Refusal:
    return Refusal(received, RefusalKind.NOT_UNDERSTOOD, reason, f"@{source_id}")


async def _refused(change: Change, reason: str, claimed: str) -> str:
    """Count it; strangers can send as much as they like."""
    dialect = postgresql if change.conn.dialect.name == "postgresql" else sqlite
    claimed = claimed.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:120]
    row = {"reason": reason, "times": 1, "last_at": change.now, "last_claimed": claimed}
    again = {"times": refused_signals.c.times + 1, "last_at": change.now, "last_claimed": claimed}
    upsert = dialect.insert(refused_signals).values(**row)
    await change.conn.execute(upsert.on_conflict_do_update(index_elements=[refused_signals.c.reason], set_=again))
    return f"refused_{reason}"


async def refused_over_mqtt(conn: AsyncConnection) -> dict[str, int]:
    """How often what was refused, by reason, since the centre was set up."""
    found = await conn.execute(select(refused_signals.c.reason, refused_signals.c.times))
    return {row.reason: row.times for row in found}

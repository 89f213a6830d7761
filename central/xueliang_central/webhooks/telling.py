"""Tells other systems what happens to incidents: the journal → the next event of a webhook → one signed POST.

Invariants
    - Each webhook is told in the order of the journal, one event at a time: the next one goes when this one is taken,
      refused, or older than a day.
    - No transaction is open while a receiver is asked. A worker that is killed meanwhile has the same event told once
      more when its claim is over, under the same delivery id.
    - What leaves is in `message_of`: no picture, no name of a camera or a person, no text that anybody has typed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.clocks import Wall
from xueliang_central.intake.signing import SIGNATURE_HEADER, TIME_HEADER, read_key, signature_of
from xueliang_central.notices.channels import HttpDoor, outcome_of, say_no_addresses
from xueliang_central.notices.outcomes import Outcome, Refused, Taken, TryAgain
from xueliang_central.notices.requests import Post
from xueliang_central.notices.sending import FIRST_PAUSE_S, LONGEST_PAUSE_S
from xueliang_central.notices.targets import Targets
from xueliang_central.rights.scope import in_area
from xueliang_central.store.claims import skip_taken
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events
from xueliang_central.webhooks.register import signing_key
from xueliang_central.webhooks.tables import webhook_dead_letters, webhooks

log = logging.getLogger(__name__)

Row = dict[str, Any]

WEBHOOK_HEADER: Final = "x-xueliang-webhook"
KEY_HEADER: Final = "x-xueliang-key"
GIVEN_UP_AFTER: Final = timedelta(hours=24)  # of an event: who is away for longer asks the API what is open
CLAIM_SPARE_S: Final = 10.0  # beyond the deadline of a try
AT_ONCE: Final = 50  # events of a webhook in one go
_INCIDENT: Final = "incident"
_TOLD: Final = (
    *("incident_id", "number", "version", "hazard", "severity", "state", "drill", "still_present", "verified"),
    *("began_at", "opened_at", "updated_at", "last_observed_at", "closed_at", "close_reason", "alert_count"),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one webhook. `claimed_until`: what `next_try_at` was set to."""

    webhook: Row
    event_id: int
    at: datetime
    body: bytes
    claimed_until: datetime

    @property
    def delivery_id(self) -> str:
        return f"{self.webhook['webhook_id']}-{self.event_id}"


def message_of(webhook_id: str, event_id: int, at: datetime, incident: Row) -> bytes:
    """What is posted: always the same bytes for the same event."""
    area = incident["area"]
    told = {name: incident.get(name) for name in _TOLD}
    told["area"] = {name: area.get(name) for name in ("code", "name", "name_en")}
    body = {
        "delivery_id": f"{webhook_id}-{event_id}",
        "kind": "incident.changed",
        "at": at.isoformat().replace("+00:00", "Z"),
        "incident": told,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def signed_post(delivery: Delivery, key: str, now: datetime) -> Post:
    """The time is that of this try, so that a receiver may refuse what is old."""
    webhook_id, timestamp = delivery.webhook["webhook_id"], str(int(now.timestamp()))
    headers = {
        "content-type": "application/json",
        "idempotency-key": delivery.delivery_id,
        WEBHOOK_HEADER: webhook_id,
        KEY_HEADER: str(delivery.webhook["key_version"]),
        TIME_HEADER: timestamp,
        SIGNATURE_HEADER: signature_of(key, timestamp, webhook_id, delivery.body),
    }
    return Post("POST", delivery.webhook["url"], headers, delivery.body)


class Teller:
    """Of one worker. `look` starts what is due and returns; a receiver that hangs delays no other."""

    def __init__(self, database: Database, wall: Wall, targets: Targets, key_path: Path, *, deadline_s: float) -> None:
        self._database, self._wall, self._targets = database, wall, targets
        self._key_path, self._deadline_s = key_path, deadline_s
        self._door: HttpDoor | None = None
        self._in_hand: dict[str, asyncio.Task[None]] = {}
        self.counts: Counter[str] = Counter()

    async def look(self) -> int:
        """Returns how many webhooks are being told."""
        now = self._wall()
        async with self._database.reading() as conn:
            due = await _due(conn, now)
        for webhook_id in due:
            task = self._in_hand.get(webhook_id)
            if task is None or task.done():
                self._in_hand[webhook_id] = asyncio.create_task(self._tell(webhook_id), name=f"webhook {webhook_id}")
        return len(due)

    async def settle(self) -> None:
        """Until nothing is in hand."""
        await asyncio.gather(*self._in_hand.values())

    async def close(self) -> None:
        for task in self._in_hand.values():
            task.cancel()
        await asyncio.gather(*self._in_hand.values(), return_exceptions=True)

    async def _tell(self, webhook_id: str) -> None:
        try:
            for _ in range(AT_ONCE):
                if not await self._tell_next(webhook_id):
                    return
        except Exception:  # the supervisor's loop: the claim ends by itself, then it is tried again
            self.counts["failed"] += 1
            log.exception("a webhook cannot be told", extra={"webhook_id": webhook_id})

    async def _tell_next(self, webhook_id: str) -> bool:
        """True: there may be another one to tell at once."""
        intake_key = await asyncio.to_thread(read_key, self._key_path)
        if intake_key is None:
            log.warning("webhooks wait for the intake key", extra={"webhook_id": webhook_id})
            return False
        async with self._database.transaction() as conn:
            delivery = await _claim(conn, webhook_id, self._wall(), self._deadline_s + CLAIM_SPARE_S)
        if delivery is None:
            return False
        key = signing_key(intake_key, webhook_id, delivery.webhook["key_version"])
        outcome = await outcome_of(self._post(signed_post(delivery, key, self._wall())), self._deadline_s)
        async with self._database.transaction() as conn:
            is_done = await _note(conn, delivery, outcome, self._wall())
        self.counts[type(outcome).__name__] += 1
        return is_done

    async def _post(self, post: Post) -> Outcome:
        if self._door is None:
            say_no_addresses()
            self._door = HttpDoor(self._targets, ssl.create_default_context())
        return (await self._door.post(post))[0]


async def _due(conn: AsyncConnection, now: datetime) -> list[str]:
    """Asked by reading, so that an idle worker never takes the writer's place."""
    latest = select(func.max(events.c.event_id)).scalar_subquery()
    query = select(webhooks.c.webhook_id).where(webhooks.c.next_try_at <= now, webhooks.c.event_id < latest)
    return list((await conn.execute(query.order_by(webhooks.c.next_try_at))).scalars())


async def _claim(conn: AsyncConnection, webhook_id: str, now: datetime, lasts_s: float) -> Delivery | None:
    """The next event of a webhook, for this worker alone until the claim is over. None: nothing to tell now."""
    mine = webhooks.c.webhook_id == webhook_id
    found = await conn.execute(skip_taken(select(webhooks).where(mine, webhooks.c.next_try_at <= now)))
    row = found.mappings().one_or_none()
    if row is None:
        return None
    latest = (await conn.execute(select(func.max(events.c.event_id)))).scalar_one() or 0
    query = select(events.c.event_id, events.c.at, events.c.body).where(
        events.c.event_id > row["event_id"],
        events.c.event_id <= latest,
        events.c.kind == _INCIDENT,
        events.c.for_user.is_(None),
        in_area(events.c.area_path, row["area_path"]),
    )
    event = (await conn.execute(query.order_by(events.c.event_id).limit(1))).one_or_none()
    if event is None:
        if latest > row["event_id"]:
            await conn.execute(update(webhooks).where(mine).values(event_id=latest))
        return None
    until = now + timedelta(seconds=lasts_s)
    await conn.execute(update(webhooks).where(mine).values(next_try_at=until))
    body = message_of(webhook_id, event.event_id, event.at, event.body[_INCIDENT])
    return Delivery(dict(row), event.event_id, event.at, body, until)


async def _note(conn: AsyncConnection, delivery: Delivery, outcome: Outcome, now: datetime) -> bool:
    """What became of a try. True: the next event may go at once. Nothing, when the claim is another's by now."""
    row, attempts = delivery.webhook, delivery.webhook["attempts"] + 1
    done = {"event_id": delivery.event_id, "attempts": 0, "next_try_at": now}
    values: Row
    match outcome:
        case Taken():
            values = {**done, "last_error": None, "told_at": now}
        case TryAgain(reason, after_s) if now - delivery.at < GIVEN_UP_AFTER:
            later = now + timedelta(seconds=_pause_s(attempts, after_s))
            values = {"attempts": attempts, "next_try_at": later, "last_error": reason[:40]}
        case TryAgain(reason) | Refused(reason):
            values = {**done, "last_error": reason[:40]}
    claimed = (webhooks.c.webhook_id == row["webhook_id"], webhooks.c.next_try_at == delivery.claimed_until)
    if (await conn.execute(update(webhooks).where(*claimed).values(**values))).rowcount == 0:
        return False
    is_done = "event_id" in values
    if is_done and not isinstance(outcome, Taken):
        dead = {"webhook_id": row["webhook_id"], "event_id": delivery.event_id, "reason": values["last_error"]}
        await conn.execute(insert(webhook_dead_letters), {**dead, "attempts": attempts, "given_up_at": now})
        log.warning("a webhook was not told", extra={"webhook_id": row["webhook_id"], "why": values["last_error"]})
    return is_done


def _pause_s(attempts: int, asked_s: float | None) -> float:
    growing_s = FIRST_PAUSE_S * float(2 ** min(attempts - 1, 20))
    return max(min(growing_s, LONGEST_PAUSE_S), asked_s or 0.0)

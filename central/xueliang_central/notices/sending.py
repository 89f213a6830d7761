"""Sends the steps of notices: claimed in one transaction, sent outside of any, recorded in another.

Invariants
    - No transaction is open while a target is spoken to, so a target that hangs holds up nobody else's change.
    - Each channel has its own places (`PLACES`): one that hangs fills its own and delays no other.
    - A claim moves `next_try_at` past the end of the try and counts it. Killed between sending and recording, the step
      is sent once more after that, under the same key; a record that comes later than another claim is not written.
    - What failed is tried again with growing pauses, `MAX_TRIES` times; then, or when no retry can help, it is dead:
      kept, listed for an administrator, who can let it go again. A step that died brings the next one forward.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.clocks import Wall
from xueliang_central.errors import CentralError
from xueliang_central.notices.channels import Channel
from xueliang_central.notices.climbing import NotNeeded
from xueliang_central.notices.outcomes import Outcome, Refused, Taken, TryAgain
from xueliang_central.notices.saying import Said, say, say_to_unit
from xueliang_central.notices.tables import contacts, notice_steps, notices
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import users
from xueliang_central.store.claims import skip_taken
from xueliang_central.store.database import Database

log = logging.getLogger(__name__)

Row = dict[str, Any]

PLACES: Final = 8  # tries of one channel at once: a target that takes a second a message still takes eight a second
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 300.0
MAX_TRIES: Final = 8  # about ten minutes in all
CLAIM_SPARE_S: Final = 10.0  # a claim holds so much longer than a try may take, so that nobody else sends meanwhile
RECORD_AGAIN_S: Final = 0.5


TO_UNIT: Final = "unit_told"  # the one kind that goes to a lane's duty phone and not to a person of the register


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a managing unit is told, and how it replies. `code`: with a reply by text; None: by the link only."""

    address: str
    link: str
    code: str | None


ReachUnit: TypeAlias = Callable[[AsyncConnection, Row], Awaitable[Reached | str]]


@dataclass(frozen=True, slots=True)
class Claimed:
    """One step that is being sent. `attempt` counts from 1 and fences its record."""

    notice_id: str
    step: int
    channel: str
    attempt: int
    said: Said


def after_failure(attempt: int, asked_s: float | None) -> float | None:
    """Seconds until the next try after this many; None: there is none. `asked_s`: what the target asked for."""
    if attempt >= MAX_TRIES:
        return None
    growing_s = FIRST_PAUSE_S * float(2 ** (attempt - 1))
    return max(min(growing_s, LONGEST_PAUSE_S), asked_s or 0.0)


class Sender:
    """One per worker process. `look` starts what is due; `close` ends what is under way."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        not_needed: NotNeeded,
        wall: Wall,
        *,
        origin: str,
        language: str,
        deadline_s: float,
        reach_unit: ReachUnit | None = None,
    ) -> None:
        self._database, self._channels, self._not_needed, self._wall = database, channels, not_needed, wall
        self._reach_unit = reach_unit
        self._origin, self._language = origin, language
        self._claim_for = timedelta(seconds=deadline_s + CLAIM_SPARE_S)
        self._under_way: dict[str, set[asyncio.Task[None]]] = {name: set() for name in channels}
        self.counts: Counter[str] = Counter()

    async def look(self) -> int:
        """Start as many tries as there are places; returns how many."""
        now = self._wall()
        async with self._database.reading() as conn:
            due = set((await conn.execute(_due_channels(now))).scalars())
        free = {name: PLACES - len(tasks) for name, tasks in self._under_way.items() if name in due}
        gone = sorted(due - set(self._channels))
        if not gone and not any(free.values()):
            return 0
        async with self._database.transaction() as conn:
            for name in gone:
                await self._bury_channel(conn, name, now)
            claimed = [one for name, places in free.items() for one in await self._claim(conn, name, places, now)]
        for one in claimed:
            task = asyncio.create_task(self._send(one), name=f"notice by {one.channel}")
            self._under_way[one.channel].add(task)
            task.add_done_callback(self._under_way[one.channel].discard)
        return len(claimed)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while tasks := [task for tasks in self._under_way.values() for task in tasks]:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """What is under way is cut off; its claim runs out and it is sent again, under the same key."""
        for tasks in self._under_way.values():
            for task in tasks:
                task.cancel()
        await self.idle()

    async def _claim(self, conn: AsyncConnection, name: str, places: int, now: datetime) -> list[Claimed]:
        if places <= 0:
            return []
        found = await conn.execute(
            skip_taken(
                select(notice_steps)
                .where(notice_steps.c.channel == name, notice_steps.c.next_try_at <= now)
                .order_by(notice_steps.c.severity, notice_steps.c.next_try_at, notice_steps.c.notice_id)
                .limit(places)
            )
        )
        steps = [dict(row) for row in found.mappings()]
        if not steps:
            return []
        told = await _notices(conn, [step["notice_id"] for step in steps])
        over = await self._not_needed(conn, list(told.values()))
        claimed: list[Claimed] = []
        for step in steps:
            notice = told[step["notice_id"]]
            why = "received" if notice["received_at"] is not None else over.get(step["notice_id"])
            said: Said | str = why or await self._say(conn, notice, step)
            why = said if isinstance(said, str) else None
            if why is None and step["attempts"] >= MAX_TRIES:  # whoever tried it last never came back to record it
                await _bury(conn, step, "never_recorded", now)
                self.counts["dead"] += 1
                continue
            if isinstance(said, str):
                await _write(conn, step, state="dropped", reason=said, next_try_at=None)
                self.counts["dropped"] += 1
                continue
            attempt = step["attempts"] + 1
            claimed.append(Claimed(step["notice_id"], step["step"], name, attempt, said))
            await _write(conn, step, attempts=attempt, tried_at=now, next_try_at=now + self._claim_for)
        return claimed

    async def _say(self, conn: AsyncConnection, notice: Row, step: Row) -> Said | str:
        """The message to whom the step is for; or why there is none to send."""
        if notice["kind"] == TO_UNIT:
            unit = "no_address" if self._reach_unit is None else await self._reach_unit(conn, notice)
            if isinstance(unit, str):
                return unit
            return say_to_unit(notice, step["step"], unit.address, unit.link, code=unit.code, language=self._language)
        reached = await _address(conn, step["user_id"], step["channel"])
        if reached is None:
            return "no_address"
        address, role = reached
        is_worker = role == Role.WORKER
        origin, language = self._origin, self._language
        return say(notice, step["step"], address, is_worker=is_worker, origin=origin, language=language)

    async def _bury_channel(self, conn: AsyncConnection, name: str, now: datetime) -> None:
        """A channel that the settings name no longer: what waits for it is dead, and its notices climb on."""
        query = select(notice_steps).where(notice_steps.c.channel == name, notice_steps.c.next_try_at <= now)
        for row in (await conn.execute(skip_taken(query))).mappings():
            await _bury(conn, dict(row), "no_channel", now)
            self.counts["dead"] += 1

    async def _send(self, one: Claimed) -> None:
        try:
            outcome = await self._channels[one.channel].send(one.said)
        except Exception as error:  # a fault of ours, with one message: the others go on, it is tried again
            name = type(error).__name__
            at = "".join(traceback.format_tb(error.__traceback__))  # without its words: they may hold an address
            extra = {"channel": one.channel, "notice_id": one.notice_id, "error": name, "traceback": at}
            log.error("a notice cannot be sent", extra=extra)
            outcome = TryAgain(f"fault_{name}"[:60])
        await self._record_surely(one, outcome)

    async def _record_surely(self, one: Claimed, outcome: Outcome) -> None:
        """What is known is kept for as long as the database is away; a fault of ours is tried for as long as the claim
        holds: after that the step is claimed anew, and sent again under the same key."""
        faults_left = max(1, int(self._claim_for.total_seconds() / RECORD_AGAIN_S))
        while faults_left > 0:
            try:
                await self._record(one, outcome)
            except CentralError as error:
                log.warning("a sent notice waits to be recorded", extra={"why": str(error)})
            except Exception as error:
                faults_left -= 1
                name = type(error).__name__  # without its words: they may hold an address
                self.counts["record_faults"] += 1
                log.error("a sent notice cannot be recorded", extra={"notice_id": one.notice_id, "error": name})
            else:
                return
            await asyncio.sleep(RECORD_AGAIN_S)

    async def _record(self, one: Claimed, outcome: Outcome) -> None:
        now = self._wall()
        async with self._database.transaction() as conn:
            found = await conn.execute(
                select(notice_steps)
                .where(
                    notice_steps.c.notice_id == one.notice_id,
                    notice_steps.c.step == one.step,
                    notice_steps.c.attempts == one.attempt,
                    notice_steps.c.state == "waiting",
                )
                .with_for_update()
            )
            row = found.mappings().one_or_none()
            if row is None:
                return  # claimed anew meanwhile: that one records
            step = dict(row)
            match outcome:
                case Taken():
                    self.counts["sent"] += 1
                    await _write(conn, step, state="sent", reason=None, sent_at=now, next_try_at=None)
                case Refused(reason):
                    self.counts["dead"] += 1
                    await _bury(conn, step, reason, now)
                case TryAgain(reason, asked_s):
                    await self._fail(conn, step, reason, asked_s, now)
        extra = {"notice_id": one.notice_id, "channel": one.channel, "outcome": type(outcome).__name__}
        log.info("notice tried", extra=extra | {"why": getattr(outcome, "reason", None)})

    async def _fail(self, conn: AsyncConnection, step: Row, reason: str, asked_s: float | None, now: datetime) -> None:
        pause_s = after_failure(step["attempts"], asked_s)
        if pause_s is None:
            self.counts["dead"] += 1
            await _bury(conn, step, reason, now)
            return
        self.counts["failed"] += 1
        await _write(conn, step, reason=reason, next_try_at=now + timedelta(seconds=pause_s))


def _due_channels(now: datetime) -> Any:
    return select(notice_steps.c.channel).where(notice_steps.c.next_try_at <= now).distinct()


async def _notices(conn: AsyncConnection, notice_ids: list[str]) -> dict[str, Row]:
    found = await conn.execute(select(notices).where(notices.c.notice_id.in_(notice_ids)))
    return {row["notice_id"]: dict(row) for row in found.mappings()}


async def _address(conn: AsyncConnection, user_id: str, channel: str) -> tuple[str, str] | None:
    """The person's address on this channel, and the role; None: no address, or the account is disabled."""
    found = await conn.execute(
        select(contacts.c.address, users.c.role)
        .join(users, users.c.user_id == contacts.c.user_id)
        .where(contacts.c.user_id == user_id, contacts.c.channel == channel, users.c.disabled.is_(False))
    )
    row = found.one_or_none()
    return None if row is None else (row.address, row.role)


async def _bury(conn: AsyncConnection, step: Row, reason: str, now: datetime) -> None:
    await _write(conn, step, state="dead", reason=reason, next_try_at=None)
    await conn.execute(
        update(notices)
        .where(notices.c.notice_id == step["notice_id"], notices.c.next_step == step["step"] + 1)
        .where(notices.c.climb_at > now)
        .values(climb_at=now)
    )


async def _write(conn: AsyncConnection, step: Row, **values: Any) -> None:
    this = (notice_steps.c.notice_id == step["notice_id"], notice_steps.c.step == step["step"])
    await conn.execute(update(notice_steps).where(*this).values(**values))


async def let_go_again(conn: AsyncConnection, step: Row, now: datetime) -> bool:
    """A dead step is tried anew, under the key it always had. False: it is not dead any more."""
    done = await conn.execute(
        update(notice_steps)
        .where(
            notice_steps.c.notice_id == step["notice_id"],
            notice_steps.c.step == step["step"],
            notice_steps.c.state == "dead",
        )
        .values(state="waiting", next_try_at=now, attempts=0)
    )
    return done.rowcount == 1

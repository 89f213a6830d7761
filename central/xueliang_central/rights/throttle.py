"""How often a password may be tried.

An attempt is counted before it is judged, so many at once are no way around it. Nobody is locked out for good: the
wait grows to a cap, and failures older than an hour are forgotten.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.rights.tables import login_attempts


@dataclass(frozen=True, slots=True)
class Limit:
    """After `free` failures each further attempt waits twice as long as the one before, up to `cap_s`."""

    free: int
    cap_s: int

    def wait_s(self, failures: int) -> int:
        over = failures - self.free
        return 0 if over < 0 else min(self.cap_s, 2 ** min(over, 20))


# 60 s: at most 60 guesses an hour against one account from everywhere together, and never longer for its owner.
ACCOUNT: Final = Limit(free=6, cap_s=60)
ADDRESS: Final = Limit(free=20, cap_s=900)  # a whole office may stand behind one address
DEVICE: Final = Limit(free=6, cap_s=900)
FORGET_AFTER: Final = timedelta(hours=1)


def subject_hash(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}:{value}".encode()).hexdigest()


async def count_attempt(conn: AsyncConnection, subjects: dict[str, Limit], at: datetime) -> int:
    """Count one attempt against every subject, unless one must still wait; the seconds to wait, 0 when it may be
    judged."""
    wanted = sorted(subjects)  # always in this order: two attempts that share subjects never wait for each other
    rows = await _locked_rows(conn, wanted, at)
    counts = {subject: row.failures for subject, row in rows.items() if row.last_at > at - FORGET_AFTER}
    wait = max((rows[subject].next_allowed_at - at for subject in counts), default=timedelta(0))
    if wait > timedelta(0):
        return max(1, int(wait.total_seconds() + 0.999))
    for subject in wanted:
        failures = counts.get(subject, 0) + 1
        wait_s = subjects[subject].wait_s(failures)
        await conn.execute(
            update(login_attempts)
            .where(login_attempts.c.subject_hash == subject)
            .values(failures=failures, last_at=at, next_allowed_at=at + timedelta(seconds=wait_s))
        )
    return 0


async def _locked_rows(conn: AsyncConnection, wanted: list[str], at: datetime) -> dict[str, Row[Any]]:
    """The row of every subject, held until the transaction ends.

    A row must exist to be held: of two first attempts at once that find none, both would count themselves as the
    first.
    """
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    for subject in wanted:
        row = {"subject_hash": subject, "failures": 0, "last_at": at, "next_allowed_at": at}
        await conn.execute(dialect.insert(login_attempts).on_conflict_do_nothing(), row)
    found = await conn.execute(
        select(login_attempts)
        .where(login_attempts.c.subject_hash.in_(wanted))
        .order_by(login_attempts.c.subject_hash)
        .with_for_update()
    )
    return {row.subject_hash: row for row in found}

"""How often a password may be tried.

An attempt is counted before it is judged, so many at once are no way around it. Nobody is locked out for good: the
wait grows to a cap, and failures older than an hour are forgotten.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, insert, select
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
    wanted = sorted(subjects)
    found = await conn.execute(
        select(login_attempts).where(login_attempts.c.subject_hash.in_(wanted)).with_for_update()
    )
    rows = {row.subject_hash: row for row in found if row.last_at > at - FORGET_AFTER}
    wait = max((row.next_allowed_at - at for row in rows.values()), default=timedelta(0))
    if wait > timedelta(0):
        return max(1, int(wait.total_seconds() + 0.999))
    await conn.execute(delete(login_attempts).where(login_attempts.c.subject_hash.in_(wanted)))
    for subject in wanted:
        failures = (rows[subject].failures if subject in rows else 0) + 1
        wait_s = subjects[subject].wait_s(failures)
        row = {
            "subject_hash": subject,
            "failures": failures,
            "last_at": at,
            "next_allowed_at": at + timedelta(seconds=wait_s),
        }
        await conn.execute(insert(login_attempts), row)
    return 0

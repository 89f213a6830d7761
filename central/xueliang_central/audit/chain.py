"""Hash chain over every view and act.

Invariants
    - A record is written in the transaction of what it tells of, last (`store.database`), one transaction at a time.
    - Positions count from 1 without gaps. record_hash = sha256 over the canonical JSON of all fields and the hash
      before, so a changed, missing, inserted or reordered record shows at the first position where it is wrong.
    - Cut off at the end, the chain looks whole: that is seen only by someone who keeps the head elsewhere. `verify`
      therefore returns the head, and takes one that must be found again.

Canonical JSON: keys sorted, no spaces, UTF-8, times with six decimals and "Z".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit.tables import audit_records
from xueliang_central.store.database import write_late
from xueliang_central.store.events import journal_lock

GENESIS: Final = "0" * 64
_PAGE: Final = 2000
_FIELDS: Final = ("position", "at", "actor", "action", "object_kind", "object_id", "detail", "previous_hash")


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends: what someone outside keeps, to notice a chain that was cut off or rolled back."""

    position: int
    record_hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`problem` None: the chain is whole up to `head`. Else what is wrong, first at `position`."""

    head: Head
    problem: str | None = None
    position: int | None = None

    @property
    def is_whole(self) -> bool:
        return self.problem is None


async def record(
    conn: AsyncConnection,
    *,
    actor: str,
    action: str,
    object_kind: str,
    object_id: str,
    detail: dict[str, Any],
    at: datetime,
) -> None:
    """Put one record on the chain, in this transaction. `actor`: a user name, "node:edge-01" or "system"."""
    row = {
        "at": at,
        "actor": actor[:160],
        "action": action[:80],
        "object_kind": object_kind[:40],
        "object_id": object_id[:160],
        "detail": json.loads(json.dumps(detail, allow_nan=False)),  # what will be read back: tuples become lists
    }
    write_late(conn, _write, row)


async def _write(conn: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    await journal_lock(conn)
    head = await read_head(conn)
    position, previous = head.position, head.record_hash
    linked: list[dict[str, Any]] = []
    for row in rows:
        position += 1
        link = {**row, "position": position, "previous_hash": previous}
        previous = link["record_hash"] = hash_of(link)
        linked.append(link)
    await conn.execute(insert(audit_records), linked)


def hash_of(fields: Mapping[str, Any]) -> str:
    """The hash of one record, from its fields and the hash of the record before it."""
    plain = {name: fields[name] for name in _FIELDS}
    plain["at"] = fields["at"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


async def read_head(conn: AsyncConnection) -> Head:
    """Position 0 and the genesis hash when nothing has been recorded."""
    last = (
        await conn.execute(
            select(audit_records.c.position, audit_records.c.record_hash)
            .order_by(audit_records.c.position.desc())
            .limit(1)
        )
    ).one_or_none()
    return Head(0, GENESIS) if last is None else Head(last.position, last.record_hash)


async def verify(conn: AsyncConnection, *, known_head: Head | None = None) -> Verdict:
    """Walk the whole chain. `known_head`: a head kept elsewhere, which must still be on it."""
    head = Head(0, GENESIS)
    seen_known = known_head is None or known_head.position == 0
    while True:
        page = await conn.execute(
            select(audit_records)
            .where(audit_records.c.position > head.position)
            .order_by(audit_records.c.position)
            .limit(_PAGE)
        )
        rows = page.mappings().all()
        for row in rows:
            problem = _problem(row, head)
            if problem:
                return Verdict(head, problem, head.position + 1)
            head = Head(row["position"], row["record_hash"])
            if known_head is not None and head.position == known_head.position:
                if head != known_head:
                    return Verdict(head, "another record stands where the known head was", head.position)
                seen_known = True
        if len(rows) < _PAGE:
            break
    if not seen_known and known_head is not None:
        return Verdict(head, f"the chain ends before the known head at {known_head.position}", head.position + 1)
    return Verdict(head)


def _problem(row: Mapping[Any, Any], before: Head) -> str | None:
    if row["position"] != before.position + 1:
        return f"record {before.position + 1} is missing"
    if row["previous_hash"] != before.record_hash:
        return f"record {row['position']} does not follow record {before.position}"
    if row["record_hash"] != hash_of(row):
        return f"record {row['position']} was changed"
    return None

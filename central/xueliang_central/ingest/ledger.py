"""What of each spool is settled at the centre: one row per (node, spool), written in the transaction of the records.

Invariants
    - A sequence is settled when its record is committed, answered "rejected", or declared missing by a gap record. Only
      then does a receipt say so, and a receipt is made from rows that are committed.
    - A record that was declared or found missing and that arrives after all (it was still with the broker) is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import Receipt, Rejected, SpoolReceipt
from xueliang_alerts.ranges import SequenceRanges
from xueliang_central.ingest.tables import ledger
from xueliang_central.store.among import among

MAX_RANGES: Final = 1000  # what one receipt may hold; the rest follows when the holes before it are closed
MAX_REJECTED: Final = 200
SPOOLS_IN_RECEIPT: Final = 4


@dataclass(slots=True)
class Books:
    """The ledger of one spool, in memory for one transaction."""

    node_id: str
    spool_id: str
    settled: SequenceRanges
    missing: SequenceRanges = field(default_factory=SequenceRanges)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    newly_missing: int = 0
    missing_before: int = field(init=False)

    def __post_init__(self) -> None:
        self.missing_before = self.missing.count()

    def is_settled(self, sequence: int) -> bool:
        return sequence in self.settled

    def is_missing(self, sequence: int) -> bool:
        """Declared missing: if it arrives after all, it is new."""
        return sequence in self.missing

    def commit(self, sequence: int) -> None:
        self.settled.add(sequence)
        self.missing.discard(sequence)
        self.rejected = [item for item in self.rejected if item[0] != sequence]

    def close_gap(self, first: int, last: int) -> None:
        """The node no longer has these: the holes among them are data missing, declared."""
        self._miss(first, last)
        self.settled.add(first, last)

    def give_up_on(self, last: int) -> None:
        """The node has nothing more to send: the holes up to here are data missing. They stay open."""
        self._miss(1, last)

    def _miss(self, first: int, last: int) -> None:
        before = self.missing.count()
        for low, high in self.settled.missing_within(first, last):
            self.missing.add(low, high)
        self.newly_missing += self.missing.count() - before

    def reject(self, sequence: int, reason: str) -> None:
        """Settled by quarantine. A sequence that is committed stays so."""
        if self.is_settled(sequence) and not self.is_missing(sequence):
            return
        self.settled.add(sequence)
        self.missing.discard(sequence)
        self.rejected = [*self.rejected, (sequence, reason[:200])][-MAX_REJECTED:]

    def was_rejected(self, sequence: int) -> bool:
        return any(item[0] == sequence for item in self.rejected)

    def receipt(self) -> SpoolReceipt:
        return SpoolReceipt.model_validate(
            {
                "spool_id": self.spool_id,
                "contiguous_through": self.settled.contiguous_through,
                "committed": tuple(self.settled.beyond_contiguous()[:MAX_RANGES]),
                "rejected": tuple(Rejected(sequence=number, reason=reason) for number, reason in self.rejected),
            }
        )

    def as_row(self) -> dict[str, Any]:
        return {
            "contiguous_through": self.settled.contiguous_through,
            "ranges": [list(pair) for pair in self.settled.beyond_contiguous()],
            "rejected": [list(item) for item in self.rejected],
            "missing": [list(pair) for pair in list(self.missing)[-MAX_RANGES:]],
        }


def _books(row: Any) -> Books:
    settled = SequenceRanges((first, last) for first, last in row["ranges"])
    if row["contiguous_through"]:
        settled.add(1, row["contiguous_through"])
    return Books(
        row["node_id"],
        row["spool_id"],
        settled,
        SequenceRanges((first, last) for first, last in row["missing"]),
        [(number, reason) for number, reason in row["rejected"]],
    )


async def open_books(
    conn: AsyncConnection, spools: Iterable[tuple[str, str]], now: datetime
) -> dict[tuple[str, str], Books]:
    """The books of these (node_id, spool_id), made where they are new, locked until the end of the transaction."""
    keys = set(spools)
    if not keys:
        return {}
    books = await _locked(conn, keys)
    if new := sorted(keys - set(books)):
        dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
        empty = {"contiguous_through": 0, "ranges": [], "rejected": [], "missing": []}
        fresh = [
            {"node_id": node_id, "spool_id": spool_id, **empty, "first_heard_at": now, "last_heard_at": now}
            for node_id, spool_id in new
        ]
        await conn.execute(dialect.insert(ledger).on_conflict_do_nothing(), fresh)
        books |= await _locked(conn, new)
    return books


async def _locked(conn: AsyncConnection, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Books]:
    """Those of these that are there, locked in the order of their keys. A spool belongs to one node."""
    found = await conn.execute(
        select(ledger)
        .where(
            among(conn, ledger.c.node_id, sorted({node_id for node_id, _ in keys})),
            among(conn, ledger.c.spool_id, sorted({spool_id for _, spool_id in keys})),
        )
        .order_by(ledger.c.node_id, ledger.c.spool_id)
        .with_for_update()
    )
    rows = ((row["node_id"], row["spool_id"], row) for row in found.mappings())
    wanted = set(keys)
    return {(node_id, spool_id): _books(row) for node_id, spool_id, row in rows if (node_id, spool_id) in wanted}


async def close_books(conn: AsyncConnection, books: Iterable[Books], now: datetime) -> None:
    """Write them back."""
    rows = [{"its_node_id": one.node_id, "its_spool_id": one.spool_id, **_as_new(one, now)} for one in books]
    if not rows:
        return
    # Names of parameters must differ from those of columns.
    statement = (
        update(ledger)
        .where(ledger.c.node_id == bindparam("its_node_id"), ledger.c.spool_id == bindparam("its_spool_id"))
        .values({name.removeprefix("new_"): bindparam(name) for name in rows[0] if name.startswith("new_")})
    )
    await conn.execute(statement, rows)


def _as_new(book: Books, now: datetime) -> dict[str, Any]:
    return {f"new_{name}": value for name, value in {**book.as_row(), "last_heard_at": now}.items()}


async def receipts_for(conn: AsyncConnection, node_ids: Sequence[str], now: datetime) -> list[Receipt]:
    """What each node is told: its spools heard of latest, newest first, four at most."""
    if not node_ids:
        return []
    found = await conn.execute(
        select(ledger)
        .where(among(conn, ledger.c.node_id, node_ids))
        .order_by(ledger.c.node_id, ledger.c.last_heard_at.desc(), ledger.c.first_heard_at.desc(), ledger.c.spool_id)
    )
    spools: dict[str, list[SpoolReceipt]] = {node_id: [] for node_id in sorted(set(node_ids))}
    for row in found.mappings():
        mine = spools[row["node_id"]]
        if len(mine) < SPOOLS_IN_RECEIPT:
            mine.append(_books(row).receipt())
    return [Receipt(node_id=node_id, issued_at=now, spools=tuple(mine)) for node_id, mine in spools.items() if mine]

"""The audit chain: whole when untouched; modified, deleted, inserted, reordered, cut off: each is found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit.chain import GENESIS, hash_of, read_head, record, verify
from xueliang_central.audit.tables import audit_records
from xueliang_central.store.database import Database

NOW = datetime(2026, 11, 23, 8, 0, 0, 123456, tzinfo=UTC)
positions = audit_records.c.position


async def _write(database: Database, count: int, *, per_transaction: int = 4) -> None:
    for start in range(0, count, per_transaction):
        async with database.transaction() as conn:
            for number in range(start, min(start + per_transaction, count)):
                await record(
                    conn,
                    actor="wang",
                    action="incident.viewed",
                    object_kind="incident",
                    object_id=f"i-{number}",
                    detail={"文": "看", "number": number, "ratio": 0.1, "pair": (1, 2)},
                    at=NOW,
                )


async def test_an_untouched_chain_is_whole(database: Database) -> None:
    async with database.reading() as conn:
        assert (await verify(conn)).head.record_hash == GENESIS
    await _write(database, 10)
    async with database.reading() as conn:
        verdict = await verify(conn, known_head=await read_head(conn))
    assert verdict.is_whole
    assert verdict.head.position == 10


async def test_writers_at_once_make_one_chain(database: Database) -> None:
    await asyncio.gather(*(_write(database, 12, per_transaction=3) for _ in range(5)))
    async with database.reading() as conn:
        verdict = await verify(conn)
    assert verdict.is_whole
    assert verdict.head.position == 60


async def test_what_was_rolled_back_leaves_no_gap(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as conn:
            await record(conn, actor="a", action="b", object_kind="c", object_id="d", detail={}, at=NOW)
            raise RuntimeError("no")

    await _write(database, 2)
    with pytest.raises(RuntimeError):
        await fail()
    await _write(database, 2)
    async with database.reading() as conn:
        assert (await verify(conn)).head.position == 4


async def _modify(conn: AsyncConnection) -> None:
    await conn.execute(update(audit_records).where(positions == 5).values(actor="li"))


async def _modify_and_hash_again(conn: AsyncConnection) -> None:
    row = (await conn.execute(select(audit_records).where(positions == 5))).mappings().one()
    changed = {**row, "detail": {}}
    await conn.execute(update(audit_records).where(positions == 5).values(detail={}, record_hash=hash_of(changed)))


async def _delete(conn: AsyncConnection) -> None:
    await conn.execute(delete(audit_records).where(positions == 5))


async def _delete_and_close_up(conn: AsyncConnection) -> None:
    await _delete(conn)
    for position in range(6, 11):
        await conn.execute(update(audit_records).where(positions == position).values(position=position - 1))


async def _insert(conn: AsyncConnection) -> None:
    """A forged record in the middle, hashed as it should be, and all behind it moved up."""
    rows = [dict(row) for row in (await conn.execute(select(audit_records).order_by(positions))).mappings()]
    forged: dict[str, Any] = {**rows[4], "actor": "forger", "previous_hash": rows[4]["record_hash"], "position": 6}
    forged["record_hash"] = hash_of(forged)
    await conn.execute(delete(audit_records).where(positions >= 6))
    moved = [{**row, "position": row["position"] + 1} for row in rows[5:]]
    await conn.execute(insert(audit_records), [forged, *moved])


async def _reorder(conn: AsyncConnection) -> None:
    for before, after in ((5, 1000), (6, 5), (1000, 6)):
        await conn.execute(update(audit_records).where(positions == before).values(position=after))


@pytest.mark.parametrize(
    ("harm", "at"),
    [
        pytest.param(_modify, 5, id="modify"),
        pytest.param(_modify_and_hash_again, 6, id="modify and hash again"),
        pytest.param(_delete, 5, id="delete"),
        pytest.param(_delete_and_close_up, 5, id="delete and close up"),
        pytest.param(_insert, 7, id="insert"),
        pytest.param(_reorder, 5, id="reorder"),
    ],
)
async def test_harm_is_found_where_it_was_done(
    database: Database, harm: Callable[[AsyncConnection], Awaitable[None]], at: int
) -> None:
    await _write(database, 10)
    async with database.transaction() as conn:
        await harm(conn)
    async with database.reading() as conn:
        verdict = await verify(conn)
    assert not verdict.is_whole
    assert verdict.position == at


async def test_a_cut_off_tail_is_found_by_who_kept_the_head(database: Database) -> None:
    await _write(database, 10)
    async with database.transaction() as conn:
        head = await read_head(conn)
        await conn.execute(delete(audit_records).where(positions > 7))
    async with database.reading() as conn:
        assert (await verify(conn)).is_whole, "the chain alone cannot know"
        verdict = await verify(conn, known_head=head)
    assert not verdict.is_whole
    assert verdict.position == 8


async def test_a_rewritten_chain_is_found_by_who_kept_the_head(database: Database) -> None:
    await _write(database, 6)
    async with database.transaction() as conn:
        head = await read_head(conn)
        await conn.execute(delete(audit_records))
    await _write(database, 3)
    await _write(database, 5)
    async with database.reading() as conn:
        assert not (await verify(conn, known_head=head)).is_whole


async def test_a_walk_over_many_pages_sees_the_last(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xueliang_central.audit.chain._PAGE", 7)
    await _write(database, 30, per_transaction=30)
    async with database.transaction() as conn:
        assert (await verify(conn)).head.position == 30
        await conn.execute(update(audit_records).where(positions == 30).values(action="other"))
        assert (await verify(conn)).position == 30

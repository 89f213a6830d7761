"""Transactions, the order of events, leases: on both databases."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.errors import CentralError, DatabaseUnavailable
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.store import database as store_database
from xueliang_central.store import events, hearing
from xueliang_central.store import feed as store_feed
from xueliang_central.store.claims import claim, release
from xueliang_central.store.database import Database, after_commit, write_late
from xueliang_central.store.events import latest_id, read_after
from xueliang_central.store.feed import QUEUE_LIMIT, EventFeed, Listener
from xueliang_central.store.tables import leases

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
EVERYBODY = Actor("wang", "wang", Role.OPERATOR, "3701")


async def _say(conn: AsyncConnection, number: int, *, area_path: str = "3701") -> None:
    await events.append(conn, kind="incident", area_path=area_path, body={"number": number}, at=NOW)


async def _numbers(database: Database) -> list[int]:
    async with database.reading() as conn:
        return [event.body["number"] for event in await read_after(conn, 0)]


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    told: list[str] = []

    async def fail_half_way() -> None:
        async with database.transaction() as conn:
            await _say(conn, 1)
            await conn.execute(insert(leases), {"name": "x", "holder": "me", "until_at": NOW, "fence": 1})
            after_commit(conn, lambda: told.append("committed"))
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await fail_half_way()
    async with database.transaction() as conn:  # the same pooled connection: nothing of the first may be left on it
        await _say(conn, 2)
    assert await _numbers(database) == [2]
    async with database.reading() as conn:
        assert (await conn.execute(select(leases))).all() == []
    assert told == []


async def test_after_commit_runs_once_the_change_is_readable(database: Database) -> None:
    seen: list[str] = []
    database.on_commit(lambda: seen.append("process"))
    async with database.transaction() as conn:
        await _say(conn, 1)
        after_commit(conn, lambda: seen.append("transaction"))
        assert seen == []
    assert seen == ["transaction", "process"]


async def test_late_rows_are_written_in_the_order_given(database: Database) -> None:
    written: list[int] = []

    async def write(_conn: AsyncConnection, rows: list[dict[str, int]]) -> None:
        written.extend(row["number"] for row in rows)

    async with database.transaction() as conn:
        for number in range(5):
            write_late(conn, write, {"number": number})
        assert written == []
    assert written == [0, 1, 2, 3, 4]


async def test_late_rows_need_a_transaction(database: Database) -> None:
    async with database.reading() as conn:
        with pytest.raises(RuntimeError, match="transaction"):
            await _say(conn, 1)


async def test_readers_never_skip_an_event_that_commits_late(database: Database) -> None:
    """Eight writers at once, a reader that remembers only its last id: it must see every event, in order."""
    writers, each = 8, 15
    seen: list[int] = []
    done = asyncio.Event()

    async def dawdle(conn: AsyncConnection, _rows: list[dict[str, int]]) -> None:
        """Between the event's row and the commit: here a later id could overtake."""
        if conn.dialect.name == "postgresql":
            await conn.execute(text("select pg_sleep(random() * 0.004)"))

    async def write(writer: int) -> None:
        for number in range(each):
            async with database.transaction() as conn:
                await _say(conn, writer * 1000 + number)
                write_late(conn, dawdle, {})

    async def read() -> None:
        position = 0
        while True:
            was_done = done.is_set()
            async with database.reading() as conn:
                found = await read_after(conn, position)
            for event in found:
                assert event.event_id > position
                position = event.event_id
                seen.append(event.body["number"])
            if was_done and not found:
                return
            await asyncio.sleep(0.001)

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    done.set()
    await reader
    assert sorted(seen) == sorted(writer * 1000 + number for writer in range(writers) for number in range(each))


async def test_event_ids_are_never_used_twice(database: Database) -> None:
    async with database.transaction() as conn:
        await _say(conn, 1)
    async with database.reading() as conn:
        first = await latest_id(conn)
    async with database.transaction() as conn:
        await conn.execute(text("delete from events"))
        await _say(conn, 2)
    async with database.reading() as conn:
        assert await latest_id(conn) > first


async def test_feed_wakes_at_once_and_follows_other_processes(database: Database, database_url: str) -> None:
    feed = EventFeed(database)
    await feed.start()
    other = await Database.open(database_url, wait_s=20)
    try:
        async with feed.listen(EVERYBODY) as listener:
            async with database.transaction() as conn:
                await _say(conn, 1)
            async with asyncio.timeout(10):
                (first,) = await listener.next()
            async with other.transaction() as conn:
                await _say(conn, 2)
            async with asyncio.timeout(10):
                (second,) = await listener.next()
        assert [first.event.body["number"], second.event.body["number"]] == [1, 2]
        assert feed.listeners == 0
    finally:
        await other.close()
        await feed.stop()


async def test_a_feed_hears_of_other_processes_without_asking(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And when its connection is ended it asks, until it hears again."""
    if database.dialect != "postgresql":
        pytest.skip("one process writes")
    monkeypatch.setattr(hearing, "AGAIN_S", 0.05)
    feed, other = EventFeed(database), await Database.open(database_url, wait_s=20)
    await feed.start()
    numbers = iter(range(1, 100))

    async def is_told(listener: Listener) -> None:
        number = next(numbers)
        async with other.transaction() as conn:
            await _say(conn, number)
        async with asyncio.timeout(20):
            (told,) = await listener.next()
        assert told.event.body["number"] == number

    async def until_it_hears() -> None:
        async with asyncio.timeout(20):
            while not feed._hearing.is_on:
                await asyncio.sleep(0.01)

    try:
        async with feed.listen(EVERYBODY) as listener:
            await until_it_hears()
            monkeypatch.setattr(store_feed, "POLL_S", 3600.0)
            await is_told(listener)
            monkeypatch.setattr(store_feed, "POLL_S", 0.5)
            monkeypatch.setattr(hearing, "AGAIN_S", 3600.0)
            await is_told(listener)
            async with other.transaction() as conn:
                others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
                await conn.execute(text(f"select pg_terminate_backend(pid) {others}"))
            await is_told(listener)
    finally:
        await other.close()
        await feed.stop()


async def test_a_listener_of_a_feed_that_is_just_starting_misses_nothing(database: Database) -> None:
    for number in range(10):
        feed = EventFeed(database)
        await feed.start()
        try:
            async with feed.listen(EVERYBODY) as listener:
                async with database.transaction() as conn:
                    await _say(conn, number)
                async with asyncio.timeout(10):
                    (told,) = await listener.next()
                assert told.event.body["number"] == number
        finally:
            await feed.stop()


async def test_a_listener_that_does_not_read_is_ended_and_others_are_not(database: Database) -> None:
    feed = EventFeed(database)
    await feed.start()
    try:
        async with feed.listen(EVERYBODY) as slow, feed.listen(EVERYBODY) as quick:
            got: list[int] = []

            async def read() -> None:
                while len(got) < QUEUE_LIMIT + 50:
                    got.extend(told.event.body["number"] for told in await quick.next())

            reader = asyncio.create_task(read())
            async with asyncio.timeout(60):
                for start in range(0, QUEUE_LIMIT + 50, 50):
                    async with database.transaction() as conn:
                        for number in range(start, min(start + 50, QUEUE_LIMIT + 50)):
                            await _say(conn, number)
                    while len(got) < min(start + 50, QUEUE_LIMIT + 50):
                        await asyncio.sleep(0.005)
                await reader
            kept = 0
            while not slow.ended:
                kept += len(await slow.next())
            assert slow.overflowed
            assert kept == QUEUE_LIMIT
            assert feed.dropped_listeners == 1
            assert got == list(range(QUEUE_LIMIT + 50))
    finally:
        await feed.stop()


async def test_a_lease_has_one_holder_and_a_rising_fence(database: Database) -> None:
    lasts = timedelta(seconds=10)

    async def take(holder: str, seconds: float) -> int | None:
        async with database.transaction() as conn:
            return await claim(conn, name="shard-00", holder=holder, at=NOW + timedelta(seconds=seconds), lasts=lasts)

    assert await take("a", 0) == 1
    assert await take("b", 5) is None
    assert await take("a", 8) == 1, "the holder extends without a new fence"
    assert await take("b", 17) is None
    assert await take("b", 18.5) == 2
    async with database.transaction() as conn:
        await release(conn, name="shard-00", holder="a", at=NOW + timedelta(seconds=19))  # no longer its to give back
    assert await take("a", 20) is None
    async with database.transaction() as conn:
        await release(conn, name="shard-00", holder="b", at=NOW + timedelta(seconds=20))
    assert await take("a", 20) == 3


async def test_many_at_once_one_gets_the_lease(database: Database) -> None:
    async def take(holder: str) -> int | None:
        async with database.transaction() as conn:
            return await claim(conn, name="one", holder=holder, at=NOW, lasts=timedelta(seconds=10))

    got = await asyncio.gather(*(take(f"holder-{number}") for number in range(8)))
    assert sorted(fence for fence in got if fence is not None) == [1]


async def test_times_and_json_come_back_as_they_were(database: Database) -> None:
    at = datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)
    body = {"文": "消防车通道占用", "n": 1.5, "deep": {"list": [1, None, True]}, "quote": "'; drop table events; --"}
    async with database.transaction() as conn:
        await events.append(conn, kind="incident", area_path="3701", body=body, at=at)
    async with database.reading() as conn:
        (event,) = await read_after(conn, 0)
    assert event.at == at
    assert event.body == body


async def test_a_time_without_zone_is_refused(database: Database) -> None:
    with pytest.raises(Exception, match="without zone"):
        async with database.transaction() as conn:
            await events.append(conn, kind="x", area_path="", body={}, at=datetime(2026, 1, 1))  # noqa: DTZ001


async def test_locked_sqlite_answers_within_two_seconds_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "centre.db"
    database = await Database.open(f"sqlite:///{path}")
    await database.migrate()
    loop = asyncio.get_running_loop()
    foreign = sqlite3.connect(path, isolation_level=None)
    try:
        foreign.execute("begin exclusive")
        began = loop.time()
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction() as conn:
                await _say(conn, 1)
        assert loop.time() - began < 4.0  # 1.5 s by itself; the rest is a slow machine
        foreign.execute("rollback")
        async with database.transaction() as conn:
            await _say(conn, 2)
        assert await _numbers(database) == [2]
    finally:
        foreign.close()
        await database.close()


async def test_a_second_process_waits_for_the_writer_of_a_sqlite_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/centre.db"
    first, second = await Database.open(url, wait_s=20), await Database.open(url, wait_s=0.2)
    await first.migrate()
    async with first.transaction() as conn:
        await _say(conn, 1)
        with pytest.raises(DatabaseUnavailable, match="another process"):
            async with second.transaction():
                pytest.fail("two writers at once")
    async with second.transaction() as conn:
        await _say(conn, 2)
    await first.close()
    await second.close()


async def test_sqlite_is_as_safe_as_promised(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/centre.db")
    async with database.transaction() as conn:
        pragmas = {
            name: (await conn.execute(text(f"pragma {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with pytest.raises(CentralError):
        async with database.reading() as conn:
            await conn.execute(text("create table x (y)"))
    await database.close()


@pytest.mark.parametrize("url", ["", "mysql://h/d", "sqlite://", "sqlite:///:memory:", "not a url"])
async def test_a_url_that_cannot_serve_is_refused(url: str) -> None:
    with pytest.raises(CentralError):
        await Database.open(url)


async def test_a_database_that_is_down_is_said_to_be_so() -> None:
    database = await Database.open("postgresql://nobody@127.0.0.1:1/none", wait_s=1)
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    await database.close()


async def test_an_error_never_names_what_was_written(database: Database) -> None:
    """It is logged with its words: a telephone number that could not be written must not be among them."""
    row = {"name": "twice", "holder": "13800001111", "until_at": NOW, "fence": 1}

    async def write_twice() -> None:
        async with database.transaction() as conn:
            await conn.execute(insert(leases), row)
            await conn.execute(insert(leases), row)

    with pytest.raises(IntegrityError) as raised:
        await write_twice()
    assert "13800001111" not in str(raised.value)


async def test_a_connection_that_has_rested_is_asked_whether_it_is_alive_and_replaced(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.dialect != "postgresql":
        pytest.skip("a file cannot hang up")
    monkeypatch.setattr(store_database, "TRUSTED_S", 0.0)
    mine = await _server_process(database)
    other = await Database.open(database.url.render_as_string(hide_password=False))
    try:
        async with other.transaction() as conn:
            await conn.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": mine})
    finally:
        await other.close()
    assert await _server_process(database) != mine


async def _server_process(database: Database) -> int:
    async with database.transaction() as conn:
        found: int = (await conn.execute(text("select pg_backend_pid()"))).scalar_one()
        return found

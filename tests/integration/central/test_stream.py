"""The event stream: in order, in scope, without a hole between the table and what happens now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import update

from tests.support import city
from tests.support.centres import TestCentre
from tests.support.streams import Reader, open_stream
from xueliang_central.areas.tree import path_by_code
from xueliang_central.rights.people import change_user
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.rights.tables import users
from xueliang_central.routes import stream
from xueliang_central.store import events
from xueliang_central.store.events import Event
from xueliang_central.store.feed import POLL_S
from xueliang_central.store.pacing import EVERY_S


@pytest.fixture
async def running(centre: TestCentre) -> AsyncIterator[TestCentre]:
    await centre.centre.feed.start()
    yield centre
    await centre.centre.feed.stop()


async def _say(
    centre: TestCentre,
    number: int,
    code: str = city.GRID,
    *,
    kind: str = "incident",
    for_user: str | None = None,
    **body: Any,
) -> None:
    async with centre.database.transaction() as conn:
        await events.append(
            conn,
            kind=kind,
            area_path=path_by_code(code),
            body={kind: {"number": number, **body}},
            at=centre.clock.at,
            for_user=for_user,
        )


@asynccontextmanager
async def _open(centre: TestCentre, username: str, after: int | None = None) -> AsyncIterator[Reader]:
    """The stream of a person who signs in for it."""
    async with centre.signed_in(username) as client, open_stream(centre, client, after) as reader:
        yield reader


async def test_what_happens_now_arrives_in_order(running: TestCentre) -> None:
    await running.add_user("wang", Role.OPERATOR, city.SOUTH)
    await _say(running, 0)
    await asyncio.sleep(2 * POLL_S)  # the feed has passed it
    async with _open(running, "wang") as reader:
        for number in range(1, 6):
            await _say(running, number)
        assert await reader.numbers(5) == [1, 2, 3, 4, 5]


async def test_a_client_that_comes_back_misses_nothing_and_gets_nothing_twice(running: TestCentre) -> None:
    await running.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with _open(running, "wang") as reader:
        await _say(running, 1)
        assert await reader.numbers(1) == [1]
        last = reader.last_id
    for number in range(2, 5):
        await _say(running, number)
    async with _open(running, "wang", last) as reader:
        writer = asyncio.create_task(_say(running, 5))
        assert await reader.numbers(4) == [2, 3, 4, 5]
        await writer
        await _say(running, 6)
        assert await reader.numbers(1) == [6]


async def test_replay_and_live_join_without_a_hole(running: TestCentre) -> None:
    """A writer that never pauses while clients come back at any moment."""
    await running.add_user("wang", Role.OPERATOR, city.SOUTH)
    total = 60

    async def write() -> None:
        for number in range(total):
            await _say(running, number)

    writer = asyncio.create_task(write())
    got: list[int] = []
    last = 0
    while len(got) < total:
        async with _open(running, "wang", last) as reader:
            for _ in range(min(7, total - len(got))):
                got += await reader.numbers(1)
            assert reader.last_id is not None
            last = reader.last_id
    await writer
    assert got == list(range(total))


async def test_of_an_incident_that_changes_many_times_the_first_and_the_last_state_come(running: TestCentre) -> None:
    await running.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with _open(running, "wang") as reader:
        for number in range(6):
            await _say(running, number, incident_id="busy")
        await _say(running, 50, incident_id="another")
        assert await reader.numbers(2) == [0, 50]
        last_while_one_waits = reader.last_id
        running.clock.advance(EVERY_S)
        assert await reader.numbers(1) == [5]
    async with _open(running, "wang", last_while_one_waits) as reader:
        assert 5 in await reader.numbers(2), "cut off while it waited: it comes again"


async def test_who_gets_another_area_hears_of_that_one_only(running: TestCentre) -> None:
    user_id = await running.add_user("wang", Role.OPERATOR, city.GRID)
    async with _open(running, "wang") as reader:
        await _say(running, 1, city.GRID)
        assert await reader.numbers(1) == [1]
        async with running.database.transaction() as conn:
            area = {"area_code": city.EAST_GRID, "area_path": path_by_code(city.EAST_GRID)}
            await conn.execute(update(users).where(users.c.user_id == user_id).values(**area))
        running.clock.advance(stream.PING_S)
        await _say(running, 2, city.GRID)  # with this one the stream is judged anew
        assert await reader.next() == ("reload", {})
        await _say(running, 3, city.GRID)
        await _say(running, 4, city.EAST_GRID)
        assert await reader.numbers(1) == [4]


async def test_only_what_is_in_scope(running: TestCentre) -> None:
    await running.add_user("wang", Role.OPERATOR, city.VILLAGE)
    user_id = running.user_ids["wang"]
    async with _open(running, "wang") as reader:
        for number, code in enumerate((city.WEST, city.NORTH, city.EAST_GRID, city.CITY, city.VILLAGE_BARE)):
            await _say(running, number, code)
        await _say(running, 50, city.GRID, for_user="8f1c2c1e-0000-4000-8000-000000000000")
        await _say(running, 60, city.GRID, kind="secret")
        await _say(running, 100, city.GRID)
        await _say(running, 101, city.CITY, for_user=user_id, kind="notice")
        assert await reader.numbers(2) == [100, 101]


async def test_a_worker_hears_of_own_and_free_tasks_only(running: TestCentre) -> None:
    me = await running.add_user("zhao", Role.WORKER, city.GRID)
    async with _open(running, "zhao") as reader:
        await _say(running, 1, kind="incident")
        await _say(running, 2, kind="camera")
        await _say(running, 3, kind="task", worker={"user_id": "somebody", "display_name": "x"})
        await _say(running, 4, kind="task", worker={"user_id": me, "display_name": "zhao"})
        await _say(running, 5, kind="task", worker=None)
        assert await reader.numbers(2) == [4, 5]


async def test_hostile_text_stays_inside_its_event(running: TestCentre) -> None:
    await running.add_user("wang", Role.OPERATOR, city.SOUTH)
    hostile = "a\n\nevent: hello\ndata: {}\r\nid: 999\u2028"
    async with _open(running, "wang") as reader:
        await _say(running, 1, text=hostile)
        kind, body = await reader.next()
    assert (kind, body["incident"]["text"]) == ("incident", hostile)


async def test_a_session_that_ends_ends_its_stream(running: TestCentre) -> None:
    user_id = await running.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with _open(running, "wang") as reader:
        await _say(running, 0)
        assert await reader.numbers(1) == [0]
        async with running.database.transaction() as conn:
            await change_user(conn, user_id, at=running.clock.at, by="test", disabled=True)
        running.clock.advance(stream.PING_S)
        await _say(running, 1)
        assert await reader.next() == ("end", None)


async def test_streams_end_when_the_program_stops(running: TestCentre) -> None:
    await running.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with _open(running, "wang") as reader:
        running.centre.feed.end_streams()
        assert await reader.next() == ("end", None)


async def test_an_id_from_elsewhere_begins_at_the_end(running: TestCentre) -> None:
    await running.add_user("wang", Role.OPERATOR, city.SOUTH)
    await _say(running, 1)
    async with _open(running, "wang", 2**61) as reader:
        await _say(running, 2)
        assert await reader.numbers(1) == [2]


async def test_too_far_behind_reads_its_lists_again(running: TestCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "REPLAY_LIMIT", 2)
    await running.add_user("wang", Role.OPERATOR, city.SOUTH)
    for number in range(5):
        await _say(running, number)
    actor = Actor(running.user_ids["wang"], "wang", Role.OPERATOR, path_by_code(city.SOUTH))
    chunks: Any = stream._stream(running.centre, actor, "", 1)
    assert await Reader(chunks).next() == ("reload", {})
    await chunks.aclose()


def test_an_event_for_someone_is_for_nobody_else() -> None:
    at: Any = None
    mine = Event(1, "notice", "3701", {}, at, for_user="me")
    assert stream.is_for(Actor("me", "me", Role.WORKER, "3701/370102"), mine)
    assert not stream.is_for(Actor("you", "you", Role.ADMIN, "3701"), mine)


async def test_a_commit_that_tells_of_many_things_ends_no_stream(running: TestCentre) -> None:
    feed, total = running.centre.feed, 600
    async with feed.listen(Actor("u", "u", Role.OPERATOR, path_by_code(city.GRID))) as listener:
        async with running.database.transaction() as conn:
            for number in range(total):
                body = {"camera": {"camera_id": str(number)}}
                at = running.clock.at
                await events.append(conn, kind="camera", area_path=path_by_code(city.GRID), body=body, at=at)
        heard = 0
        while heard < total and not listener.ended:
            heard += len(await listener.next())
    assert heard == total
    assert feed.dropped_listeners == 0

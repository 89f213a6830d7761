"""No sequence of calls shows anybody an id outside of their scope.

A seeded walk: people of every role in every place ask for lists, objects, pictures and moves, sign in, get grants and
lose them, change role and area; after every answer, and for every event of the stream, the text is searched for the ids
of what that person must not see at that moment. The oracle goes by the digits of area codes alone, and by whose task it
is: what is asked of a person is theirs to see, also when that person's area changes.
`XUELIANG_WALK_STEPS` makes it longer (20,000 in the full run).
"""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import select

from tests.support import city
from tests.support.centres import TestCentre, camera
from tests.support.pictures import jpeg, sha256
from tests.support.rows import (
    add_cap_message,
    add_incident,
    add_leave,
    add_proposal,
    add_sighting,
    add_silence,
    add_silenced_alert,
    add_task,
)
from xueliang_central.areas.tree import path_by_code
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import MoveRefused
from xueliang_central.fleet.nodes import add_node
from xueliang_central.rights.people import change_user, grant
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.routes import stream
from xueliang_central.store.events import read_after

STEPS = int(os.environ.get("XUELIANG_WALK_STEPS", "600"))
SEED = int(os.environ.get("XUELIANG_WALK_SEED", "20261123"))
JPEG = {"content-type": "image/jpeg"}


@dataclass
class Someone:
    """One person as the oracle knows them."""

    name: str
    user_id: str
    role: Role
    area: str
    granted: dict[str, Any] = field(default_factory=dict)
    client: httpx.AsyncClient | None = None

    def sees(self, code: str, now: Any) -> bool:
        roots = [self.area, *(root for root, until in self.granted.items() if until > now)]
        return any(code.startswith(root) for root in roots)

    def actor(self, now: Any) -> Actor:
        live = tuple(path_by_code(root) for root, until in self.granted.items() if until > now)
        return Actor(self.user_id, self.name, self.role, path_by_code(self.area), live)


class Walk:
    """What exists, who there is, and one random step after the other."""

    def __init__(self, centre: TestCentre, stack: AsyncExitStack) -> None:
        self.centre = centre
        self.stack = stack
        self.dice = random.Random(SEED)
        self.code_of: dict[str, str] = {}  # every id that can leak, and the area it belongs to
        names = ("cameras", "fleet", "incidents", "tasks", "evidence", "silences", "calendar-proposals", "people")
        names += ("sightings", "cap/messages")
        self.kinds: dict[str, list[str]] = {name: [] for name in names}
        self.people: list[Someone] = []
        self.still_of: dict[str, str] = {}
        self.told: list[str] = []
        self.read_to = 0

    async def furnish(self) -> None:
        for number, code in enumerate(city.BOXES):
            node, eye, picture = f"node-n{number:02d}", f"eye-e{number:02d}", jpeg(filler=code.encode())
            async with self.centre.database.transaction() as conn:
                await add_node(conn, node_id=node, area_path=path_by_code(code), at=self.centre.clock.at, by="test")
            await self.centre.add_cameras(camera(eye, code, node_id=node))
            async with self.centre.client() as sender:
                headers = {**JPEG, "authorization": f"Bearer {self.centre.node_token}"}
                await sender.put(f"/api/evidence/{sha256(picture)}", content=picture, headers=headers)
            incident = await add_incident(self.centre, code, still=sha256(picture))
            task = await add_task(self.centre, incident, code)
            self.still_of[incident] = sha256(picture)
            silence, proposal = await add_silence(self.centre, code), await add_proposal(self.centre, code)
            self.code_of[await add_silenced_alert(self.centre, silence, code)] = code
            rostered = await self.centre.add_user(f"rostered-{code}", Role.WORKER, code)
            await add_leave(self.centre, rostered)  # never sent: only rosters may show who that is
            found = (eye, node, incident, task, sha256(picture), silence, proposal, rostered)
            found += (await add_sighting(self.centre, code), await add_cap_message(self.centre, incident, code))
            for kind, one in zip(self.kinds, found, strict=True):
                self.kinds[kind].append(one)
                self.code_of[one] = code
        places = list(city.BOXES)
        for role in Role:
            for place in self.dice.sample(places, 3):
                name = f"{role.value}-{place}"
                user_id = await self.centre.add_user(name, role, place)
                self.people.append(Someone(name, user_id, role, place))

    async def client_of(self, someone: Someone) -> httpx.AsyncClient:
        if someone.client is None:
            someone.client = await self.stack.enter_async_context(self.centre.signed_in(someone.name))
        return someone.client

    async def step(self) -> None:
        someone = self.dice.choice(self.people)
        choices: list[tuple[int, Callable[[Someone], Awaitable[None]]]] = [
            (10, self.ask_list),
            (14, self.ask_one),
            (6, self.move),
            (2, self.open_grant),
            (1, self.change),
            (2, self.pass_time),
            (2, self.hear),
        ]
        _, act = self.dice.choices(choices, weights=[weight for weight, _ in choices])[0]
        await act(someone)

    async def ask_list(self, someone: Someone) -> None:
        paths = ("areas", "cameras", "fleet", "incidents?state=all", "incidents?state=open&limit=2", "tasks?state=all")
        paths += ("silences?state=all", "silences?limit=2", "calendar-proposals?state=all")
        west, south, east, north = city.BOXES[self.dice.choice(list(city.BOXES))]
        place = f"longitude={(west + east) / 2}&latitude={(south + north) / 2}"
        paths += ("sightings", "cap/messages", f"sightings/nearby?hazard=fire_lane_obstruction&{place}")
        paths += tuple(f"areas/{self.dice.choice(list(city.BOXES))}/{what}" for what in ("roster", "on-duty"))
        await self.ask(someone, "GET", f"/api/{self.dice.choice(paths)}")

    async def ask_one(self, someone: Someone) -> None:
        kind = self.dice.choice(list(self.kinds))
        within = "/alerts" if kind == "silences" and self.dice.random() < 0.5 else ""
        within = "/roster" if kind == "people" else within
        await self.ask(someone, "GET", f"/api/{kind}/{self.dice.choice(self.kinds[kind])}{within}")

    async def move(self, someone: Someone) -> None:
        kind, moves = self.dice.choice(
            [
                ("incidents", ["confirm", "false_alarm", "dispatch", "reopen"]),
                ("tasks", ["take", "arrive", "return"]),
                ("silences", ["end"]),
                ("calendar-proposals", ["accept", "refuse"]),
            ]
        )
        body = {"move": self.dice.choice(moves), "version": self.dice.choice([1, 1, 2])}
        body |= {"reason_code": "test"} if kind in {"incidents", "tasks"} else {"note": "test"}
        await self.ask(someone, "POST", f"/api/{kind}/{self.dice.choice(self.kinds[kind])}/moves", json=body)

    async def ask(self, someone: Someone, method: str, path: str, **more: Any) -> None:
        client = await self.client_of(someone)
        answer = await client.request(method, path, **more)
        if answer.status_code == 401:
            someone.client = None  # the session ended by a change or by time
            return
        assert answer.status_code < 500, (path, answer.text)
        asked = path.split("/")[3] if path.count("/") >= 3 else ""
        await self.check(someone, answer.text, f"{method} {path}", asked if answer.status_code != 200 else "")
        if answer.status_code == 200 and asked in self.code_of:
            await self.check(someone, asked, f"{method} {path}", "")

    async def asked_of(self, someone: Someone) -> set[str]:
        """What belongs to tasks asked of this person: theirs to see, also when the person's area changes."""
        async with self.centre.database.reading() as conn:
            rows = (await conn.execute(select(tasks).where(tasks.c.worker_id == someone.user_id))).all()
        return {one for row in rows for one in (row.task_id, row.incident_id, self.still_of[row.incident_id])}

    async def check(self, someone: Someone, text: str, what: str, allowed: str) -> None:
        now = self.centre.clock.at
        leaked = [
            one for one, code in self.code_of.items() if one in text and one != allowed and not someone.sees(code, now)
        ]
        if leaked:
            own = await self.asked_of(someone)
            leaked = [one for one in leaked if one not in own]
        assert not leaked, f"seed {SEED}, after {self.told[-5:]}: {someone} saw {leaked} by {what}"
        self.told.append(f"{someone.name}: {what}")

    async def open_grant(self, someone: Someone) -> None:
        code = self.dice.choice(list(city.BOXES))
        now = self.centre.clock.at
        until = now + timedelta(minutes=self.dice.choice([1, 30]))
        async with self.centre.database.transaction() as conn:
            await grant(conn, someone.user_id, path_by_code(code), why="help", by="test", at=now, until=until)
        someone.granted[code] = until

    async def change(self, someone: Someone) -> None:
        role, area = self.dice.choice(list(Role)), self.dice.choice(list(city.BOXES))
        values = {"role": role.value, "area_code": area, "area_path": path_by_code(area)}
        try:
            async with self.centre.database.transaction() as conn:
                await change_user(conn, someone.user_id, at=self.centre.clock.at, by="test", **values)
        except MoveRefused:  # one administrator does not become another: nothing has changed
            return
        someone.role, someone.area = role, area

    async def pass_time(self, _someone: Someone) -> None:
        self.centre.clock.advance(self.dice.choice([5, 90]))

    async def hear(self, someone: Someone) -> None:
        """What the stream would have told this person of the last changes."""
        async with self.centre.database.reading() as conn:
            found = await read_after(conn, self.read_to)
        now = self.centre.clock.at
        for event in found:
            if stream.is_for(someone.actor(now), event):
                await self.check(
                    someone, stream.line(event.kind, event.body, event.event_id).decode(), "the stream", ""
                )
        self.read_to = found[-1].event_id if found else self.read_to


async def test_no_sequence_of_calls_shows_what_lies_outside(centre: TestCentre) -> None:
    async with AsyncExitStack() as stack:
        walk = Walk(centre, stack)
        await walk.furnish()
        for _ in range(STEPS):
            await walk.step()
        shown = [told for told in walk.told if "GET" in told]
        assert len(shown) > STEPS // 4, "the walk must have asked for things"

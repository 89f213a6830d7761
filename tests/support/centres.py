"""A centre for tests: the small city, a person of each kind, and clients that are signed in.

Requests go through the whole application (guard, routes, database) in this process, without a socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from starlette.types import ASGIApp

from tests.support import city
from xueliang_central.administration import take_areas
from xueliang_central.app import create_app
from xueliang_central.areas.tree import AreaTree, path_by_code
from xueliang_central.cameras.gate import Gate
from xueliang_central.cameras.register import CameraPlace, upsert_cameras
from xueliang_central.centre import Centre, Settings
from xueliang_central.fleet.nodes import add_node
from xueliang_central.rights import people
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.routes.rates import Rates
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_configs.policies import Match, Policy, PolicyTable

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
PASSWORD = "a long enough password"
ORIGIN = "http://centre.test"


@dataclass
class Clock:
    """Both clocks of a test: `at` is the wall, `mono_s` goes along."""

    at: datetime = START
    mono_s: float = 0.0

    def wall(self) -> datetime:
        return self.at

    def mono(self) -> float:
        return self.mono_s

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.mono_s += seconds


def policy_table() -> PolicyTable:
    return PolicyTable(policies=(Policy(match=Match(), judge_s=60, take_s=180, arrive_s=300),))


def camera(camera_id: str, area_code: str | None, *, node_id: str | None = "edge-01") -> CameraPlace:
    west, south, east, north = city.BOXES[area_code or city.GRID]
    return CameraPlace(
        camera_id=camera_id,
        name=f"摄像机 {camera_id}",
        area_code=area_code,
        longitude=(west + east) / 2,
        latitude=(south + north) / 2,
        place_class="residential",
        node_id=node_id,
    )


@lru_cache
def _quick_hash(password: str) -> str:
    """As the centre's own, and judged by it, but of one pass over 8 KiB: what it costs stands in it, and each sign-in
    pays that. Tests of what a password costs make theirs by the product."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


@dataclass
class TestCentre:
    """A centre, its application, its clock, and who may use it."""

    __test__ = False

    centre: Centre
    app: ASGIApp
    clock: Clock
    node_token: str = ""
    user_ids: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.centre.database

    @property
    def tree(self) -> AreaTree:
        return self.centre.areas.tree

    async def add_user(self, username: str, role: Role, area_code: str, *, password: str = PASSWORD) -> str:
        async with self.database.transaction() as conn:
            user_id = await people.add_user(
                conn,
                username=username,
                display_name=f"{username} 先生",
                role=role,
                area_code=area_code,
                area_path=path_by_code(area_code),
                password_hash=_quick_hash(password),
                at=self.clock.at,
                by="test",
                holder=f"no-{username}",
            )
        self.user_ids[username] = user_id
        return user_id

    async def add_cameras(self, *places: CameraPlace) -> None:
        async with self.database.transaction() as conn:
            await upsert_cameras(conn, places, self.tree, at=self.clock.at)

    def actor(self, username: str, role: Role, area_code: str) -> Actor:
        return Actor(self.user_ids[username], username, role, path_by_code(area_code))

    def client(self, *, address: str = "10.1.2.3") -> httpx.AsyncClient:
        """A client nobody has signed in with."""
        transport = httpx.ASGITransport(app=self.app, client=(address, 4711), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN)

    @asynccontextmanager
    async def signed_in(self, username: str, *, password: str = PASSWORD) -> AsyncIterator[httpx.AsyncClient]:
        """A client with a session, whose CSRF header is set."""
        async with self.client() as client:
            answer = await client.post("/api/session", json={"username": username, "password": password})
            assert answer.status_code == 200, answer.text
            client.headers["x-csrf-token"] = answer.json()["csrf"]
            yield client


async def build_centre(
    database: Database, data_dir: Path, *, console_dir: Path | None = None, **chosen: Any
) -> TestCentre:
    """The small city in an empty database, one node ("edge-01"), no people and no cameras yet.

    Args:
        chosen: further `Settings`.
    """
    clock = Clock()
    chosen.setdefault("camera_gate", Gate.TELL)  # the gate has tests of its own
    settings = Settings(data_dir=data_dir, console_dir=console_dir or data_dir / "no-console", **chosen)
    centre = centre_on(database, settings, policy_table(), wall=clock.wall, mono=clock.mono)
    await take_areas(database, city.area_table(), at=clock.at, remove_missing=False)
    await centre.areas.refresh(database)
    centre.pictures.prepare()
    await centre.health.ask()
    app = create_app(centre, rates=Rates(clock.mono, per_second=1e6, burst=1e6))
    made = TestCentre(centre, app, clock)
    async with database.transaction() as conn:
        made.node_token = await add_node(
            conn, node_id="edge-01", area_path=path_by_code(city.WEST), at=clock.at, by="test"
        )
    return made

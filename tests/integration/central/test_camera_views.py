"""What a node tells of its camera's views is kept, with the newest still of each: shown whether the node is there or
not, to who sees the camera's rules, and gone as stills that no case names."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from tests.integration.central.test_fresh_looks import hand_in
from tests.support import city
from tests.support.centres import TestCentre, camera
from tests.support.pictures import jpeg, sha256
from xueliang_alerts.commands import FullStill, LookResult, NamedView, Says
from xueliang_central.cameras.stills import note_still
from xueliang_central.cameras.views import note_views
from xueliang_central.evidence.tables import pictures
from xueliang_central.retention.removing import remove, unlink_some
from xueliang_central.rights.scope import Role
from xueliang_configs.retention import RetentionConfig

NODE_ID = "edge-01"
LANE, SQUARE, STREET = (NamedView(view_id=one, name=one.title()) for one in ("lane", "square", "street"))


class Desk:
    """A centre with one camera that turns, its node, and who tunes its rules."""

    def __init__(self, centre: TestCentre, client: httpx.AsyncClient) -> None:
        self.centre, self.client = centre, client

    async def tell(self, *views: NamedView, shows: str | None = None, picture: bytes | None = None) -> None:
        """As the route does with an answer of the node."""
        self.centre.clock.advance(60)
        at = self.centre.clock.at
        still = None if picture is None else FullStill(sha256=sha256(picture), bytes=9, size_wh=(1280, 720))
        told = LookResult(
            command="look",
            request_id=uuid.uuid4().hex,
            observed_at=at,
            says=Says.NO_RULE,
            still=still,
            view_id=shows,
            views=views,
        )
        async with self.centre.database.transaction() as conn:
            await note_views(conn, "lane", NODE_ID, told, at)
            if still is not None:
                await note_still(conn, "lane", NODE_ID, still, at)

    async def body(self) -> dict[str, Any]:
        answer = await self.client.get("/api/cameras/lane/rules")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def pictured(self) -> dict[str, str | None]:
        """view_id → the still that is shown of it, by hash."""
        views = (await self.body())["views"]
        return {one["view_id"]: one["still"] and one["still"]["sha256"] for one in views["items"]}

    async def seen(self, picture: bytes) -> int:
        return (await self.client.get(f"/api/evidence/{sha256(picture)}")).status_code


@pytest.fixture
async def desk(centre: TestCentre) -> Any:
    await centre.add_cameras(camera("lane", city.GRID, node_id=NODE_ID))
    await centre.add_user("desk", Role.RULE_OPERATOR, city.WEST)
    async with centre.signed_in("desk") as client:
        yield Desk(centre, client)


def drawn(name: str) -> bytes:
    return jpeg(1280, 720, filler=name.encode())


async def test_each_view_keeps_its_newest_still_until_a_newer_one_is_here(desk: Desk) -> None:
    lane, square, newer, between = (drawn(one) for one in ("lane", "square", "newer", "between"))
    assert (await desk.body())["views"] is None
    await desk.tell(LANE, SQUARE, shows="lane", picture=lane)
    assert await desk.pictured() == {"lane": None, "square": None}
    assert await hand_in(desk.centre, lane) == await hand_in(desk.centre, square) == 201
    await desk.tell(LANE.model_copy(update={"state": "beside"}), SQUARE, shows="square", picture=square)
    body = await desk.body()
    assert body["views"]["told_at"] == desk.centre.clock.at.isoformat().replace("+00:00", "Z")
    assert [(one["name"], one["state"]) for one in body["views"]["items"]] == [("Lane", "beside"), ("Square", None)]
    assert await desk.pictured() == {"lane": sha256(lane), "square": sha256(square)}
    assert (body["still"]["sha256"], body["still"]["view_id"]) == (sha256(square), "square")
    # One that is on its way may never come: the one before stays until then, and no longer.
    await desk.tell(LANE, SQUARE, shows="lane", picture=drawn("never came"))
    await desk.tell(LANE, SQUARE, shows="lane", picture=newer)
    assert (await desk.pictured())["lane"] == sha256(lane)
    assert await hand_in(desk.centre, newer) == 201
    assert (await desk.pictured())["lane"] == sha256(newer)
    assert [await desk.seen(one) for one in (newer, square, lane)] == [200, 200, 404]
    # Between two views: known to be of none, and none loses its own.
    assert await hand_in(desk.centre, between) == 201
    await desk.tell(LANE, SQUARE, picture=between)
    still = (await desk.body())["still"]
    assert (still["sha256"], still["view_id"], still["is_view_known"]) == (sha256(between), None, True)
    assert await desk.pictured() == {"lane": sha256(newer), "square": sha256(square)}


async def test_what_is_told_no_longer_or_by_another_node_is_not_shown(desk: Desk) -> None:
    lane, square = drawn("lane"), drawn("square")
    assert await hand_in(desk.centre, lane) == await hand_in(desk.centre, square) == 201
    await desk.tell(LANE, SQUARE, shows="square", picture=square)
    await desk.tell(LANE, SQUARE, shows="lane", picture=lane)
    old = LookResult(command="look", request_id="q", says=Says.CANNOT_SEE)  # a node of a release before
    async with desk.centre.database.transaction() as conn:
        await note_views(conn, "lane", NODE_ID, old, desk.centre.clock.at)
    assert await desk.pictured() == {"lane": sha256(lane), "square": sha256(square)}
    await desk.tell(LANE, STREET)
    assert await desk.pictured() == {"lane": sha256(lane), "street": None}
    assert await desk.seen(square) == 404
    await desk.centre.add_cameras(camera("lane", city.GRID, node_id="edge-02"))
    body = await desk.body()
    assert (body["views"], body["still"]["is_view_known"]) == (None, False)
    await desk.centre.add_cameras(camera("lane", city.GRID, node_id=NODE_ID))
    await desk.tell()
    assert (await desk.body())["views"]["items"] == []  # it stands still
    await desk.tell(LANE, STREET)
    assert (await desk.pictured())["lane"] is None  # who stood still had no still of a view


async def test_a_still_goes_as_those_that_no_case_names_and_is_seen_in_scope_only(desk: Desk) -> None:
    lane, square = drawn("lane"), drawn("square")
    for view, picture in (("lane", lane), ("square", square)):
        assert await hand_in(desk.centre, picture) == 201
        await desk.tell(LANE, SQUARE, shows=view, picture=picture)
    found = {}
    for name, role, area in (
        ("judge", Role.OPERATOR, city.WEST),
        ("worker", Role.WORKER, city.GRID),
        ("east", Role.ADMIN, city.EAST),
    ):
        await desk.centre.add_user(name, role, area)
        async with desk.centre.signed_in(name) as other:
            rules = await other.get("/api/cameras/lane/rules")
            found[name] = (rules.status_code, (await other.get(f"/api/evidence/{sha256(lane)}")).status_code)
    assert found == {"judge": (200, 200), "worker": (403, 404), "east": (404, 404)}
    foreign = drawn("of another node")
    assert await hand_in(desk.centre, foreign) == 201
    async with desk.centre.database.transaction() as conn:
        of_it = update(pictures).where(pictures.c.sha256 == sha256(foreign))
        await conn.execute(of_it.values(received_from="node:edge-02"))
    await desk.tell(LANE, SQUARE, shows="lane", picture=foreign)
    assert await desk.pictured() == {"lane": sha256(lane), "square": sha256(square)}
    assert await desk.seen(foreign) == 404  # a node cannot have another's picture shown by naming it
    later = desk.centre.clock.at + timedelta(days=31)
    async with desk.centre.database.transaction() as conn:
        assert await remove(conn, "unnamed_pictures", RetentionConfig(), later) == 3
    async with desk.centre.database.transaction() as conn:
        assert await unlink_some(conn, desk.centre.centre.pictures) == 3
    assert await desk.pictured() == {"lane": None, "square": None}
    assert [await desk.seen(one) for one in (lane, square)] == [404, 404]

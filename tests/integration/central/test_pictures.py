"""Pictures in and out: by hash, checked, seen only by who may see what names them, every view recorded."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, select

from tests.support import city
from tests.support.centres import TestCentre
from tests.support.pictures import jpeg, png, sha256
from tests.support.rows import add_incident, add_task, filled
from xueliang_central.audit.tables import audit_records
from xueliang_central.dispatch.tables import task_photos
from xueliang_central.errors import NotFound, PictureRefused, TooLarge
from xueliang_central.evidence.pictures import PictureKind, PictureStore
from xueliang_central.evidence.pieces import KEPT_S, MOST_HALVES, Piece, Pieces
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.rights.scope import Role
from xueliang_central.store.events import read_after

STILL = jpeg(filler=b"still")
HASH = sha256(STILL)
JPEG = {"content-type": "image/jpeg"}


def _node(centre: TestCentre) -> dict[str, str]:
    return {**JPEG, "authorization": f"Bearer {centre.node_token}"}


async def _put(centre: TestCentre, data: bytes = STILL, name: str | None = None) -> httpx.Response:
    async with centre.client() as node:
        return await node.put(f"/api/evidence/{name or sha256(data)}", content=data, headers=_node(centre))


def _files(centre: TestCentre) -> list[Path]:
    return [path for path in (centre.centre.settings.data_dir / "pictures").rglob("*") if path.is_file()]


async def test_a_node_hands_in_a_still_and_an_operator_of_the_area_sees_it(centre: TestCentre) -> None:
    incident_id = await add_incident(centre, city.GRID, still=HASH)
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.client() as node:
        assert (await node.head(f"/api/evidence/{HASH}", headers=_node(centre))).status_code == 404
    assert (await _put(centre)).status_code == 201
    assert (await _put(centre)).status_code == 200
    async with centre.client() as node:
        assert (await node.head(f"/api/evidence/{HASH}", headers=_node(centre))).status_code == 200
    async with centre.signed_in("wang") as client:
        answer = await client.get(f"/api/evidence/{HASH}")
    assert answer.content == STILL
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    async with centre.database.reading() as conn:
        query = select(audit_records).where(audit_records.c.action == "evidence.viewed")
        (view,) = (await conn.execute(query)).mappings()
        assert (view["actor"], view["object_id"]) == ("wang", HASH)
        assert view["detail"] == {"about": incident_id, "purpose": "judge"}


async def test_an_incident_learns_that_its_picture_has_come_once(centre: TestCentre) -> None:
    incident_id = await add_incident(centre, city.GRID, still=HASH)
    await _put(centre)
    await _put(centre)
    async with centre.database.reading() as conn:
        entries = (await conn.execute(select(incident_timeline))).mappings().all()
        told = [event for event in await read_after(conn, 0) if event.kind == "incident"]
    assert [(entry["incident_id"], entry["kind"], entry["actor_name"]) for entry in entries] == [
        (incident_id, "picture_received", "edge-01")
    ]
    assert [event.body["incident"]["incident_id"] for event in told] == [incident_id]


async def test_a_picture_nothing_names_is_seen_by_nobody(centre: TestCentre) -> None:
    await _put(centre)
    await centre.add_user("root", Role.ADMIN, city.CITY)
    async with centre.signed_in("root") as client:
        assert (await client.get(f"/api/evidence/{HASH}")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer "}, {"authorization": "Bearer xln_made_up"}, {"authorization": "Basic eDp5"}],
    ids=["none", "empty", "made up", "basic"],
)
async def test_only_a_registered_node_hands_in(centre: TestCentre, headers: dict[str, str]) -> None:
    async with centre.client() as stranger:
        answer = await stranger.put(f"/api/evidence/{HASH}", content=STILL, headers={**JPEG, **headers})
        assert answer.status_code == 401
        assert (await stranger.head(f"/api/evidence/{HASH}", headers=headers)).status_code == 401
    assert _files(centre) == []


async def test_a_person_is_no_node_and_a_node_no_person(centre: TestCentre) -> None:
    await centre.add_user("root", Role.ADMIN, city.CITY)
    async with centre.signed_in("root") as client:
        assert (await client.put(f"/api/evidence/{HASH}", content=STILL, headers=JPEG)).status_code == 401
    async with centre.client() as node:
        assert (await node.get("/api/areas", headers=_node(centre))).status_code == 401


@pytest.mark.parametrize(
    ("data", "name", "status"),
    [
        pytest.param(STILL, "0" * 64, 422, id="another hash"),
        pytest.param(b"<svg onload=alert(1)>", None, 422, id="not a picture"),
        pytest.param(png(), None, 422, id="png is no evidence"),
        pytest.param(jpeg(1, 65_535), None, 422, id="1 x 65,535"),
        pytest.param(jpeg(9000, 9000), None, 422, id="81 megapixels"),
        pytest.param(b"", None, 422, id="nothing"),
        pytest.param(jpeg(filler=bytes(8_000_001)), None, 413, id="more than 8 MB"),
    ],
)
async def test_what_is_refused_leaves_nothing_behind(
    centre: TestCentre, data: bytes, name: str | None, status: int
) -> None:
    answer = await _put(centre, data, name)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert _files(centre) == []


async def test_a_stream_without_length_is_cut_at_the_limit(centre: TestCentre) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 200_000_000:
            sent += 100_000
            yield bytes(100_000)

    async with centre.client() as node:
        answer = await node.put(f"/api/evidence/{HASH}", content=endless(), headers=_node(centre))
    assert answer.status_code == 413
    assert _files(centre) == []


async def test_a_sender_that_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    store.prepare()

    async def cut() -> AsyncIterator[bytes]:
        yield STILL[:20]
        raise ConnectionResetError("gone")

    with pytest.raises(Exception):  # noqa: B017 -- whatever it is called, no file may stay
        await store.receive(PictureKind.EVIDENCE, HASH, cut())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_what_a_killed_process_left_is_cleared_at_a_later_start(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    store.prepare()
    half, left_over = (tmp_path / "incoming" / name for name in ("half", "left_over"))
    half.write_bytes(b"half")  # of another process, at work
    left_over.write_bytes(b"half")
    os.utime(left_over, (0, 0))
    store.prepare()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [half]


HOSTILE_NAMES = (
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    HASH.upper(),
    HASH + "0",
    HASH[:-1],
    HASH[:-1] + "%0a",
    HASH + "%00",
    HASH + "/..",
    "ab/" + HASH[2:],
    "....//....//etc/passwd",
    "C:\\windows\\win.ini",
    "/etc/passwd",
    "～" * 21,
)


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, HASH[:-1] + "\n", HASH[:-1] + "\0", ""])
def test_no_name_leads_out_of_the_store(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        PictureStore(tmp_path).path_of(PictureKind.EVIDENCE, name)


async def test_no_address_leads_elsewhere(centre: TestCentre) -> None:
    await centre.add_user("root", Role.ADMIN, city.CITY)
    async with centre.signed_in("root") as client:
        for name in HOSTILE_NAMES:
            for kind in ("evidence", "photos"):
                answer = await client.get(f"/api/{kind}/{name}")
                assert answer.status_code in {400, 404, 422}, name
                assert b"root:" not in answer.content


async def test_the_store_refuses_by_itself(tmp_path: Path) -> None:
    """The same limits without the guard before it."""
    store = PictureStore(tmp_path)
    store.prepare()

    async def chunks(data: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(data), 65_536):
            yield data[at : at + 65_536]

    large = jpeg(filler=bytes(8_000_001))
    with pytest.raises(TooLarge):
        await store.receive(PictureKind.EVIDENCE, sha256(large), chunks(large))
    with pytest.raises(PictureRefused):
        await store.receive(PictureKind.PHOTO, HASH, chunks(png()))
    picture = await store.receive(PictureKind.PHOTO, sha256(png()), chunks(png()))
    assert (picture.media_type, picture.bytes) == ("image/png", len(png()))
    assert store.path_of(PictureKind.PHOTO, picture.sha256).stat().st_mode & 0o077 == 0


async def test_a_photo_is_seen_by_its_maker_and_by_who_sees_the_task(centre: TestCentre) -> None:
    photo = jpeg(filler=b"photo")
    name = sha256(photo)
    maker = await centre.add_user("zhao", Role.WORKER, city.GRID)
    await centre.add_user("qian", Role.WORKER, city.GRID)
    await centre.add_user("desk", Role.OPERATOR, city.VILLAGE)
    await centre.add_user("far", Role.OPERATOR, city.EAST)
    async with centre.signed_in("zhao") as client:
        assert (await client.put(f"/api/photos/{name}", content=photo, headers=JPEG)).status_code == 201
        assert (await client.put(f"/api/photos/{name}", content=photo, headers=JPEG)).status_code == 200
        assert (await client.get(f"/api/photos/{name}")).content == photo
    for other in ("qian", "desk", "far"):
        async with centre.signed_in(other) as client:
            assert (await client.get(f"/api/photos/{name}")).status_code == 404, "no task names it yet"
    incident_id = await add_incident(centre, city.GRID)
    task_id = await add_task(centre, incident_id, city.GRID, worker_id=maker, state="handled")
    async with centre.database.transaction() as conn:
        row = filled(
            task_photos, task_id=task_id, sha256=name, area_path=centre.tree.path_of(city.GRID), added_by=maker
        )
        await conn.execute(insert(task_photos), row)
    for other, status in (("desk", 200), ("qian", 404), ("far", 404)):
        async with centre.signed_in(other) as client:
            assert (await client.get(f"/api/photos/{name}")).status_code == status, other


async def test_a_worker_sees_the_still_of_an_own_task_only(centre: TestCentre) -> None:
    mine, other = await add_incident(centre, city.GRID, still=HASH), sha256(jpeg(filler=b"other"))
    await add_incident(centre, city.GRID, still=other)
    worker = await centre.add_user("zhao", Role.WORKER, city.GRID)
    await add_task(centre, mine, city.GRID, worker_id=worker, state="taken")
    await _put(centre)
    await _put(centre, jpeg(filler=b"other"))
    async with centre.signed_in("zhao") as client:
        assert (await client.get(f"/api/evidence/{HASH}")).status_code == 200
        assert (await client.get(f"/api/evidence/{other}")).status_code == 404


def _piece(data: bytes, start: int, stop: int) -> dict[str, str]:
    return {**JPEG, "content-range": f"bytes {start}-{stop - 1}/{len(data)}"}


async def _received(client: httpx.AsyncClient, name: str) -> tuple[int, str | None]:
    answer = await client.head(f"/api/photos/{name}")
    return answer.status_code, answer.headers.get("x-received-bytes")


async def test_a_photo_comes_in_pieces_and_goes_on_where_it_broke(centre: TestCentre) -> None:
    photo = jpeg(filler=bytes(range(256)) * 400)
    name = sha256(photo)
    await centre.add_user("zhao", Role.WORKER, city.GRID)
    await centre.add_user("qian", Role.WORKER, city.GRID)
    async with centre.signed_in("zhao") as client, centre.signed_in("qian") as other:

        async def put(start: int, stop: int) -> httpx.Response:
            return await client.put(
                f"/api/photos/{name}", content=photo[start:stop], headers=_piece(photo, start, stop)
            )

        assert await _received(client, name) == (204, "0")
        assert (await put(0, 40_000)).status_code == 202
        assert await _received(client, name) == (204, "40000")
        assert await _received(other, name) == (204, "0"), "halves are their sender's"
        gap = await put(50_000, 60_000)
        assert (gap.status_code, gap.json()["received"]) == (409, 40_000)
        assert (await put(0, 40_000)).status_code == 409
        assert (await client.get(f"/api/photos/{name}")).status_code == 404
        assert (await put(40_000, len(photo))).status_code == 201
        assert await _received(client, name) == (200, None)
        assert await _received(other, name) == (204, "0"), "no task names it yet"
        assert (await client.get(f"/api/photos/{name}")).content == photo
    assert [path.name for path in _files(centre)] == [name[2:]]
    async with centre.database.reading() as conn:
        actions = (await conn.execute(select(audit_records.c.action))).scalars().all()
    assert actions.count("photo.added") == 1
    assert actions.count("photo.viewed") == 1, "asking whether it is here is no view"


async def test_a_photo_whose_pieces_were_damaged_on_the_way_is_gone_and_may_come_again(centre: TestCentre) -> None:
    photo = jpeg(filler=bytes(5_000))
    damaged = photo[:1_000] + b"?" + photo[1_001:3_000]
    where = f"/api/photos/{sha256(photo)}"
    await centre.add_user("zhao", Role.WORKER, city.GRID)
    async with centre.signed_in("zhao") as client:
        first = await client.put(where, content=damaged, headers=_piece(photo, 0, 3_000))
        last = await client.put(where, content=photo[3_000:], headers=_piece(photo, 3_000, len(photo)))
        assert (first.status_code, last.status_code, last.json()["received"]) == (202, 409, 0)
        assert await _received(client, sha256(photo)) == (204, "0")
        assert _files(centre) == []
        await client.put(where, content=photo[:3_000], headers=_piece(photo, 0, 3_000))
        last = await client.put(where, content=photo[3_000:], headers=_piece(photo, 3_000, len(photo)))
        assert last.status_code == 201


@pytest.mark.parametrize(
    ("content_range", "status"),
    [
        ("bytes 0-9/20000000", 413),
        ("bytes 9-3/100", 422),
        ("bytes 0-100/100", 422),
        ("bytes 0-9/*", 422),
        ("lines 0-9/100", 422),
        ("bytes 0-9/100, bytes 10-19/100", 422),
        ("bytes 0-1/100", 413),
    ],
)
async def test_a_piece_that_is_none_is_refused(centre: TestCentre, content_range: str, status: int) -> None:
    await centre.add_user("zhao", Role.WORKER, city.GRID)
    async with centre.signed_in("zhao") as client:
        headers = {**JPEG, "content-range": content_range}
        answer = await client.put(f"/api/photos/{HASH}", content=bytes(10), headers=headers)
        assert answer.status_code == status, answer.text


async def test_half_photos_are_few_and_do_not_stay(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    store.prepare()
    pieces = Pieces(store)

    async def chunk() -> AsyncIterator[bytes]:
        yield bytes(10)

    async def begin(number: int, sender: str, now_s: float) -> None:
        await pieces.add(PictureKind.PHOTO, f"{number:064x}", sender, Piece(0, 10, 100), chunk(), now_s=now_s)

    now_s = datetime.now(UTC).timestamp()
    for number in range(MOST_HALVES + 3):
        await begin(number, "zhao", now_s)
    await begin(99, "qian", now_s)
    assert len(list((tmp_path / "pieces").iterdir())) == MOST_HALVES + 1
    assert await pieces.received(PictureKind.PHOTO, f"{0:064x}", "zhao") == 0
    assert await pieces.received(PictureKind.PHOTO, f"{MOST_HALVES:064x}", "zhao") == 10
    await begin(7, "li", now_s + KEPT_S + 60)
    assert [path.stat().st_size for path in (tmp_path / "pieces").iterdir()] == [10]

"""Voice notes in and out: by hash, checked by content, heard only by who may see the task, every hearing recorded."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import insert, select

from tests.support import city
from tests.support.centres import TestCentre
from tests.support.pictures import jpeg, sha256
from tests.support.rows import add_incident, add_task, filled
from tests.support.sounds import PICTURE, SOUND, mp4, webm
from xueliang_central.audit.tables import audit_records
from xueliang_central.dispatch.tables import task_voices
from xueliang_central.rights.scope import Role

NOTE = webm(filler=bytes(range(256)) * 400)
NAME = sha256(NOTE)
WEBM = {"content-type": "audio/webm"}


async def test_a_voice_note_is_heard_by_its_maker_and_by_who_sees_the_task(centre: TestCentre) -> None:
    maker = await centre.add_user("zhao", Role.WORKER, city.GRID)
    await centre.add_user("qian", Role.WORKER, city.GRID)
    await centre.add_user("desk", Role.OPERATOR, city.VILLAGE)
    await centre.add_user("far", Role.OPERATOR, city.EAST)
    await centre.add_user("keeper", Role.SECURITY, city.CITY)
    async with centre.signed_in("zhao") as client:
        assert (await client.put(f"/api/voices/{NAME}", content=NOTE, headers=WEBM)).status_code == 201
        assert (await client.put(f"/api/voices/{NAME}", content=NOTE, headers=WEBM)).status_code == 200
        assert (await client.get(f"/api/photos/{NAME}")).status_code == 404, "a voice note is no photo"
        heard = await client.get(f"/api/voices/{NAME}")
    assert (heard.content, heard.headers["content-type"]) == (NOTE, "audio/webm")
    assert heard.headers["cache-control"] == "no-store"
    for other in ("qian", "desk", "far"):
        async with centre.signed_in(other) as client:
            assert (await client.get(f"/api/voices/{NAME}")).status_code == 404, "no task names it yet"
    incident_id = await add_incident(centre, city.GRID)
    task_id = await add_task(centre, incident_id, city.GRID, worker_id=maker, state="handled")
    async with centre.database.transaction() as conn:
        where = centre.tree.path_of(city.GRID)
        row = filled(task_voices, task_id=task_id, sha256=NAME, area_path=where, added_by=maker, move="handled")
        await conn.execute(insert(task_voices), row)
    for other, status in (("desk", 200), ("qian", 404), ("far", 404), ("keeper", 403)):
        async with centre.signed_in(other) as client:
            assert (await client.get(f"/api/voices/{NAME}")).status_code == status, other
    async with centre.database.reading() as conn:
        query = select(audit_records.c.actor, audit_records.c.action).where(audit_records.c.object_id == NAME)
        told = [tuple(row) for row in await conn.execute(query.order_by(audit_records.c.position))]
    assert told == [("zhao", "voice.added"), ("zhao", "voice.viewed"), ("desk", "voice.viewed")]


async def test_it_comes_in_pieces_and_goes_on_where_it_broke(centre: TestCentre) -> None:
    await centre.add_user("zhao", Role.WORKER, city.GRID)
    where = f"/api/voices/{NAME}"
    async with centre.signed_in("zhao") as client:

        async def put(start: int, stop: int) -> httpx.Response:
            piece = {**WEBM, "content-range": f"bytes {start}-{stop - 1}/{len(NOTE)}"}
            return await client.put(where, content=NOTE[start:stop], headers=piece)

        assert (await put(0, 60_000)).status_code == 202
        begun = await client.head(where)
        assert (begun.status_code, begun.headers["x-received-bytes"]) == (204, "60000")
        assert (await put(60_000, len(NOTE))).status_code == 201
        assert (await client.head(where)).status_code == 200
        assert (await client.get(where)).content == NOTE


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        pytest.param(webm((SOUND, PICTURE)), 422, "sound alone", id="with pictures"),
        pytest.param(jpeg(), 422, "sound alone", id="a picture that says it is sound"),
        pytest.param(b"<script>", 422, "sound alone", id="a page"),
        pytest.param(webm(filler=bytes(2_000_001)), 413, "", id="more than 2 MB"),
    ],
)
async def test_what_is_no_voice_note_is_refused_with_the_reason(
    centre: TestCentre, data: bytes, status: int, said: str
) -> None:
    await centre.add_user("zhao", Role.WORKER, city.GRID)
    async with centre.signed_in("zhao") as client:
        answer = await client.put(f"/api/voices/{sha256(data)}", content=data, headers=WEBM)
        assert answer.status_code == status
        assert said in answer.text
        unfit = {"content-type": "text/html"}
        assert (await client.put(f"/api/voices/{NAME}", content=NOTE, headers=unfit)).status_code == 415
        other = await client.put(f"/api/photos/{NAME}", content=NOTE, headers={"content-type": "image/jpeg"})
        assert other.status_code == 422, "a voice note is no photo"
    files = [path for path in (centre.centre.settings.data_dir / "pictures").rglob("*") if path.is_file()]
    assert files == []


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.RULE_OPERATOR, Role.SECURITY])
async def test_who_works_no_tasks_hands_none_in(centre: TestCentre, role: Role) -> None:
    await centre.add_user("someone", role, city.CITY)
    async with centre.signed_in("someone") as client:
        assert (await client.put(f"/api/voices/{NAME}", content=NOTE, headers=WEBM)).status_code == 403


async def test_an_mp4_of_another_browser_is_taken(centre: TestCentre) -> None:
    await centre.add_user("zhao", Role.WORKER, city.GRID)
    note = mp4()
    async with centre.signed_in("zhao") as client:
        assert (await client.put(f"/api/voices/{sha256(note)}", content=note, headers=WEBM)).status_code == 201
        assert (await client.get(f"/api/voices/{sha256(note)}")).headers["content-type"] == "audio/mp4"

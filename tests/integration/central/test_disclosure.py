"""The pages about cameras are made from what is configured now: over HTTP with its rights, and by the commands."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from tests.support import city
from tests.support.centres import START, TestCentre, camera
from tests.support.rows import add_incident, filled
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.camera_rules.tables import rule_reports, rule_versions
from xueliang_central.cameras.register import CameraPlace
from xueliang_central.cameras.tables import cameras
from xueliang_central.disclosure.writing import write_assessment, write_notices
from xueliang_central.errors import MoveRefused
from xueliang_central.incidents.tables import alerts
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import users
from xueliang_configs.centre import CentreSettings
from xueliang_configs.retention import RetentionConfig

ZONE = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9], [0.1, 0.9]]
LANE = {"hazard": "fire_lane_obstruction", "rule_id": "lane-1", "zone": ZONE}
CROWD = {"hazard": "crowd", "rule_id": "many-1", "zone": ZONE}


def stated(camera_id: str, area_code: str, **more: Any) -> CameraPlace:
    plain = camera(camera_id, area_code)
    values = {name: getattr(plain, name) for name in CameraPlace.__dataclass_fields__}
    named = {
        "purpose": "消防通道监看",
        "legal_basis": "条例第三条",
        "signed_on": date(2026, 5, 1),
        "approved_view": "只看通道",
        "view_approved_on": date(2026, 5, 2),
        "review_by": date(2027, 5, 1),
    }
    return CameraPlace(**{**values, **named, **more})


async def says(
    centre: TestCentre, camera_id: str, *rules: dict[str, Any], digest: str = "d1", whole: bool = True
) -> None:
    """The node says which rules it runs."""
    settings = {"camera_id": camera_id, "place_class": "other", "look_every_s": None, "rules": list(rules)}
    named = {"camera_id": camera_id, "node_id": "edge-01", "digest": digest, "problems": [], "notes": []}
    row = filled(rule_reports, **named, settings=settings if whole else None)
    async with centre.database.transaction() as conn:
        await conn.execute(delete(rule_reports).where(rule_reports.c.camera_id == camera_id))
        await conn.execute(insert(rule_reports), row)


async def wants(centre: TestCentre, camera_id: str, *rules: dict[str, Any], digest: str = "d1") -> None:
    settings = {"camera_id": camera_id, "place_class": "other", "look_every_s": None, "rules": list(rules)}
    named = {"camera_id": camera_id, "state": "desired", "origin": "centre", "settings": settings, "severities": []}
    async with centre.database.transaction() as conn:
        await conn.execute(insert(rule_versions), filled(rule_versions, **named, digest=digest))


async def page(centre: TestCentre, path: str = "/api/impact-assessment?language=en") -> str:
    async with centre.signed_in("chief") as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    return answer.text


def version_of(text: str) -> str:
    (found,) = re.findall(r"Version of the configuration</th><td><code>([0-9a-f]{12})</code>", text)
    return str(found)


@pytest.fixture
async def furnished(centre: TestCentre) -> TestCentre:
    await centre.add_user("chief", Role.SUPERVISOR, city.WEST)
    await centre.add_user("desk", Role.OPERATOR, city.SOUTH)
    await centre.add_cameras(stated("lane-east", city.SOUTH), camera("bare", city.GRID), stated("far", city.EAST))
    await says(centre, "lane-east", LANE)
    return centre


async def test_what_is_configured_changes_the_page(furnished: TestCentre) -> None:
    before = await page(furnished)
    assert version_of(await page(furnished)) == version_of(before)
    assert "Fire lane obstructed <code>lane-1</code>" in before
    assert "many-1" not in before
    assert "command-centre operator: 1 accounts" in before
    assert "edge node edge-01" in before
    seen = {version_of(before)}

    await says(furnished, "lane-east", CROWD, digest="d2")
    after = await page(furnished)
    assert ("lane-1" in after, "Dense crowd <code>many-1</code>" in after) == (False, True)
    seen.add(version_of(after))

    await furnished.add_cameras(stated("lane-east", city.SOUTH, purpose="学校门口", signed_on=None))
    after = await page(furnished)
    assert ("学校门口" in after, "Sign put up on</span>" in after) == (True, True)
    seen.add(version_of(after))

    async with furnished.database.transaction() as conn:
        await conn.execute(update(users).where(users.c.username == "desk").values(disabled=True))
    after = await page(furnished)
    assert "command-centre operator: 1 accounts" not in after
    seen.add(version_of(after))

    incident_id = await add_incident(furnished, city.SOUTH)
    named = {"alert_id": "a1", "incident_id": incident_id, "camera_id": "lane-east", "model_digest": "c0ffee" * 10}
    row = filled(alerts, **named)
    async with furnished.database.transaction() as conn:
        await conn.execute(insert(alerts), row)
    after = await page(furnished)
    assert "c0ffee" * 10 in after
    seen.add(version_of(after))
    assert len(seen) == 5, "every change is another version"
    furnished.clock.advance(timedelta(days=8).total_seconds())
    async with furnished.signed_in("chief") as client:
        assert "c0ffee" not in (await client.get("/api/impact-assessment")).text, "a model of long ago"


async def test_what_nobody_has_said_is_not_made_up(furnished: TestCentre) -> None:
    unsaid = await page(furnished, f"/api/impact-assessment?language=en&area={city.GRID}")
    assert "its node has not said; not known" in unsaid
    await wants(furnished, "bare", CROWD)
    wanted = await page(furnished, f"/api/impact-assessment?language=en&area={city.GRID}")
    assert "many-1" in wanted
    assert "as the centre wants them" in wanted
    await says(furnished, "bare", whole=False)  # it runs the same, and does not repeat it
    running = await page(furnished, f"/api/impact-assessment?language=en&area={city.GRID}")
    assert "many-1" in running
    assert "as its node says it runs them" in running


async def test_every_camera_of_the_area_and_no_other_is_listed(furnished: TestCentre) -> None:
    text = await page(furnished)
    assert [name for name in ("lane-east", "bare", "far") if f"<code>{name}</code>" in text] == ["lane-east", "bare"]
    async with furnished.signed_in("chief") as client:
        foreign = await client.get(f"/api/impact-assessment?area={city.EAST}")
        missing = await client.get("/api/impact-assessment?area=999999")
        notice, no_notice = (
            await client.get("/api/cameras/far/notice"),
            await client.get("/api/cameras/no-such/notice"),
        )
    assert foreign.status_code == missing.status_code == notice.status_code == no_notice.status_code == 404


async def test_an_assessment_is_recorded(furnished: TestCentre) -> None:
    version = version_of(await page(furnished))
    async with furnished.database.reading() as conn:
        query = select(audit_records.c.actor, audit_records.c.object_id, audit_records.c.detail)
        (found,) = (await conn.execute(query.where(audit_records.c.action == "assessment.made"))).all()
    assert (found.actor, found.object_id) == ("chief", city.WEST)
    assert version in str(found.detail)


async def test_a_notice_is_for_the_public(furnished: TestCentre) -> None:
    text = await page(furnished, "/api/cameras/lane-east/notice")
    for part in (
        "消防通道监看",
        "条例第三条",
        "2026-05-01",
        "消防车通道占用",
        "Fire lane obstructed",
        "<code>lane-east</code>",
    ):
        assert part in text
    for secret in ("edge-01", "lane-1", "desk", "chief"):
        assert secret not in text


async def test_a_page_that_would_be_too_large_says_what_to_do(
    furnished: TestCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xueliang_central.routes.disclosure.MOST_CAMERAS", 1)
    async with furnished.signed_in("chief") as client:
        answer = await client.get("/api/impact-assessment")
    assert (answer.status_code, answer.json()["code"]) == (422, "report_refused")
    assert "a smaller area" in answer.json()["detail"]


async def test_the_commands_write_pages_whose_links_lead_somewhere(furnished: TestCentre, tmp_path: Path) -> None:
    chosen = CentreSettings(
        data_dir=tmp_path, policies=tmp_path / "policies.yaml", retention=RetentionConfig(evidence_days=77)
    )
    out = tmp_path / "notices"
    lines = await write_notices(furnished.database, chosen, out, area_code=city.CITY, at=START)
    assert lines[0] == "note: bare lacks purpose, legal_basis, signed_on, approved_view, view_approved_on"
    links = re.findall(r'href="([^"]+)"', (out / "index.html").read_text())
    assert sorted(links) == ["camera-bare.html", "camera-far.html", "camera-lane-east.html"]
    assert all((out / link).is_file() for link in links)
    assert "77" in (out / "camera-far.html").read_text()
    async with furnished.database.transaction() as conn:
        await conn.execute(delete(cameras).where(cameras.c.camera_id == "far"))
    await write_notices(furnished.database, chosen, out, area_code=city.CITY, at=START)
    assert sorted(path.name for path in out.iterdir()) == ["camera-bare.html", "camera-lane-east.html", "index.html"]

    file = tmp_path / "assessment.html"
    told = await write_assessment(furnished.database, chosen, file, area_code=None, language="zh", at=START)
    assert f"2 cameras of {city.CITY}" in told[0]
    assert "事件办结后 77 天" in file.read_text()
    with pytest.raises(MoveRefused, match="cannot be written"):
        await write_assessment(furnished.database, chosen, tmp_path, area_code=None, language="zh", at=START)
    assert path_by_code(city.WEST) not in file.read_text()

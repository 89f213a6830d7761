"""The notices page in a real browser against a real centre: what was given up, sent again, and an incident's ladder."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import create_engine, insert, select

from tests.support.browser import asked_elsewhere, complaints, desk, handset, sign_in
from tests.support.puppet_node import CentreOnly
from tests.support.room import too_wide_at
from tests.support.rows import filled
from xueliang_alerts.clocks import system_wall
from xueliang_central.areas.tree import path_by_code
from xueliang_central.notices.tables import contacts, notice_steps, notices
from xueliang_central.rights.tables import users
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

SOON_MS = 40_000
CITY = make_city(DEMO)
GRID = CITY.of_level("grid")[3]
PLACE = GRID.polygon.representative_point()
HOSTILE = '<img src=x onerror="document.title=1">'


def give_up_one(installation: CentreOnly) -> None:
    """A notice to the worker that a channel has refused for good, and the administrator's number."""
    [file] = (installation.folder / "centre").glob("*.db")
    engine, now = create_engine(f"sqlite:///{file}"), system_wall()
    with engine.begin() as conn:
        ids = {row.username: row.user_id for row in conn.execute(select(users.c.username, users.c.user_id))}
        notice_id = str(uuid.uuid4())
        told = {"notice_id": notice_id, "user_id": ids["wang"], "area_path": path_by_code(GRID.code), "params": {}}
        conn.execute(insert(notices), filled(notices, now, **told, kind="task_offered", severity=2))
        step = {"notice_id": notice_id, "step": 0, "channel": "sms", "user_id": ids["wang"], "severity": 2}
        dead = {"state": "dead", "reason": "forbidden_address", "attempts": 8}
        conn.execute(insert(notice_steps), filled(notice_steps, now, **step, **dead))
        own = {"user_id": ids["boss"], "channel": "sms", "address": "13800001111"}
        conn.execute(insert(contacts), filled(contacts, now, **own))
    engine.dispose()


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = CITY.areas[0].code
    cameras = (WatchedCamera("cam-0", "东巷0号", "file:none.mp4", GRID.code, PLACE.x, PLACE.y),)
    accounts = (
        Account("boss", "admin", city, "管理员张"),
        Account("operator", "operator", city, "值班员"),
        Account("wang", "worker", GRID.code, HOSTILE),
    )
    with CentreOnly(tmp_path, Plan(CITY, cameras, (), accounts, POLICIES)) as installation:
        installation.start_broker()
        installation.set_up()
        give_up_one(installation)
        installation.start_centre()
        yield installation


def report_smoke(centre: CentreOnly) -> str:
    """A resident's report; the id of its incident."""
    said = {"hazard": "fire_smoke", "severity": 2, "longitude": PLACE.x, "latitude": PLACE.y, "text": "冒烟"}
    with httpx.Client(base_url=centre.origin, trust_env=False) as http:
        who = {"username": "operator", "password": centre.password_of("operator")}
        http.headers["X-CSRF-Token"] = http.post("/api/session", json=who).json()["csrf"]
        answer = http.post("/api/sightings", json=said | {"idempotency_key": str(uuid.uuid4())})
        answer.raise_for_status()
    return str(answer.json()["incident"]["incident_id"])


def opened(page: Page, centre: CentreOnly, name: str) -> Page:
    sign_in(page, name, centre.password_of(name))
    page.get_by_test_id("more-pages").click()
    page.get_by_test_id("to-notices").click()
    expect(page.get_by_test_id("ladder")).to_be_visible()
    return page


def test_an_administrator_sees_what_was_given_up_and_lets_it_go_again(browser: Browser, centre: CentreOnly) -> None:
    page = opened(desk(browser, centre.origin), centre, "boss")
    row = page.get_by_test_id("dead-row")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(HOSTILE)  # as text
    expect(row).to_contain_text("目标地址不被允许")
    expect(page.get_by_test_id("notice-figures")).to_contain_text("写出 1 条")
    page.get_by_test_id("mine-show").click()
    expect(page.get_by_test_id("mine")).to_contain_text("138****1111")
    expect(page.get_by_test_id("mine")).not_to_contain_text("13800001111")
    assert too_wide_at(page) == []
    page.get_by_test_id("dead-again").click()
    expect(page.get_by_test_id("dead-said")).to_contain_text("已重新排队")
    # Tried again, and given up again as soon as a worker finds that there is no such channel: the old reason goes.
    expect(page.get_by_test_id("dead")).not_to_contain_text("目标地址不被允许")
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("dead")).to_contain_text("Not delivered")
    assert complaints(page) == []
    assert asked_elsewhere(page, centre.origin) == []


def test_an_operator_follows_the_ladder_of_an_incident_and_sees_no_dead_letters(
    browser: Browser, centre: CentreOnly
) -> None:
    incident_id = report_smoke(centre)
    page = opened(handset(browser, centre.origin), centre, "operator")
    for part in ("dead", "mine"):
        expect(page.get_by_test_id(part)).to_have_count(0)
    page.get_by_test_id("ladder-incident").select_option(incident_id)
    told = page.get_by_test_id("fate").or_(page.get_by_test_id("ladder-none"))
    expect(told.first).to_be_visible()
    assert too_wide_at(page) == []
    assert complaints(page) == []
    page.goto(f"/notices?incident={uuid.uuid4()}")
    expect(page.get_by_test_id("ladder-failure")).to_contain_text("没有这个事件")

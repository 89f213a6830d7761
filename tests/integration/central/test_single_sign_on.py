"""Signing in at an identity provider, over real HTTP: one that somebody else wrote, and one that misbehaves."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import oidc_provider_mock
import pytest
from sqlalchemy import select, update

from tests.support import city
from tests.support.centres import ORIGIN, PASSWORD, TestCentre, build_centre
from tests.support.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    DISCOVERY,
    LETS_GO_AFTER_S,
    IdentityProvider,
)
from xueliang_central.audit.tables import audit_records
from xueliang_central.rights.accounts import forget_old
from xueliang_central.rights.scope import Role
from xueliang_central.rights.single_sign_on import CALLBACK_PATH, TRIP_LASTS, Provider, SignOnSettings
from xueliang_central.rights.tables import sessions, sign_on_trips, users
from xueliang_central.rights.totp import code_of, step_of
from xueliang_central.store.database import Database

PATIENT_S = 60.0  # a provider that answers is never given up, however busy the machine is
HASTY_S = 0.6  # where it will not answer
HOLDER = "no-wang"  # of the person whom `add_user("wang")` adds


def _settings(issuer: str, **chosen: Any) -> SignOnSettings:
    plain: dict[str, Any] = {
        "issuer": issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "claim": "sub",
        "scopes": "openid",
        "label": "市级统一认证",
        "redirect_uri": f"{ORIGIN}{CALLBACK_PATH}",
    }
    return SignOnSettings(**(plain | chosen))


@asynccontextmanager
async def _centre(database: Database, folder: Path, settings: SignOnSettings) -> AsyncIterator[TestCentre]:
    made = await build_centre(database, folder / "data", sign_on=settings)
    _ask_within(PATIENT_S, made, settings)
    await made.add_user("wang", Role.OPERATOR, city.SOUTH)
    yield made


def _ask_within(seconds: float, centre: TestCentre, settings: SignOnSettings) -> None:
    """Its provider as configured, with another patience."""
    object.__setattr__(centre.centre, "provider", Provider(settings, centre.clock.mono, ask_within_s=seconds))


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider(wall=lambda: datetime.now(UTC), person=HOLDER) as running:
        yield running


@pytest.fixture
async def street(database: Database, tmp_path: Path, provider: IdentityProvider) -> AsyncIterator[TestCentre]:
    async with _centre(database, tmp_path, _settings(provider.issuer)) as made:
        provider.wall = made.clock.wall
        yield made


async def _depart(client: httpx.AsyncClient) -> str:
    answer = await client.get("/api/session/oidc")
    assert answer.status_code == 303
    return answer.headers["location"]


async def _at_provider(url: str) -> str:
    """What the browser does there: asked to come back with a code; the way back."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        answer = await browser.get(url)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def _sign_on(client: httpx.AsyncClient) -> str:
    """There and back; where the browser ends."""
    there = await _depart(client)
    if there.startswith("/"):
        return there
    back = await client.get(await _at_provider(there))
    assert back.status_code == 303
    return back.headers["location"]


async def _why(centre: TestCentre) -> str:
    async with centre.database.reading() as conn:
        found = await conn.execute(select(audit_records).where(audit_records.c.object_kind == "sign_on"))
        return str(found.all()[-1].detail["why"])


async def test_a_registered_person_is_signed_in_with_the_roles_of_the_register(street: TestCentre) -> None:
    async with street.client() as client:
        assert await _sign_on(client) == "/login?sso=done"
        user = (await client.get("/api/session")).json()["user"]
        assert (user["username"], user["role"], user["area"]["code"]) == ("wang", "operator", city.SOUTH)
        assert "xl_trip" not in client.cookies
    async with street.database.reading() as conn:
        opened = await conn.execute(select(audit_records).where(audit_records.c.action == "session.opened"))
        assert [record.detail["way"] for record in opened] == ["oidc"]


async def test_what_the_browser_is_sent_with(street: TestCentre, provider: IdentityProvider) -> None:
    async with street.client() as client:
        answer = await client.get("/api/session/oidc")
        url = urlsplit(answer.headers["location"])
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        again = parse_qs(urlsplit(await _depart(client)).query)
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{provider.issuer}/authorize"
    assert asked["realm"] == "city", "what the provider's own address asks stays"
    assert asked["redirect_uri"] == f"{ORIGIN}{CALLBACK_PATH}"
    assert (asked["response_type"], asked["scope"], asked["code_challenge_method"]) == ("code", "openid", "S256")
    assert {len(asked[name]) for name in ("state", "nonce", "code_challenge")} == {43}
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & {*again["state"], *again["nonce"]}
    (cookie,) = answer.headers.get_list("set-cookie")
    for word in ("xl_trip=", "HttpOnly", "SameSite=lax", "Path=/api/session/oidc"):
        assert word in cookie
    assert asked["state"] not in cookie


async def test_whom_the_register_does_not_know_is_refused_in_words(
    street: TestCentre, provider: IdentityProvider
) -> None:
    provider.person = "p-999"
    async with street.client() as client:
        assert await _sign_on(client) == "/login?sso=unregistered"
        assert (await client.get("/api/session")).status_code == 401
    assert "p-999" in await _why(street)
    async with street.database.transaction() as conn:
        await conn.execute(update(users).values(disabled=True))
    provider.person = HOLDER
    async with street.client() as client:
        assert await _sign_on(client) == "/login?sso=unregistered"
    async with street.database.reading() as conn:
        assert (await conn.execute(select(sessions))).all() == []
        assert len((await conn.execute(select(users))).all()) == 1, "nobody was made by a token"


async def test_who_has_a_second_factor_is_asked_for_it_here_too(street: TestCentre) -> None:
    async with street.signed_in("wang") as client:
        secret = (await client.post("/api/session/second-factor", json={})).json()["secret"]
        raw = base64.b32decode(secret)
        code = code_of(raw, step_of(street.clock.at))
        assert (await client.post("/api/session/second-factor/confirm", json={"code": code})).status_code == 200
    street.clock.advance(60)
    async with street.client() as client:
        assert await _sign_on(client) == "/login?sso=code"
        assert (await client.get("/api/session")).status_code == 401
        answer = await client.post("/api/session/code", json={"code": code_of(raw, step_of(street.clock.at))})
        assert answer.json()["user"]["username"] == "wang"


async def test_another_browser_cannot_finish_the_trip(street: TestCentre) -> None:
    """Somebody is sent a link that would sign them in as the attacker, or the attacker as them."""
    async with street.client() as attacker, street.client() as victim:
        back = await _at_provider(await _depart(attacker))
        assert (await victim.get(back)).headers["location"] == "/login?sso=stale"
        await _depart(victim)  # a trip of their own does not help
        assert (await victim.get(back)).headers["location"] == "/login?sso=stale"
        assert (await attacker.get(back)).headers["location"] == "/login?sso=done"


async def test_an_answer_is_taken_once_and_not_for_ever(street: TestCentre) -> None:
    async with street.client() as client:
        there = await _depart(client)
        kept = dict(client.cookies)
        back = await _at_provider(there)
        assert (await client.get(back)).headers["location"] == "/login?sso=done"
        client.cookies.update(kept)
        assert (await client.get(back)).headers["location"] == "/login?sso=stale"
        back = await _at_provider(await _depart(client))
        street.clock.advance(TRIP_LASTS.total_seconds())
        assert (await client.get(back)).headers["location"] == "/login?sso=stale"
    async with street.database.transaction() as conn:
        await forget_old(conn, street.clock.at)
        assert (await conn.execute(select(sign_on_trips))).all() == []


@pytest.mark.parametrize(
    "query",
    ["", "state=x", "code=x", "state=x&code=x", "error=x", "state=" + "a" * 1500, "state=%ff&code=%ff"],
)
async def test_an_answer_nobody_asked_for_is_none(street: TestCentre, query: str) -> None:
    async with street.client() as client:
        answer = await client.get(f"{CALLBACK_PATH}?{query}", headers={"cookie": "xl_trip=x"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?sso=stale")
        assert "xl_session" not in client.cookies


@pytest.mark.parametrize("extra", ["back", "next", "redirect_uri", "return_to", "url"])
async def test_nothing_in_a_request_says_where_it_leads(
    street: TestCentre, provider: IdentityProvider, extra: str
) -> None:
    evil = urlencode({extra: "https://evil.example/"})
    async with street.client() as client:
        there = (await client.get(f"/api/session/oidc?{evil}")).headers["location"]
        assert there.startswith(provider.issuer)
        assert "evil" not in there
        back = await client.get(f"{await _at_provider(there)}&{evil}")
        assert back.headers["location"] == "/login?sso=done"


async def test_a_long_code_is_not_cut(street: TestCentre, provider: IdentityProvider) -> None:
    provider.code_bytes = 1200  # 1,600 characters
    async with street.client() as client:
        assert await _sign_on(client) == "/login?sso=done"


async def test_the_persons_no_at_the_provider(street: TestCentre, provider: IdentityProvider) -> None:
    provider.denies = True
    async with street.client() as client:
        assert await _sign_on(client) == "/login?sso=refused"
    assert "access_denied" in await _why(street)


async def test_made_up_answers_do_not_fill_the_audit_chain(street: TestCentre) -> None:
    async with street.client() as client:
        for _ in range(70):
            state = parse_qs(urlsplit(await _depart(client)).query)["state"][0]
            back = await client.get(CALLBACK_PATH, params={"state": state, "error": "x"})
            assert back.headers["location"] == "/login?sso=refused"
    async with street.database.reading() as conn:
        found = await conn.execute(select(audit_records).where(audit_records.c.object_kind == "sign_on"))
        assert len(found.all()) == 60


async def test_an_answer_of_another_provider_is_refused(street: TestCentre) -> None:
    async with street.client() as client:
        back = await _at_provider(await _depart(client))
        mixed = back.rpartition("&iss=")[0] + "&iss=https%3A%2F%2Fother.example"
        assert (await client.get(mixed)).headers["location"] == "/login?sso=nonsense"


FAULTS = [
    ("hang", "unavailable"),
    ("drip", "unavailable"),
    ("500", "unavailable"),
    ("redirect", "unavailable"),
    ("html", "nonsense"),
    ("list", "nonsense"),
    ("huge", "nonsense"),
]
ENDLESS = ("hang", "drip")


@pytest.mark.parametrize(("fault", "reason"), FAULTS, ids=[fault for fault, _ in FAULTS])
@pytest.mark.parametrize("path", [DISCOVERY, "/token", "/keys"], ids=["discovery", "token", "keys"])
async def test_a_provider_that_misbehaves_is_told_and_local_sign_in_stays(
    street: TestCentre, provider: IdentityProvider, path: str, fault: str, reason: str
) -> None:
    provider.faults[path] = fault
    if fault in ENDLESS:
        _ask_within(HASTY_S, street, _settings(provider.issuer))
    async with street.client() as client:
        began = time.monotonic()
        assert await _sign_on(client) == f"/login?sso={reason}"
        assert time.monotonic() - began < LETS_GO_AFTER_S, "given up before the provider gave up"
        assert provider.asked["/elsewhere"] == 0, "a redirect is not followed"
        local = await client.post("/api/session", json={"username": "wang", "password": PASSWORD})
        assert local.status_code == 200
        provider.faults.clear()
        assert await _well_again(client) == "/login?sso=done", "and when it is well again, it works again"


async def _well_again(client: httpx.AsyncClient) -> str:
    """Where the browser ends: with little patience on a busy machine, not always at the first try."""
    for _ in range(20):
        end = await _sign_on(client)
        if end != "/login?sso=unavailable":
            break
    return end


async def test_a_provider_that_is_away_is_told(database: Database, tmp_path: Path) -> None:
    with IdentityProvider(wall=lambda: datetime.now(UTC)) as gone:
        issuer = gone.issuer
    async with _centre(database, tmp_path, _settings(issuer)) as made, made.client() as client:
        assert await _sign_on(client) == "/login?sso=unavailable"


@pytest.mark.parametrize(
    "lie",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://evil.example/authorize"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": "https://user:word@evil.example/"},
        {"jwks_uri": ["x"]},
        {"jwks_uri": "http://169.254.169.254/keys"},
        {"authorization_endpoint": "https://a.example/\r\nset-cookie: x=y"},
    ],
    ids=str,
)
async def test_a_discovery_document_that_leads_elsewhere_is_refused(
    street: TestCentre, provider: IdentityProvider, lie: dict[str, Any]
) -> None:
    provider.discovery = lie
    async with street.client() as client:
        assert await _sign_on(client) == "/login?sso=nonsense"


async def test_without_a_provider_there_is_no_such_way(street: TestCentre) -> None:
    async with street.client() as client:
        assert (await client.get("/api/session/ways")).json() == {"single_sign_on": True, "label": "市级统一认证"}
        object.__setattr__(street.centre, "provider", None)
        assert (await client.get("/api/session/ways")).json() == {"single_sign_on": False, "label": ""}
        assert (await client.get("/api/session/oidc")).status_code == 404
        assert (await client.get(CALLBACK_PATH)).status_code == 404


async def test_a_wrong_client_secret_is_said(database: Database, tmp_path: Path, provider: IdentityProvider) -> None:
    settings = _settings(provider.issuer, client_secret="hunter2")
    async with _centre(database, tmp_path, settings) as made, made.client() as client:
        provider.wall = made.clock.wall
        assert await _sign_on(client) == "/login?sso=refused"
        assert "invalid_client" in await _why(made)
        assert "hunter2" not in await _why(made)


async def test_certificates_that_cannot_be_read_are_said(
    database: Database, tmp_path: Path, provider: IdentityProvider
) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    async with _centre(database, tmp_path, _settings(provider.issuer)) as made, made.client() as client:
        for name in ("missing.pem", "empty.pem"):
            settings = _settings(provider.issuer, ca_file=tmp_path / name)
            object.__setattr__(made.centre, "provider", Provider(settings, made.clock.mono))
            assert await _sign_on(client) == "/login?sso=unavailable"


async def test_with_a_provider_that_somebody_else_wrote(database: Database, tmp_path: Path) -> None:
    with oidc_provider_mock.run_server_in_thread(require_client_registration=True, require_nonce=True) as server:
        issuer = f"http://localhost:{server.server_port}"
        async with httpx.AsyncClient(trust_env=False) as browser:
            wanted = {"redirect_uris": [f"{ORIGIN}{CALLBACK_PATH}"]}
            known = (await browser.post(f"{issuer}/oauth2/clients", json=wanted)).json()
            settings = _settings(issuer, client_id=known["client_id"], client_secret=known["client_secret"])
            async with _centre(database, tmp_path, settings) as made:
                made.clock.at = datetime.now(UTC)  # that provider has no other clock
                for person, end in ((HOLDER, "done"), ("somebody else", "unregistered")):
                    async with made.client() as client:
                        page = await browser.post(await _depart(client), data={"sub": person})
                        assert page.status_code == 302, page.text
                        back = await client.get(page.headers["location"])
                        assert back.headers["location"] == f"/login?sso={end}"
                        assert (await client.get("/api/session")).status_code == (200 if end == "done" else 401)

"""What stands before every route: headers, origins, limits, and errors that tell nothing they should not."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from tests.support import city
from tests.support.centres import ORIGIN, PASSWORD, TestCentre, build_centre
from xueliang_central.app import all_routers, bare_app, create_app
from xueliang_central.openapi import DEFAULT_PATH, document
from xueliang_central.rights.policy import SAFE_METHODS, Permission, permission_of, undeclared_routes
from xueliang_central.rights.scope import Role
from xueliang_central.routes.guard import BODY_LIMIT_BYTES
from xueliang_central.routes.rates import Rates
from xueliang_central.store.database import Database

LEAKS = re.compile(
    r"Traceback|File \"|/home/|/usr/|/tmp/|site-packages|select |insert |sqlalchemy|asyncpg|sqlite", re.I
)
FILLED = {"sha256": "0" * 64, "incident_id": "0", "task_id": "0", "code": "9", "camera_id": "x", "node_id": "x"}
FILLED |= {"silence_id": "0", "proposal_id": "0", "version": "1", "user_id": "0", "identifier": "0", "sighting_id": "0"}
FILLED |= {"silence_id": "0", "proposal_id": "0", "version": "1", "user_id": "0", "notice_id": "0", "step": "0"}
FILLED |= {"lane_id": "0", "view_id": "0", "row_id": "0", "area_code": "9", "hand_over_id": "0", "copy_id": "0"}
FILLED |= {"phone_id": "0"}


def api_routes() -> list[APIRoute]:
    found = [route for router in all_routers() for route in router.routes if isinstance(route, APIRoute)]
    return [route for route in found if route.path.startswith("/api/")]


def address(route: APIRoute) -> str:
    return re.sub(r"\{(\w+)[^}]*\}", lambda match: FILLED[match[1]], route.path)


def cases(*, unsafe: bool) -> list[tuple[str, str]]:
    return sorted(
        (method, address(route))
        for route in api_routes()
        for method in route.methods
        if (method not in SAFE_METHODS) == unsafe
    )


def test_every_route_declares_one_policy() -> None:
    assert [route for router in all_routers() for route in undeclared_routes(router)] == []
    public = {route.path for route in api_routes() if permission_of(route) is Permission.PUBLIC}
    signing_in = {"/api/session", *(f"/api/session/{way}" for way in ("code", "ways", "oidc", "oidc/callback"))}
    by_phone = {f"/api/session/phone/{way}" for way in ("whose", "enrol", "challenge", "renew")}
    assert public == {"/api/health", *signing_in, *by_phone}


def test_an_application_with_an_undeclared_route_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastapi import APIRouter

    careless = APIRouter()

    @careless.get("/api/everything")
    async def everything() -> None: ...

    monkeypatch.setattr("xueliang_central.app._ROUTERS", (careless,))
    with pytest.raises(RuntimeError, match="GET /api/everything"):
        bare_app()


async def test_every_answer_has_its_headers(centre: TestCentre) -> None:
    async with centre.client() as client:
        for method, path in [
            *cases(unsafe=False),
            *cases(unsafe=True),
            ("GET", "/"),
            ("GET", "/x.js"),
            ("GET", "/api/no"),
        ]:
            answer = await client.request(method, path)
            policy = answer.headers["content-security-policy"]
            assert "script-src 'self';" in policy, path
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
            assert "server" not in answer.headers
            if path.startswith("/api"):
                assert answer.headers["cache-control"] == "no-store", path


async def test_hsts_where_the_cookie_is_secure(database: Database, tmp_path: Path) -> None:
    made = await build_centre(database, tmp_path)
    object.__setattr__(made.centre, "settings", _replace(made, secure_cookie=True))
    app = create_app(made.centre)
    await made.add_user("wang", Role.OPERATOR, city.SOUTH)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://centre.test") as client:
        answer = await client.post("/api/session", json={"username": "wang", "password": PASSWORD})
    assert "max-age" in answer.headers["strict-transport-security"]
    assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


def _replace(made: TestCentre, **changes: object) -> object:
    from dataclasses import replace

    return replace(made.centre.settings, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"{ORIGIN}.evil.example"},
        {"origin": "http://centre.test:8080"},
        {"origin": "file://"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_no_unsafe_method_from_elsewhere(centre: TestCentre, headers: dict[str, str]) -> None:
    await centre.add_user("root", Role.ADMIN, city.CITY)
    async with centre.signed_in("root") as client:
        for method, path in cases(unsafe=True):
            answer = await client.request(method, path, headers=headers, json={})
            assert (answer.status_code, answer.json()["code"]) == (403, "cross_site"), (method, path)
        assert (await client.get("/api/session")).status_code == 200


async def test_no_unsafe_method_in_a_form_of_a_browser(centre: TestCentre) -> None:
    """What a page elsewhere could send without being asked first."""
    await centre.add_user("root", Role.ADMIN, city.CITY)
    async with centre.signed_in("root") as client:
        for method, path in cases(unsafe=True):
            for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
                answer = await client.request(method, path, headers={"content-type": media_type}, content=b"{}")
                assert answer.status_code == 415, (method, path, media_type)


OF_NO_SESSION = {
    Permission.PUBLIC,
    Permission.NODE,
    Permission.SOURCE,
    Permission.RECEIVER,
    Permission.UNIT,
    Permission.GATEWAY,
}


async def test_no_unsafe_method_of_a_session_without_its_token(centre: TestCentre) -> None:
    await centre.add_user("root", Role.ADMIN, city.CITY)
    async with centre.signed_in("root") as client, centre.signed_in("root") as other:
        foreign = other.headers["x-csrf-token"]
        protected = [
            (method, address(route))
            for route in api_routes()
            for method in route.methods - SAFE_METHODS
            if permission_of(route) not in OF_NO_SESSION
        ]
        assert len(protected) >= 4
        for method, path in protected:
            for token in ("", "x", foreign):
                sent = "audio/webm" if "voices" in path else "image/jpeg"
                body = {"content": b"x", "headers": {"x-csrf-token": token, "content-type": sent}}
                if "photos" not in path and "voices" not in path:
                    body = {"json": {}, "headers": {"x-csrf-token": token}}
                answer = await client.request(method, path, **body)  # type: ignore[arg-type]
                assert (answer.status_code, answer.json()["code"]) == (403, "cross_site"), (method, path, token)
        assert (await client.get("/api/session")).status_code == 200


async def test_our_own_origin_is_let_in(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.SOUTH)
    async with centre.client() as client:
        headers = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}
        answer = await client.post("/api/session", json={"username": "wang", "password": PASSWORD}, headers=headers)
        assert answer.status_code == 200


async def test_a_proxys_origin_is_let_in_when_it_is_named(database: Database, tmp_path: Path) -> None:
    made = await build_centre(database, tmp_path)
    await made.add_user("wang", Role.OPERATOR, city.SOUTH)
    login = {"username": "wang", "password": PASSWORD}
    headers = {"origin": "https://console.example.cn"}
    async with made.client() as client:
        assert (await client.post("/api/session", json=login, headers=headers)).status_code == 403
    object.__setattr__(made.centre, "settings", _replace(made, public_origin="https://console.example.cn"))
    transport = httpx.ASGITransport(app=create_app(made.centre))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        assert (await client.post("/api/session", json=login, headers=headers)).status_code == 200


async def test_limits_before_parsing(centre: TestCentre) -> None:
    await centre.add_user("root", Role.ADMIN, city.CITY)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b'{"username": "' + b"x" * 10_000

    json_type = {"content-type": "application/json"}
    async with centre.client() as client:
        began = time.process_time()
        too_large = await client.post("/api/session", content=b"x" * (BODY_LIMIT_BYTES + 1), headers=json_type)
        chunked = await client.post("/api/session", content=endless(), headers=json_type)
        claimed = await client.post("/api/session", content=b"x", headers={**json_type, "content-length": "9" * 30})
        assert [answer.status_code for answer in (too_large, chunked, claimed)] == [413, 413, 413]
        assert time.process_time() - began < 2
        deep = b"[" * 30_000 + b"]" * 30_000
        assert (await client.post("/api/session", content=deep, headers=json_type)).status_code in {400, 422}
        packed = await client.post("/api/session", content=b"x", headers={**json_type, "content-encoding": "gzip"})
        assert packed.status_code == 415
        assert (await client.get("/api/areas?" + "x" * 3000)).status_code == 414
        bad_utf8 = await client.post("/api/session", content=b'{"username": "\xff"}', headers=json_type)
        assert bad_utf8.status_code in {400, 422}


async def test_errors_are_problem_documents_that_tell_nothing_inside(centre: TestCentre) -> None:
    await centre.add_user("root", Role.ADMIN, city.CITY)
    hostile = [
        "'",
        "' or '1'='1",
        "%00",
        "..%2f..",
        "<script>alert(1)</script>",
        "9" * 400,
        "-1",
        "é",
        "；drop table users",
        "%ff",
    ]
    async with centre.signed_in("root") as client:
        for text in hostile:
            for path in ("areas/", "cameras/", "fleet/", "incidents/", "tasks/", "evidence/", "photos/", "voices/", ""):
                answer = await client.get(f"/api/{path}{text}")
                assert answer.status_code in {400, 404, 405, 422}, (path, text, answer.text)
                assert answer.headers["content-type"] == "application/problem+json"
                body = answer.json()
                assert body["status"] == answer.status_code
                assert body["type"].startswith("urn:xueliang:problem:")
                assert body["request_id"] == answer.headers["x-request-id"]
                assert not LEAKS.search(answer.text), answer.text
        for query in (
            "incidents?state=%27",
            "incidents?limit=-1",
            "incidents?cursor=%27--",
            "tasks?state=x",
            "events?after=x",
        ):
            answer = await client.get(f"/api/{query}")
            assert answer.status_code == 422, query
            assert not LEAKS.search(answer.text)


async def test_a_fault_of_ours_tells_only_its_number(
    centre: TestCentre, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await centre.add_user("root", Role.ADMIN, city.CITY)

    async def broken(*_args: object) -> None:
        raise ZeroDivisionError("select secret from /etc/shadow")

    monkeypatch.setattr("xueliang_central.routes.cameras.camera_bodies", broken)
    async with centre.signed_in("root") as client:
        answer = await client.get("/api/cameras")
    assert answer.status_code == 500
    assert "shadow" not in answer.text
    assert answer.json()["code"] == "internal"
    logged = [record for record in caplog.records if getattr(record, "request_id", None) == answer.json()["request_id"]]
    assert len(logged) == 1
    assert logged[0].exc_info is not None


async def test_a_database_that_is_away_is_said_at_once(centre: TestCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    from xueliang_central.errors import DatabaseUnavailable

    async def away() -> None:
        raise DatabaseUnavailable("connection refused")

    health = centre.centre.health
    monkeypatch.setitem(health._probes, "database", away)  # the probe is the neighbour here, not the unit
    await health.ask()
    async with centre.client() as client:
        answer = await client.get("/api/health")
        assert answer.status_code == 200
        assert answer.json() == {
            "state": "waiting",
            "waiting_for": [{"what": "database", "why": "connection refused"}],
        }
        refused = await client.get("/api/areas")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        assert "central_waiting" in (await client.get("/metrics")).text
    monkeypatch.undo()
    await health.ask()
    async with centre.client() as client:
        assert (await client.get("/api/health")).json() == {"state": "ready", "waiting_for": []}
        assert (await client.get("/api/areas")).status_code == 401


async def test_one_that_asks_too_much_waits_and_others_do_not(centre: TestCentre) -> None:
    app = create_app(centre.centre, rates=Rates(centre.clock.mono, per_second=2, burst=20))
    greedy = httpx.AsyncClient(transport=httpx.ASGITransport(app=app, client=("10.0.0.1", 1)), base_url=ORIGIN)
    modest = httpx.AsyncClient(transport=httpx.ASGITransport(app=app, client=("10.0.0.2", 1)), base_url=ORIGIN)
    async with greedy, modest:
        answers = [(await greedy.get("/api/health")).status_code for _ in range(200)]
        assert answers[:20] == [200] * 20
        assert set(answers[20:]) == {429}
        assert (await modest.get("/api/health")).status_code == 200
        centre.clock.advance(1)
        assert [(await greedy.get("/api/health")).status_code for _ in range(3)] == [200, 200, 429]


async def test_console_not_built_says_how(centre: TestCentre) -> None:
    async with centre.client() as client:
        answer = await client.get("/")
    assert answer.status_code == 200
    assert "python hatch_build.py" in answer.text
    assert "<script" not in answer.text


async def test_console_files_and_client_routes(database: Database, tmp_path: Path) -> None:
    console = tmp_path / "console"
    (console / "assets").mkdir(parents=True)
    (console / "index.html").write_text("<title>console</title>")
    (console / "sw.js").write_text("// worker")
    (console / "assets" / "app-1a2b.js").write_text("// app")
    (tmp_path / "secret.txt").write_text("secret")
    (console / "link.txt").symlink_to(tmp_path / "secret.txt")
    made = await build_centre(database, tmp_path / "data", console_dir=console)
    async with made.client() as client:
        for page in ("/", "/incidents/4c0e", "/phone", "/phone/tasks/1"):
            answer = await client.get(page)
            assert (answer.text, answer.headers["cache-control"]) == ("<title>console</title>", "no-cache"), page
        hashed = await client.get("/assets/app-1a2b.js")
        assert "immutable" in hashed.headers["cache-control"]
        assert (await client.get("/sw.js")).headers["cache-control"] == "no-cache"
        missing = (
            "/assets/app-0000.js",
            "/nope.js",
            "/link.txt",
            "/..%2fsecret.txt",
            "/%2e%2e/secret.txt",
            "/api/nope",
        )
        for path in missing:
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert "secret" not in answer.text.replace("secret.txt", "")
        assert (await client.post("/", json={})).status_code == 405


async def test_the_phones_pages_have_a_start_page_of_their_own_and_files_go_compressed_to_who_reads_that(
    database: Database, tmp_path: Path
) -> None:
    console = tmp_path / "console"
    (console / "assets").mkdir(parents=True)
    for name, text in (("index.html", "desk"), ("phone.html", "phone"), ("assets/app-1a2b.js", "// app")):
        (console / name).write_text(text)
    script = console / "assets" / "app-1a2b.js"
    script.with_name("app-1a2b.js.gz").write_bytes(gzip.compress(b"// app"))
    script.with_name("app-1a2b.js.br").write_bytes(b"brotli")
    made = await build_centre(database, tmp_path / "data", console_dir=console)
    async with made.client() as client:
        for page, start in (("/", "desk"), ("/phones", "desk"), ("/phone", "phone"), ("/phone/tasks/1", "phone")):
            assert (await client.get(page)).text == start, page
        for accepted, coding in (
            ("gzip, deflate, br", "br"),
            ("gzip, br;q=0", "gzip"),
            ("gzip;q=0.000, br ; q=0.00", None),
            ("identity", None),
            ("", None),
        ):
            async with client.stream("GET", "/assets/app-1a2b.js", headers={"accept-encoding": accepted}) as answer:
                raw = b"".join([piece async for piece in answer.aiter_raw()])
            assert answer.headers.get("content-encoding") == coding, accepted
            assert "javascript" in answer.headers["content-type"], accepted
            assert (answer.headers["vary"], "immutable" in answer.headers["cache-control"]) == ("accept-encoding", True)
            assert {"br": b"brotli", None: b"// app"}.get(coding, raw) == raw
            assert int(answer.headers["content-length"]) == len(raw)


def test_the_api_document_is_what_the_routes_say() -> None:
    assert DEFAULT_PATH.read_text(encoding="utf-8") == document(), "run: python -m xueliang_central.openapi"

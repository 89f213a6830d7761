"""The program from outside: files in, people and nodes added, served, stopped; and what it says of what is wrong."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support import city
from tests.support.centres import PASSWORD
from tests.support.databases import Postgres, running_postgres
from tests.support.heard_signals import heard_signals
from xueliang_alerts.signing import PublicKey, SigningKey

READY_WITHIN_S = 60.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _write_config(folder: Path, **centre: Any) -> Path:
    policies = {"policies": [{"judge_s": 60, "take_s": 180, "arrive_s": 300}]}
    (folder / "policies.yaml").write_text(yaml.safe_dump(policies))
    http = {"host": "127.0.0.1", "port": _free_port()}
    broker = {"host": "127.0.0.1", "port": _free_port()}  # nobody listens: the centre waits for it and says so
    chosen = {"data_dir": "data", "policies": "policies.yaml", "http": http, "broker": broker, **centre}
    config = folder / "centre.yaml"
    config.write_text(yaml.safe_dump({"centre": chosen}))
    return config


def _run(config: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xueliang_central.cli", "--config", str(config), "--log-level", "WARNING"]
    return subprocess.run([*command, *arguments], input=stdin, capture_output=True, text=True, timeout=90, check=False)


def _must(config: Path, *arguments: str, stdin: str = "") -> str:
    done = _run(config, *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def _served(config: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    http = yaml.safe_load(config.read_text())["centre"]["http"]
    log = (config.parent / "serve.log").open("w")
    command = [sys.executable, "-m", "xueliang_central.cli", "--config", str(config), "serve"]
    with heard_signals():
        server = subprocess.Popen(command, stderr=log, stdout=log, text=True)
    with httpx.Client(base_url=f"http://127.0.0.1:{http['port']}", timeout=20) as client:
        try:
            yield server, client
        finally:
            if server.poll() is None:
                server.kill()
            server.wait()
            log.close()


def _wait_for(client: httpx.Client, server: subprocess.Popen[str], *, missing: set[str]) -> dict[str, Any]:
    """Until exactly these things are waited for; the health answer."""
    give_up_at = time.monotonic() + READY_WITHIN_S
    seen: Any = "nothing yet"
    while time.monotonic() < give_up_at:
        assert server.poll() is None, "the centre ended"
        try:
            seen = client.get("/api/health").json()
        except httpx.TransportError as error:
            seen = repr(error)
        else:
            if {item["what"] for item in seen["waiting_for"]} == missing:
                found: dict[str, Any] = seen
                return found
        time.sleep(0.1)
    pytest.fail(f"waited for {missing}, saw {seen}")


def _stop(server: subprocess.Popen[str], number: int = signal.SIGTERM) -> float:
    """Ask it to stop; seconds until it had."""
    began = time.monotonic()
    server.send_signal(number)
    server.wait(timeout=30)
    return time.monotonic() - began


def _import_city(config: Path, folder: Path) -> None:
    (folder / "areas.geojson").write_text(json.dumps(city.city_geojson()))
    _must(config, "import-areas", str(folder / "areas.geojson"))


@pytest.fixture(scope="module")
def city_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a centre has in its folder after `init` and `import-areas`, to be copied."""
    folder = tmp_path_factory.mktemp("city")
    config = _write_config(folder)
    _must(config, "init")
    _import_city(config, folder)
    return folder / "data"


@pytest.fixture
def city_folder(city_data: Path, tmp_path: Path) -> Path:
    """A folder whose centre knows the small city."""
    shutil.copytree(city_data, tmp_path / "data")
    return tmp_path


def test_from_nothing_to_a_signed_in_operator(tmp_path: Path) -> None:
    config = _write_config(tmp_path)
    assert "ready" in _must(config, "init")
    (tmp_path / "areas.geojson").write_text(json.dumps(city.city_geojson()))
    assert "12 added" in _must(config, "import-areas", str(tmp_path / "areas.geojson"))
    (tmp_path / "cameras.yaml").write_text(
        yaml.safe_dump(
            {"cameras": [{"camera_id": "lane-east", "name": "东巷", "longitude": 117.4, "latitude": 36.2}]},
            allow_unicode=True,
        )
    )
    told = _must(config, "import-cameras", str(tmp_path / "cameras.yaml"))
    assert "+ lane-east" in told
    assert f"note: lane-east belongs to {city.VILLAGE_BARE}: outside every grid" in told
    token = _must(config, "add-node", "--node-id", "edge-01").strip()
    assert token.startswith("xln_")
    added = ("add-user", "--username", "wang", "--role", "operator", "--area", city.SOUTH, "--password-stdin")
    assert "operator of" in _must(config, *added, stdin=f"{PASSWORD}\n")
    with _served(config) as (server, client):
        _wait_for(client, server, missing={"broker"})
        answer = client.post("/api/session", json={"username": "wang", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        assert [camera["camera_id"] for camera in client.get("/api/cameras").json()["cameras"]] == ["lane-east"]
        assert "12 unchanged" in _must(config, "import-areas", str(tmp_path / "areas.geojson")), "while it is served"
        with client.stream("GET", "/api/events") as stream:
            lines = stream.iter_lines()
            assert any(line == "event: hello" for line in lines)
            assert _stop(server) < 10, "an open stream does not hold the program"
    assert server.returncode == 0
    assert "the audit chain is whole" in _must(config, "verify-audit")
    log = (tmp_path / "serve.log").read_text()
    assert token not in log
    assert PASSWORD not in log


def test_rosters_are_tried_and_taken_from_a_table(city_folder: Path) -> None:
    config = _write_config(city_folder)
    wang = ("add-user", "--username", "wang", "--role", "worker", "--area", city.GRID, "--password-stdin")
    _must(config, *wang, stdin=f"{PASSWORD}\n")
    table = city_folder / "rosters.csv"
    table.write_text("username,kind,days,start,until\nwang,weekly,mon-fri,8 Uhr,18:00\nli,weekly,sat,08:00,18:00\n")
    done = _run(config, "import-rosters", str(table), "--dry-run")
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "row 2, start",
        "row 3, username",
        "2 bad rows; nothing was changed",
    ]
    table.write_text("username,kind,days,start,until\nwang,weekly,mon-fri,08:00,18:00\n")
    assert "dry run: nothing was changed" in _must(config, "import-rosters", str(table), "--dry-run")
    assert "~ wang: 1 shifts (had 0)" in _must(config, "import-rosters", str(table)), "the dry run has taken nothing"
    assert "0 rosters changed, 1 unchanged" in _must(config, "import-rosters", str(table))
    assert _run(config, "import-rosters", str(city_folder / "none.csv")).returncode == 2
    assert "the audit chain is whole" in _must(config, "verify-audit")


def test_lanes_are_tried_and_taken_from_a_file(city_folder: Path) -> None:
    config = _write_config(city_folder)
    said = {"lane_id": "east-alley", "name": "东巷", "unit": "东巷物业", "duty_phone": "0531-8000 0119", "width_m": 4}
    line = {"type": "LineString", "coordinates": [[117.05, 36.2], [117.051, 36.2]]}
    feature = {"type": "Feature", "properties": said, "geometry": line}
    path = city_folder / "lanes.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    tried = _must(config, "import-lanes", str(path), "--dry-run")
    assert tried.splitlines()[-1] == "dry run: nothing was changed"
    assert "1 added" in _must(config, "import-lanes", str(path))
    again = _must(config, "import-lanes", str(path))
    assert again.splitlines() == ["0 added, 0 changed, 0 removed, 1 unchanged"]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [{**feature, "geometry": None}]}))
    refused = _run(config, "import-lanes", str(path))
    assert refused.returncode == 2
    assert "lanes.0" in refused.stderr


def test_addresses_are_tried_and_taken_from_a_table_and_never_printed(city_folder: Path) -> None:
    mail = {"kind": "email", "host": "10.0.0.1", "sender": "centre@city.example"}
    sms = {"kind": "http", "url": "https://sms.example/send?to={address}", "method": "GET"}
    config = _write_config(city_folder, notices={"channels": {"mail": mail, "sms": sms}})
    for name in ("wang", "li"):
        person = ("add-user", "--username", name, "--role", "worker", "--area", city.GRID, "--password-stdin")
        _must(config, *person, stdin=f"{PASSWORD}\n")
    table = city_folder / "people.csv"
    table.write_text("username,mail,sms\nwang,13800000001,13800000001\n13800000002,a@b.example,\n")
    done = _run(config, "import-contacts", str(table), "--dry-run")
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "row 2, mail",
        "row 3, username",
        "2 bad rows; nothing was changed",
    ]
    table.write_text("username,mail,sms\nwang,wang@city.example,13800000001\nli,,13800000002\n")
    tried = _must(config, "import-contacts", str(table), "--dry-run")
    assert "~ wang: mail + …ple, sms + …001" in tried
    assert "dry run: nothing was changed" in tried
    assert "2 people changed, 0 unchanged" in _must(config, "import-contacts", str(table)), "the dry run took nothing"
    table.write_text("username,mail,sms\nwang,-,13800000009\nli,,\n")
    changed = _must(config, "import-contacts", str(table))
    assert "~ wang: mail - …ple, sms …001 → …009\n1 people changed, 1 unchanged" in changed
    assert "0 people changed, 2 unchanged" in _must(config, "import-contacts", str(table))
    for told in (done.stderr, tried, changed):
        assert "1380000" not in told
        assert "wang@" not in told
    assert "the audit chain is whole" in _must(config, "verify-audit")


def test_the_pages_about_cameras_are_written(tmp_path: Path) -> None:
    config = _write_config(tmp_path, disclosure={"responsible": "市综治中心"})
    _must(config, "init")
    assert "import-areas first" in _run(config, "impact-assessment", "--out", str(tmp_path / "a.html")).stderr
    _import_city(config, tmp_path)
    told = _must(config, "impact-assessment", "--language", "en", "--out", str(tmp_path / "a.html"))
    assert "cameras are not stated in full" in told
    assert "市综治中心" in (tmp_path / "a.html").read_text()
    assert "index.html" in _must(config, "camera-notices", "--out", str(tmp_path / "notices"))
    assert (tmp_path / "notices" / "index.html").is_file()


def test_a_broken_audit_chain_is_exit_1(city_folder: Path) -> None:
    import sqlite3

    config = _write_config(city_folder)
    head = _must(config, "verify-audit").split()[-1]
    _must(config, "verify-audit", "--known-head", head)
    connection = sqlite3.connect(city_folder / "data" / "centre.db")
    connection.execute("update audit_records set actor = 'somebody else'")
    connection.commit()
    connection.close()
    done = _run(config, "verify-audit")
    assert done.returncode == 1
    assert "record 1 was changed" in done.stdout


def test_bad_files_are_exit_2_with_every_problem(tmp_path: Path) -> None:
    config = _write_config(tmp_path, http={"port": 99999}, roles=["api", "cook"])
    done = _run(config, "serve")
    assert done.returncode == 2
    assert "centre.http.port" in done.stderr
    assert "centre.roles" in done.stderr
    assert "Traceback" not in done.stderr
    assert _run(tmp_path / "none.yaml", "serve").returncode == 2
    good = _write_config(tmp_path)
    _must(good, "init")
    (tmp_path / "areas.geojson").write_text("{")
    assert _run(good, "import-areas", str(tmp_path / "areas.geojson")).returncode == 2


def test_a_station_that_was_registered_is_heard_as_the_page_says(city_folder: Path) -> None:
    config = _write_config(city_folder)
    key = _must(config, "add-source", "--source-id", "gauge", "--area", city.SOUTH, "--place", "117.05,36.2").strip()
    signal_ = {"key": "1", "hazard": "water_level", "severity": 2, "text": "31 cm"}
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    body = json.dumps({**signal_, "began_at": at, "observed_at": at}).encode()
    now = str(int(time.time()))
    sign = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", key],
        input=f"{now}.gauge.".encode() + body,
        capture_output=True,
        check=True,
    )
    headers = {"content-type": "application/json", "x-xueliang-source": "gauge", "x-xueliang-time": now}
    headers["x-xueliang-signature"] = f"sha256={sign.stdout.decode().split()[-1]}"
    with _served(config) as (server, client):
        _wait_for(client, server, missing={"broker"})
        assert client.post("/api/intake/signals", content=body, headers=headers).status_code == 201
        assert client.post("/api/intake/signals", content=body, headers=headers).status_code == 200
        _must(config, "add-source", "--source-id", "gauge", "--disable")
        assert client.post("/api/intake/signals", content=body, headers=headers).status_code == 401
        _stop(server)


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (("add-user", "--username", "w", "--role", "operator", "--area", "9", "--password-stdin"), PASSWORD, "area"),
        (("add-user", "--username", "w", "--role", "operator", "--area", "3701", "--password-stdin"), "short", "10"),
        (("add-user", "--username", "W W", "--role", "admin", "--area", "3701", "--password-stdin"), PASSWORD, "name"),
        (("add-node", "--node-id", "Edge 1"), "", "node_id"),
        (("add-source", "--source-id", "Gauge", "--area", city.SOUTH), "", "source_id must match"),
        (("add-source", "--source-id", "gauge", "--area", city.SOUTH, "--place", "36"), "", "LONGITUDE,LATITUDE"),
        (("add-source", "--source-id", "gauge", "--renew"), "", "there is no source gauge"),
    ],
)
def test_what_cannot_be_added_is_exit_1_in_plain_words(
    city_folder: Path, arguments: tuple[str, ...], stdin: str, says: str
) -> None:
    config = _write_config(city_folder)
    done = _run(config, *arguments, stdin=stdin)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """One that a test may freeze."""
    with running_postgres() as postgres:
        postgres.execute("create database centre")
        yield postgres


@pytest.mark.postgres
def test_a_database_that_freezes_is_said_within_seconds_and_it_goes_on_by_itself(
    tmp_path: Path, own_postgres: Postgres
) -> None:
    config = _write_config(tmp_path, database=own_postgres.url("centre"))
    with _served(config) as (server, client):
        _wait_for(client, server, missing={"broker"})
        own_postgres.freeze()
        try:
            _wait_for(client, server, missing={"broker", "database"})
            began = time.monotonic()
            assert client.get("/api/session", headers={"cookie": "xl_session=x"}).status_code == 503
            assert time.monotonic() - began < 2
        finally:
            own_postgres.thaw()
        _wait_for(client, server, missing={"broker"})
        assert client.get("/api/session", headers={"cookie": "xl_session=x"}).status_code == 401
        assert _stop(server, signal.SIGINT) < 10


def test_a_closed_terminal_stops_it_cleanly(tmp_path: Path) -> None:
    config = _write_config(tmp_path)
    _must(config, "init")
    with _served(config) as (server, client):
        _wait_for(client, server, missing={"broker"})
        assert _stop(server, signal.SIGHUP) < 10
    assert server.returncode == 0


def test_it_waits_for_a_database_that_is_not_there_and_stops_when_asked(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://nobody@127.0.0.1:{_free_port()}/centre"
    config = _write_config(tmp_path, database=url)
    with _served(config) as (server, client):
        waiting = _wait_for(client, server, missing={"database", "start"})
        assert "nobody" not in str(waiting)
        assert client.get("/api/areas").status_code == 503
        assert _stop(server) < 10


def test_a_signing_key_is_made_once_on_purpose_and_printed_without_its_secret(tmp_path: Path) -> None:
    config = _write_config(tmp_path)
    missing = _run(config, "signing-key")
    assert missing.returncode == 1
    assert "no key that can be used; make one: xueliang-centre signing-key --make" in missing.stderr
    public = _must(config, "signing-key", "--make").strip()
    path = tmp_path / "data" / "signing.key"
    assert PublicKey.read(public) == SigningKey.read(path.read_text()).public
    assert path.stat().st_mode & 0o777 == 0o600
    again = _run(config, "signing-key", "--make")
    assert (again.stdout.strip(), again.returncode) == (public, 0)
    assert "there is a key already" in again.stderr
    path.write_text("ed25519-secret:torn")
    torn = _run(config, "signing-key")
    assert (torn.returncode, torn.stdout) == (1, "")
    assert "torn" not in torn.stderr.replace(str(path), "")

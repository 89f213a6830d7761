"""What `deploy/` ships, run: two api, two ingest and a worker behind a proxy; then a backup, and its restore."""

from __future__ import annotations

import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.brokers import running_broker
from tests.support.databases import Postgres, running_postgres
from tests.support.fixtures import leave_out
from tests.support.pictures import jpeg, sha256
from tests.support.puppet_node import PuppetNode
from tests.support.several_processes import CAMERA, PASSWORD, SeveralProcesses, events_of, proxy
from xueliang_alerts.contract import Hazard, Reason, Severity
from xueliang_demo.installation import NODE_ID
from xueliang_demo.processes import free_port, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.mosquitto, pytest.mark.timeout(300)]

STILL = jpeg(320, 180)
BLOCKED = Reason(code="lane_blocked", text="lane 41 % covered by truck for 63 s")


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def centre(tmp_path: Path, postgres: Postgres) -> Iterator[SeveralProcesses]:
    for database in ("centre", "restored"):
        postgres.execute(f"create database {database}")
    with running_broker("mosquitto", tmp_path, node_ids=[NODE_ID]) as broker:
        made = SeveralProcesses(tmp_path, postgres, broker, "centre", (free_port(), free_port()), free_port())
        made.set_up()
        yield made


class Listener:
    """One event stream, read in a thread until an incident comes."""

    def __init__(self, url: str, *, cookie: str, context: ssl.SSLContext) -> None:
        self._url, self._cookie, self._context = url, cookie, context
        self.is_open, self.has_ended = threading.Event(), threading.Event()
        self.numbers: list[str] = []
        self.trouble: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with httpx.Client(verify=self._context, trust_env=False) as client:
                for event, data in events_of(client, self._url, headers={"cookie": self._cookie}):
                    self.is_open.set()
                    if event == "incident":
                        self.numbers.append(data["incident"]["number"])
                        return
        except Exception as error:
            self.trouble = error
        finally:
            self.has_ended.set()


def sign_in(origin: str, context: ssl.SSLContext) -> httpx.Client:
    client = httpx.Client(base_url=origin, verify=context, trust_env=False, timeout=10)
    client.post("/api/session", json={"username": "li", "password": PASSWORD}).raise_for_status()
    return client


def cookie_of(client: httpx.Client) -> str:
    """For the api processes themselves: the cookie goes over https only, and they are reached without."""
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)


def incidents_of(origin: str, cookie: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{origin}/api/incidents", headers={"cookie": cookie}, trust_env=False)
    answer.raise_for_status()
    return list(answer.json()["items"])


def test_an_alert_reaches_every_process_and_a_backup_brings_it_back(centre: SeveralProcesses, tmp_path: Path) -> None:
    if shutil.which("rsync") is None:
        leave_out("rsync is not installed (Debian: apt-get install rsync)")
    backups = tmp_path / "backups"
    with centre.running() as programs, proxy(centre) as context, closing(sign_in(centre.proxy_origin, context)) as li:
        cookie = cookie_of(li)
        origins = [f"http://127.0.0.1:{port}" for port in centre.ports]
        urls = [f"{origin}/api/events" for origin in (*origins, centre.proxy_origin)]
        listeners = [Listener(url, cookie=cookie, context=context) for url in urls]
        for listener in listeners:
            assert listener.is_open.wait(30) or listener.has_ended.is_set()
        with PuppetNode(centre, {CAMERA: "streaming"}) as node:
            node.raise_alert(CAMERA, Hazard.FIRE_LANE_OBSTRUCTION, Severity.ORANGE, reason=BLOCKED, picture=STILL)
            for listener in listeners:
                listener.has_ended.wait(60)
                assert listener.trouble is None, listener._url
        (incident,) = incidents_of(origins[1], cookie)
        assert [listener.numbers for listener in listeners] == [[incident["number"]]] * 3
        assert httpx.get(f"{centre.proxy_origin}/metrics", verify=context, trust_env=False).status_code == 404

        made = centre.script("backup.sh", str(backups))
        assert made.returncode == 0, made.stderr
        again = centre.script("backup.sh", str(backups))
        assert again.returncode == 0, again.stderr

        programs[f"api-{centre.ports[0]}"].kill()  # the other one goes on, and whoever is signed in stays so
        assert li.get(f"/api/evidence/{sha256(STILL)}").content == STILL
        assert [one["number"] for one in li.get("/api/incidents").raise_for_status().json()["items"]] == [
            incident["number"]
        ]
        for program in programs.values():
            if program.name != f"api-{centre.ports[0]}":
                program.must_run()

    first, second = (Path(done.stdout.strip()) for done in (made, again))
    stills = [_the_still(folder) for folder in (first, second)]
    assert stills[0].samefile(stills[1]), "a picture that both have is there once"
    _restore(centre, second, incident)


def _the_still(backup: Path) -> Path:
    (found,) = [path for path in (backup / "pictures").rglob("*") if path.is_file() and path.read_bytes() == STILL]
    return found


def _restore(centre: SeveralProcesses, backup: Path, incident: dict[str, Any]) -> None:
    full = centre.script("restore.sh", str(backup))
    assert (full.returncode, "expected an empty folder" in full.stderr) == (1, True), full.stderr
    elsewhere = replace(centre, folder=centre.folder / "elsewhere", database="restored")
    elsewhere.write_settings()  # with the new folder and database; else the restore unpacks those of the backup
    wrong = elsewhere.script("restore.sh", str(backup), PGDATABASE=centre.database)
    assert (wrong.returncode, "expected an empty one" in wrong.stderr) == (1, True), wrong.stderr
    other = elsewhere.script("restore.sh", str(backup), PGDATABASE="postgres")  # the settings name another one
    assert (other.returncode, "expected postgres, which is restored to" in other.stderr) == (1, True), other.stderr
    done = elsewhere.script("restore.sh", str(backup))
    assert done.returncode == 0, done.stderr
    assert "the audit chain is whole" in done.stdout

    port = elsewhere.ports[1]
    api = elsewhere.program("api", str(port))
    api.start()
    try:
        wait_until(lambda: elsewhere.is_ready(api, port), "the restored centre", 60.0)
        origin = f"http://127.0.0.1:{port}"
        answer = httpx.post(
            f"{origin}/api/session", json={"username": "li", "password": PASSWORD}, trust_env=False
        ).raise_for_status()
        cookie = "; ".join(f"{item.name}={item.value}" for item in answer.cookies.jar)
        (found,) = incidents_of(origin, cookie)
        assert {name: found[name] for name in ("incident_id", "number", "hazard")} == {
            name: incident[name] for name in ("incident_id", "number", "hazard")
        }
        still = httpx.get(f"{origin}/api/evidence/{sha256(STILL)}", headers={"cookie": cookie}, trust_env=False)
        assert still.content == STILL
    finally:
        api.stop()

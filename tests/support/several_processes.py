"""A centre of several processes, as `deploy/` describes it: its units' command lines, its settings, its proxy.

Only addresses, folders and certificates are replaced. PostgreSQL and Mosquitto are the test's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support import city
from tests.support.brokers import TestBroker
from tests.support.databases import Postgres, postgres_programs
from tests.support.fixtures import REPOSITORY, leave_out
from xueliang_demo.centre_commands import Command, run_commands
from xueliang_demo.installation import NODE_ID
from xueliang_demo.processes import Program, free_port, wait_until

DEPLOY = REPOSITORY / "deploy"
PROGRAM, SETTINGS = "/opt/xueliang/bin/xueliang-centre", "/etc/xueliang/centre.yaml"
PASSWORD = "a long enough password"
CAMERA = "cam-gate"


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """Each of these, which must be there."""
    for old, new in pairs:
        assert old in text, f"the shipped file no longer contains {old!r}"
        text = text.replace(old, new)
    return text


def command_line(unit: str, instance: str, settings: Path) -> list[str]:
    """What a template unit starts, without the program."""
    (line,) = re.findall(r"^ExecStart=(.+)$", (DEPLOY / f"systemd/xueliang-{unit}@.service").read_text(), re.MULTILINE)
    program, *arguments = str(line).replace("%i", instance).split()
    assert program == PROGRAM
    return [str(settings) if word == SETTINGS else word for word in arguments]


@dataclass
class SeveralProcesses:
    """Two api, two ingest, one worker over one database, and the folder that holds their settings and data."""

    folder: Path
    postgres: Postgres
    broker: TestBroker
    database: str
    ports: tuple[int, int]
    proxy_port: int

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def settings(self) -> Path:
        return self.folder / "etc/centre.yaml"

    @property
    def origin(self) -> str:
        """Of the first api process."""
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def broker_port(self) -> int:
        return self.broker.port

    @property
    def proxy_origin(self) -> str:
        return f"https://127.0.0.1:{self.proxy_port}"

    @property
    def environment(self) -> dict[str, str]:
        programs = postgres_programs()
        return {
            "XUELIANG_CENTRE_BROKER_PASSWORD": self.broker.password(self.broker.centre_user),
            "PGHOST": str(self.postgres.socket_dir),
            "PGUSER": self.postgres.user,
            "PGDATABASE": self.database,
            "XUELIANG_DATA": str(self.data_dir),
            "XUELIANG_SETTINGS": str(self.settings.parent),
            "PATH": f"{programs}:{os.environ['PATH']}",
        }

    def write_settings(self) -> None:
        shipped = (DEPLOY / "centre/centre.yaml").read_text()
        address = '"postgresql+asyncpg://centre:${XUELIANG_DB_PASSWORD}@127.0.0.1/centre"'
        text = replaced(
            shipped,
            ("/var/lib/xueliang/centre", str(self.data_dir)),
            (address, json.dumps(self.postgres.url(self.database))),
            ("https://centre.example", self.proxy_origin),
            ("port: 1883", f"port: {self.broker.port}"),
        )
        self.settings.parent.mkdir(parents=True, mode=0o700)
        self.settings.write_text(text)
        shutil.copy(REPOSITORY / "configs/examples/policies.yaml", self.settings.parent)

    def set_up(self) -> None:
        """Settings, schema, areas, a camera, a person, a node."""
        self.write_settings()
        (self.folder / "areas.geojson").write_text(json.dumps(city.city_geojson()))
        camera = {"camera_id": CAMERA, "name": "大门", "longitude": 117.05, "latitude": 36.2, "node_id": NODE_ID}
        camera |= {"place_class": "residential", "purpose": "通道监看", "legal_basis": "条例", "approved_view": "通道"}
        camera |= {"signed_on": "2026-05-01", "view_approved_on": "2026-05-01"}
        (self.folder / "cameras.yaml").write_text(yaml.safe_dump({"cameras": [camera]}, allow_unicode=True))
        who = ("--username", "li", "--role", "supervisor", "--area", city.CITY, "--password-stdin")
        *_, told = run_commands(
            [
                Command(("migrate",)),
                Command(("import-areas", str(self.folder / "areas.geojson"))),
                Command(("import-cameras", str(self.folder / "cameras.yaml"))),
                Command(("camera-gate", "sign", "--by", "li")),
                Command(("add-user", *who), stdin=PASSWORD),
                Command(("add-node", "--node-id", NODE_ID, "--area", city.WEST)),
            ],
            self.settings,
            self.environment,
        )
        secrets = {"broker_node": self.broker.password(NODE_ID), "node_token": str(told).split()[-1]}
        (self.folder / "secrets.json").write_text(json.dumps(secrets))

    def program(self, unit: str, instance: str) -> Program:
        arguments = command_line(unit, instance, self.settings)
        return Program(f"{unit}-{instance}", "xueliang_central.cli", arguments, self.folder / "logs", self.environment)

    def is_ready(self, program: Program, port: int) -> bool:
        program.must_run()
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=2.0, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200 and answer.json()["state"] == "ready"

    @contextlib.contextmanager
    def running(self) -> Iterator[dict[str, Program]]:
        """All five, the api processes ready; by unit and instance."""
        wanted = [("api", str(port)) for port in self.ports] + [("ingest", "1"), ("ingest", "2"), ("worker", "1")]
        programs = {f"{unit}-{instance}": self.program(unit, instance) for unit, instance in wanted}
        try:
            for program in programs.values():
                program.start()
            for port in self.ports:
                wait_until(lambda port=port: self.is_ready(programs[f"api-{port}"], port), f"api {port}", 90.0)  # type: ignore[misc]
            yield programs
        finally:
            for program in programs.values():
                program.stop()

    def script(self, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`deploy/backup/NAME`; the program is this checkout's."""
        env = {**os.environ, **self.environment, "XUELIANG_CENTRE": f"{sys.executable} -m xueliang_central.cli"}
        command = ["bash", str(DEPLOY / "backup" / name), *arguments]
        return subprocess.run(
            command, env={**env, **environment}, capture_output=True, text=True, timeout=120, check=False
        )


@contextlib.contextmanager
def proxy(centre: SeveralProcesses) -> Iterator[ssl.SSLContext]:
    """nginx on the files of `deploy/nginx`; what a client needs to trust it."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        leave_out("nginx is not installed (Debian: apt-get install nginx-light)")
    folder = centre.folder / "nginx"
    folder.mkdir()
    _make_certificate(folder)
    upstream = replaced(
        (DEPLOY / "nginx/upstream.conf").read_text(),
        ("127.0.0.1:8001", f"127.0.0.1:{centre.ports[0]}"),
        ("127.0.0.1:8002", f"127.0.0.1:{centre.ports[1]}"),
    )
    (folder / "upstream.conf").write_text(upstream)
    site = replaced(
        (DEPLOY / "nginx/xueliang.conf").read_text(),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{centre.proxy_port} ssl;"),
        ("/etc/xueliang/tls/", f"{folder}/"),
    )
    (folder / "xueliang.conf").write_text(site)
    (folder / "nginx.conf").write_text(_around(folder))
    with (folder / "said.log").open("wb") as said:
        child = subprocess.Popen(
            [program, "-c", str(folder / "nginx.conf"), "-p", str(folder)], stdout=said, stderr=said
        )
    try:
        context = ssl.create_default_context(cafile=str(folder / "centre.pem"))
        _await(child, centre, context, folder)
        yield context
    finally:
        child.terminate()
        child.wait(10)


def _around(folder: Path) -> str:
    """What a distribution has around the two files."""
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"{'user root;' if os.geteuid() == 0 else ''}\ndaemon off;\nworker_processes 1;\npid {folder}/pid;\n"
        f"error_log {folder}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}"
        f"include {folder}/upstream.conf;\ninclude {folder}/xueliang.conf;\n}}\n"
    )


def _make_certificate(folder: Path) -> None:
    names = "subjectAltName=DNS:centre.example,IP:127.0.0.1"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=centre.example"]
    command += ["-addext", names, "-keyout", str(folder / "centre.key"), "-out", str(folder / "centre.pem")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def _await(child: subprocess.Popen[bytes], centre: SeveralProcesses, context: ssl.SSLContext, folder: Path) -> None:
    give_up_mono_s = time.monotonic() + 20
    while time.monotonic() < give_up_mono_s and child.poll() is None:
        try:
            httpx.get(f"{centre.proxy_origin}/api/health", verify=context, trust_env=False, timeout=5)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"nginx does not answer: {(folder / 'said.log').read_text()[-800:]}")


def events_of(client: httpx.Client, url: str, **more: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events as (event, data), from the moment that the stream is open: first ("open", {})."""
    with client.stream("GET", url, timeout=httpx.Timeout(10.0, read=60.0), **more) as answer:
        answer.raise_for_status()
        yield "open", {}
        event = "message"
        for line in answer.iter_lines():
            if line.startswith("event:"):
                event = line[6:].strip()
            elif line.startswith("data:"):
                yield event, json.loads(line[5:])

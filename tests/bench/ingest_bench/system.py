"""PostgreSQL, a broker and the centre's ingest processes, all real, and what each of them costs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import asyncpg
import httpx
import yaml

from tests.bench.edge_bench.accounting import cpu_seconds
from tests.bench.ingest_bench.city import register
from tests.support.brokers import BrokerKind, TestBroker, running_broker
from tests.support.databases import Postgres, running_postgres
from xueliang_central.store.database import Database
from xueliang_configs.loading import load_policies
from xueliang_configs.policies import PolicyTable

DATABASE: Final = "bench"
# A production server: every commit is on disk before it is answered. The rest is as installed.
SERVER: Final = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "256MB", "max_wal_size": "2GB"}
POLICIES: Final = Path(__file__).parents[3] / "configs" / "examples" / "policies.yaml"


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds, user and system, since the start of each."""

    ingest: float
    postgres: float
    broker: float

    def __sub__(self, other: Costs) -> Costs:
        return Costs(self.ingest - other.ingest, self.postgres - other.postgres, self.broker - other.broker)


@dataclass
class System:
    """What runs. `ingests` are processes of the centre's public command."""

    folder: Path
    postgres: Postgres
    broker: TestBroker
    is_shedding: bool
    ingests: list[subprocess.Popen[bytes]] = field(default_factory=list)
    apis: list[subprocess.Popen[bytes]] = field(default_factory=list)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _ended_s: float = 0.0  # CPU of ingests that were killed

    @property
    def database_url(self) -> str:
        return self.postgres.url(DATABASE)

    def costs(self) -> Costs:
        """Of the running ingests (and those killed before), of PostgreSQL with all its children, of the broker."""
        ingest = self._ended_s + cpu_seconds(child.pid for child in self.ingests)
        return Costs(ingest, cpu_seconds([self.postgres.pid]), cpu_seconds([self.broker.pid]))

    def start_ingest(self) -> None:
        self.ingests.append(self._start("ingest"))

    def start_api(self, port: int) -> None:
        """A process that speaks HTTP on loopback."""
        self.apis.append(self._start("api", {"http": {"port": port}}))

    def start_worker(self) -> None:
        self.workers.append(self._start("worker"))

    def kill_worker(self) -> None:
        """SIGKILL the first one."""
        child = self.workers.pop(0)
        child.kill()
        child.wait()

    def api_cpu_s(self) -> float:
        return cpu_seconds(child.pid for child in self.apis)

    def _start(self, role: str, more: Mapping[str, object] = MappingProxyType({})) -> subprocess.Popen[bytes]:
        number = len(list(self.folder.glob(f"{role}-*.log"))) + 1
        with (self.folder / f"{role}-{number}.log").open("wb") as log:
            configuration = str(self._configuration(role, more))
            command = [sys.executable, "-m", "xueliang_central.cli", "--config", configuration, "serve"]
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill_ingest(self) -> None:
        """SIGKILL the first one, as the kernel does when memory is short."""
        child = self.ingests.pop(0)
        self._ended_s += cpu_seconds([child.pid])
        child.kill()
        child.wait()

    def stop(self) -> None:
        """The processes of the centre."""
        children = [*self.ingests, *self.apis, *self.workers]
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.ingests, self.apis, self.workers = [], [], []

    def must_run(self) -> None:
        """Raises RuntimeError with the last words of a process that has ended."""
        for child in [*self.ingests, *self.apis, *self.workers]:
            if child.poll() is not None:
                logs = sorted(self.folder.glob("*-*.log"))
                words = " | ".join(path.read_text()[-800:] for path in logs)
                raise RuntimeError(f"a process of the centre ended with status {child.returncode}: {words}")

    def numbers(self, **queries: str) -> dict[str, int]:
        """Each a query of one number."""

        async def ask() -> dict[str, int]:
            conn = await asyncpg.connect(host=str(self.postgres.socket_dir), user=self.postgres.user, database=DATABASE)
            try:
                return {name: int(await conn.fetchval(query) or 0) for name, query in queries.items()}
            finally:
                await conn.close()

        return asyncio.run(ask())

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What a query answers."""

        async def ask() -> list[tuple[object, ...]]:
            conn = await asyncpg.connect(host=str(self.postgres.socket_dir), user=self.postgres.user, database=DATABASE)
            try:
                return [tuple(row) for row in await conn.fetch(query)]
            finally:
                await conn.close()

        return asyncio.run(ask())

    def policies(self) -> PolicyTable:
        """The example's, with or without its shedding."""
        return load_policies(self._policies())

    def _policies(self) -> Path:
        table = yaml.safe_load(POLICIES.read_text())
        if not self.is_shedding:
            table.pop("shedding")
        path = self.folder / "policies.yaml"
        path.write_text(yaml.safe_dump(table))
        return path

    def _configuration(self, role: str, more: Mapping[str, object]) -> Path:
        broker = {"port": self.broker.port, "username": self.broker.centre_user}
        broker["password"] = self.broker.password(self.broker.centre_user)
        centre = {
            "data_dir": str(self.folder / "data"),
            "database": self.database_url,
            "policies": str(self._policies()),
            "roles": [role],
            "broker": broker,
            **more,
        }
        path = self.folder / f"centre-{role}.yaml"
        path.write_text(json.dumps({"centre": centre}))
        return path


@contextmanager
def running_system(folder: Path, kind: BrokerKind, *, is_shedding: bool) -> Iterator[System]:
    """PostgreSQL with the city registered, and the broker; no ingest yet. All of it ends with the block."""
    folder = folder.resolve()
    folder.mkdir(parents=True)
    with running_postgres(SERVER) as postgres, running_broker(kind, folder, node_ids=[]) as broker:
        postgres.execute(f"create database {DATABASE}")
        system = System(folder, postgres, broker, is_shedding)
        asyncio.run(_prepare(system.database_url))
        try:
            yield system
        finally:
            with contextlib.suppress(ProcessLookupError):
                system.stop()


async def _prepare(url: str) -> None:
    database = await Database.open(url, wait_s=60)
    try:
        await database.migrate()
        await register(database, datetime.now(UTC))
    finally:
        await database.close()


def wait_until_at_work(system: System, within_s: float = 60.0) -> None:
    """Until all ingest processes that run hold leases and connect, as their logs say.

    The broker keeps nothing for a shard before somebody has asked for it.
    """
    give_up = time.monotonic() + within_s
    logs = list(system.folder.glob("ingest-*.log"))
    ours = sorted(logs, key=lambda path: int(path.stem.rpartition("-")[2]))[-len(system.ingests) :]
    while not all("ingest is at work" in path.read_text() for path in ours):
        system.must_run()
        if time.monotonic() > give_up:
            raise RuntimeError(f"not all ingests were at work within {within_s:g} s")
        time.sleep(0.1)


def wait_until_up(system: System, port: int, within_s: float = 60.0) -> None:
    """Until the process that speaks HTTP answers."""
    give_up = time.monotonic() + within_s
    while True:
        system.must_run()
        try:
            if httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > give_up:
            raise RuntimeError(f"no answer at port {port} within {within_s:g} s")
        time.sleep(0.2)

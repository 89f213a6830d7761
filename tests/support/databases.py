"""The two databases of the centre, for tests: the same test runs on SQLite and on a throwaway PostgreSQL.

`running_postgres()` starts a cluster of its own in a temporary folder, reached by a Unix socket only, and removes it
afterwards.
Where there are no PostgreSQL programs the tests on it fail in CI; elsewhere they are skipped and say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.support.fixtures import leave_out
from xueliang_central.store.database import Database

START_WITHIN_S = 60.0
_TEMPLATE = "xueliang_template"
_ACCOUNT = "postgres"  # PostgreSQL refuses to run as root: there its own account runs it
THROWAWAY = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB", "max_wal_size": "256MB"}
IN_MEMORY = Path("/dev/shm")
ROOM_IN_MEMORY_BYTES = 3 * 1024**3  # a cluster may keep 256 MB of log, and its databases; five run side by side


@dataclass
class Postgres:
    """A running throwaway cluster."""

    socket_dir: Path
    user: str
    command: Sequence[str]
    _server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """On the data that is there; returns when it answers."""
        null = subprocess.DEVNULL
        self._server = subprocess.Popen(self.command, stdout=null, stderr=null, cwd="/")
        _wait_until_up(self, self._server)

    def stop(self) -> None:
        if self._server is not None:
            _stop(self._server, self.socket_dir / "data")

    def kill(self) -> None:
        """SIGKILL of the postmaster and of every process of the cluster: nothing is written on the way out."""
        postmaster = psutil.Process(self._postmaster())
        for process in (postmaster, *postmaster.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._server is not None:
            self._server.wait(30)  # what runs it under another account ends with it
            self._server = None

    def url(self, name: str) -> str:
        return f"postgresql+asyncpg://{self.user}@localhost/{name}?host={self.socket_dir}"  # the socket counts

    @property
    def pid(self) -> int:
        """The postmaster; every backend is its child."""
        return self._postmaster()

    def freeze(self) -> None:
        """Every process of the cluster stands still, as on a machine that hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)
        waiting = psutil.Process(self._postmaster()).parent()
        if waiting is not None and waiting.name() == "runuser":
            waiting.send_signal(signal.SIGCONT)  # it stops itself when what it runs is stopped

    def _postmaster(self) -> int:
        pid = postmaster_pid(self.socket_dir / "data")
        if pid is None:
            raise RuntimeError("the server is not running")
        return pid

    def _signal(self, number: int) -> None:
        postmaster = psutil.Process(self._postmaster())
        for process in (postmaster, *postmaster.children(recursive=True)):
            process.send_signal(number)

    def execute(self, statement: str, *, database: str = "postgres") -> None:
        """One statement, outside every test database unless one is named."""

        async def run() -> None:
            conn = await asyncpg.connect(host=str(self.socket_dir), user=self.user, database=database)
            try:
                await conn.execute(statement)
            finally:
                await conn.close()

        with asyncio.Runner() as runner:
            runner.run(run())


@functools.cache
def postgres_programs() -> Path | None:
    """The folder of initdb and postgres; None when PostgreSQL is not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: path.parts[-3])
    return debian[-1].parent if debian else None


@functools.cache
def _as_files() -> str:
    """How a template is copied: its files, not through the log (of a third less work); as ever before PostgreSQL 15."""
    programs = postgres_programs()
    assert programs is not None
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return "strategy file_copy" if int(said.split()[2].split(".")[0]) >= 15 else ""


def _as_user() -> tuple[list[str], str] | None:
    """What to put before a command, and whose account it then runs under; None when no fit account exists."""
    if os.geteuid() != 0:
        return [], getpass.getuser()
    try:
        pwd.getpwnam(_ACCOUNT)
    except KeyError:
        return None
    return (["runuser", "-u", _ACCOUNT, "--"], _ACCOUNT) if shutil.which("runuser") else None


def _quickest_folder() -> Path | None:
    """Memory where there is plenty, else None (the usual temporary folder).

    A database is a thousand small files, made and removed for each test: on a disk that costs more than the tests ask.
    """
    try:
        has_room = shutil.disk_usage(IN_MEMORY).free >= ROOM_IN_MEMORY_BYTES
    except OSError:
        return None
    return IN_MEMORY if has_room and os.access(IN_MEMORY, os.W_OK) else None


@contextmanager
def running_postgres(chosen: Mapping[str, str] = THROWAWAY) -> Iterator[Postgres]:
    """A cluster of its own, stopped and removed at the end. When it cannot be had: fails in CI, elsewhere skips.

    `chosen`: settings of the server.
    """
    programs, account = postgres_programs(), _as_user()
    if programs is None:
        leave_out("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    if account is None:
        leave_out("PostgreSQL does not run as root, and there is no postgres account to run it under")
    prefix, user = account
    folder = Path(tempfile.mkdtemp(prefix="xl-pg-", dir=_quickest_folder() if chosen is THROWAWAY else None))
    if prefix:
        shutil.chown(folder, _ACCOUNT)
    data = folder / "data"
    try:
        init = [
            *prefix,
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            user,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run([*init, "--no-sync"], check=True, capture_output=True, cwd="/")
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "max_connections": "60",
            **chosen,
        }
        options = [item for name, value in settings.items() for item in ("-c", f"{name}={value}")]
        postgres = Postgres(folder, user, [*prefix, str(programs / "postgres"), "-D", str(data), *options])
        try:
            postgres.start()
            yield postgres
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_up(postgres: Postgres, server: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + START_WITHIN_S
    while True:
        try:
            postgres.execute("select 1")
        except (OSError, asyncpg.PostgresError) as error:
            if server.poll() is not None:
                pytest.fail(f"PostgreSQL ended with {server.returncode} while starting")
            if time.monotonic() > give_up_at:
                pytest.fail(f"PostgreSQL was not up after {START_WITHIN_S} s: {error}")
            time.sleep(0.1)
        else:
            return


def postmaster_pid(data: Path) -> int | None:
    """The server's own process: what runs it under another account is a process before it."""
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _stop(server: subprocess.Popen[bytes], data: Path) -> None:
    pid = postmaster_pid(data)
    if pid is not None:
        os.kill(pid, 2)  # SIGINT: fast shutdown
    else:
        server.terminate()
    try:
        server.wait(timeout=30)
    except subprocess.TimeoutExpired:
        if pid is not None:
            os.kill(pid, 9)
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One cluster for the whole run, with a template that has the schema already."""
    with running_postgres() as postgres:
        postgres.execute(f"create database {_TEMPLATE}")

        async def migrate() -> None:
            database = await Database.open(postgres.url(_TEMPLATE), wait_s=20)
            try:
                await database.migrate()
            finally:
                await database.close()

        with asyncio.Runner() as runner:
            runner.run(migrate())
        yield postgres


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that has the schema already; copied for each test."""
    path = tmp_path_factory.mktemp("template") / "centre.db"

    async def migrate() -> None:
        database = await Database.open(f"sqlite:///{path}", wait_s=20)
        try:
            await database.migrate()
        finally:
            await database.close()

    with asyncio.Runner() as runner:
        runner.run(migrate())
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database with the schema of this program: SQLite, then PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "centre.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    postgres: Postgres = request.getfixturevalue("postgres_server")
    name = f"t_{uuid.uuid4().hex}"
    postgres.execute(f"create database {name} template {_TEMPLATE} {_as_files()}")
    yield postgres.url(name)
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The same, open. Waits long: a test machine may be slow, and no test is about how long a lock may take."""
    opened = await Database.open(database_url, wait_s=20)
    yield opened
    await opened.close()

"""SQLite (one writer) or PostgreSQL behind one pair of doors: `transaction()` and `reading()`.

Invariants
    - Everything written in one `transaction()` is there after it, or nothing of it is.
    - Rows given to `write_late` are written last in the transaction, writer by writer in the order of their first
      use; what is given to `after_commit` runs only when the commit succeeded. So the one lock that orders events
      and audit records is always the last lock taken, is held for a few inserts and a commit, and cannot close a
      circle with row locks.
    - SQLite: one writer at a time over all processes. Inside a process by a lock, between processes (`serve` and a
      command on the same file) by a file lock beside the database, because SQLite before 3.51.3 can corrupt a WAL
      when two connections write or checkpoint at once. Readers are `query_only` and never checkpoint.
    - Waiting is bounded: after `wait_s` without a lock or a connection `DatabaseUnavailable` is raised.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from xueliang_alerts.clocks import system_mono
from xueliang_central.errors import DatabaseConflict, DatabaseUnavailable, SchemaError
from xueliang_central.store.metadata import to_json

LateWriter = Callable[[AsyncConnection, list[dict[str, Any]]], Awaitable[None]]

WAIT_S: Final = 1.5  # an operator's request must be answered 503 within 2 s when the database is stuck
POSTGRES_COMMAND_TIMEOUT_S: Final = 10.0
POSTGRES_POOL: Final = 10
TRUSTED_S: Final = 1.0  # so long a connection that is given back is thought to be alive; else it is asked first
SQLITE_READERS: Final = 4
_HOOKS: Final = "xueliang.hooks"
_GIVEN_BACK: Final = "xueliang.given_back_mono_s"
_RETRY_SQLSTATES: Final = frozenset({"40001", "40P01"})


class _Hooks:
    """What is still to be done for one open transaction."""

    def __init__(self) -> None:
        self.late: dict[LateWriter, list[dict[str, Any]]] = {}
        self.after: list[Callable[[], None]] = []


def _hooks(conn: AsyncConnection) -> _Hooks:
    found = conn.info.get(_HOOKS) if conn.sync_connection is not None else None
    if not isinstance(found, _Hooks):
        raise RuntimeError("needs a connection from Database.transaction()")
    return found


def write_late(conn: AsyncConnection, writer: LateWriter, row: dict[str, Any]) -> None:
    """Keep `row` until the end of this transaction; then `writer` is called once with all its rows, before the
    commit."""
    _hooks(conn).late.setdefault(writer, []).append(row)


def after_commit(conn: AsyncConnection, callback: Callable[[], None]) -> None:
    """Call back when this transaction is durable; never when it was rolled back."""
    _hooks(conn).after.append(callback)


@asynccontextmanager
async def savepoint(conn: AsyncConnection) -> AsyncIterator[None]:
    """What is done in the block is undone when it raises, with what it gave to `write_late` and `after_commit`; the
    transaction can go on."""
    hooks = _hooks(conn)
    late, after = {writer: len(rows) for writer, rows in hooks.late.items()}, len(hooks.after)
    try:
        async with _translated(), conn.begin_nested():
            yield
    except BaseException:
        for writer, rows in hooks.late.items():
            del rows[late.get(writer, 0) :]
        del hooks.after[after:]
        raise


class Database:
    """One database, open. `close()` belongs to whoever opened it."""

    dialect: Literal["sqlite", "postgresql"]

    def __init__(self, url: URL, *, wait_s: float = WAIT_S) -> None:
        self.url = url
        self.wait_s = wait_s
        self.dialect = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"
        self._writer_lock = asyncio.Lock()
        self._on_commit: list[Callable[[], None]] = []
        if self.dialect == "sqlite":
            self._lock_path: Path | None = Path(f"{url.database}.writer")
            self._writer = _sqlite_engine(url, wait_s, readers=0)
            self._reader = _sqlite_engine(url, wait_s, readers=SQLITE_READERS)
        else:
            self._lock_path = None
            self._writer = self._reader = _postgres_engine(url, wait_s)

    @classmethod
    async def open(cls, url: str, *, wait_s: float = WAIT_S) -> Database:
        """`sqlite:///file` or `postgresql://…`. Does not connect: a database that is down is met at the first use.

        Raises:
            SchemaError: the URL names no database this program can use.
        """
        return cls(_async_url(url), wait_s=wait_s)

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call back after every commit of this process (a wake-up for feeds and workers; keep it short)."""
        self._on_commit.append(callback)

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection that commits at the end of the block, or rolls back when the block raises."""
        return self._transaction()

    def changing_the_schema(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Like `transaction()`, but that a statement may take as long as it takes: an index over years of alerts."""
        return self.transaction() if self.dialect == "sqlite" else self._without_time_limit()

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection for reading: one snapshot on SQLite, read committed on PostgreSQL."""
        return self._reading()

    @asynccontextmanager
    async def listening(self, channel: str, heard: Callable[[], None]) -> AsyncIterator[AsyncConnection]:
        """A connection of its own that calls `heard` whenever a committed transaction has notified this channel.

        PostgreSQL only. The connection is the block's to use; it is closed with it.
        """
        conn = await _connect(self._reader, self.wait_s)
        try:
            async with _translated():
                driver: Any = (await conn.get_raw_connection()).driver_connection
                await driver.add_listener(channel, lambda *_: heard())
                yield conn
        finally:
            await asyncio.shield(conn.invalidate())
            await conn.close()

    async def ping(self) -> None:
        """Raises DatabaseUnavailable when the database does not answer in `wait_s`."""
        try:
            async with asyncio.timeout(self.wait_s), self.reading() as conn:
                await conn.execute(text("select 1"))
        except TimeoutError as error:
            raise DatabaseUnavailable("no answer in time") from error

    async def migrate(self) -> None:
        """Bring the schema to this program's head; others that try at the same time wait for their turn."""
        from xueliang_central.store.migrating import upgrade  # the migration machinery is needed by few commands only

        await upgrade(self)

    async def close(self) -> None:
        async with self._file_lock(best_effort=True):  # closing the last connection checkpoints
            await self._reader.dispose()
            if self._writer is not self._reader:
                await self._writer.dispose()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        if self.dialect == "postgresql":
            async with self._writing() as conn:
                yield conn
            return
        try:
            async with asyncio.timeout(self.wait_s):
                await self._writer_lock.acquire()
        except TimeoutError as error:
            raise DatabaseUnavailable("another change is taking long") from error
        try:
            async with self._file_lock(), self._writing() as conn:
                yield conn
        finally:
            self._writer_lock.release()

    @asynccontextmanager
    async def _without_time_limit(self) -> AsyncIterator[AsyncConnection]:
        engine = _postgres_engine(self.url, self.wait_s, command_timeout_s=None)
        try:
            async with self._writing(engine) as conn:
                yield conn
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def _writing(self, engine: AsyncEngine | None = None) -> AsyncIterator[AsyncConnection]:
        conn = await _connect(engine or self._writer, self.wait_s)
        hooks = _Hooks()
        try:
            async with _translated():
                await conn.begin()
                conn.info[_HOOKS] = hooks
                yield conn
                for writer, rows in list(hooks.late.items()):
                    await writer(conn, rows)
                await conn.commit()
        finally:
            await _hand_back(conn)
        for callback in (*hooks.after, *self._on_commit):
            callback()

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        conn = await _connect(self._reader, self.wait_s)
        try:
            async with _translated():
                yield conn
        finally:
            await _hand_back(conn)

    @asynccontextmanager
    async def _file_lock(self, *, best_effort: bool = False) -> AsyncIterator[None]:
        """One writing process at a time on a SQLite file; nothing on PostgreSQL."""
        if self._lock_path is None:
            yield
            return
        try:
            handle = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if not best_effort:
                raise DatabaseUnavailable("the folder of the database cannot be written") from error
            yield
            return
        try:
            await self._flock(handle, best_effort)
            yield
        finally:
            os.close(handle)  # also unlocks

    async def _flock(self, handle: int, best_effort: bool) -> None:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self.wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if loop.time() < give_up_at:
                    await asyncio.sleep(0.005)
                    continue
                if not best_effort:
                    raise DatabaseUnavailable("another process is writing") from error
            return


async def _connect(engine: AsyncEngine, wait_s: float) -> AsyncConnection:
    try:
        async with asyncio.timeout(wait_s + 0.5):
            return await engine.connect()
    except (OSError, PoolTimeout, DBAPIError) as error:  # OSError includes TimeoutError
        raise DatabaseUnavailable(type(error).__name__) from error


async def _hand_back(conn: AsyncConnection) -> None:
    """Return the connection to the pool, rolling back what was not committed. A broken one is thrown away."""
    if conn.sync_connection is not None and not conn.invalidated and not conn.closed:
        conn.info.pop(_HOOKS, None)
    try:
        await asyncio.shield(conn.close())
    except (OSError, DBAPIError):
        await conn.invalidate()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Turn the driver's words for "not now" into ours; what is wrong with the statement itself passes through."""
    try:
        yield
    except OperationalError as error:
        raise DatabaseUnavailable(type(error.orig).__name__) from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in _RETRY_SQLSTATES:
            raise DatabaseConflict from error
        if error.connection_invalidated or getattr(error.orig, "sqlstate", "") in {"57P01", "57P02", "57P03"}:
            raise DatabaseUnavailable(type(error.orig).__name__) from error
        raise
    except PoolTimeout as error:
        raise DatabaseUnavailable("no connection is free") from error


def _async_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SchemaError("the database URL cannot be read: sqlite:///file or postgresql+asyncpg://…") from error
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+asyncpg")
    raise SchemaError(f"the database must be a SQLite file or PostgreSQL, got {backend!r}")


def _sqlite_engine(url: URL, wait_s: float, *, readers: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        hide_parameters=True,  # an error that is logged must not name them: telephone numbers are among them
        poolclass=AsyncAdaptedQueuePool,
        pool_size=readers or 1,
        max_overflow=0,
        pool_timeout=wait_s,
        connect_args={"timeout": wait_s},
    )
    pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={int(wait_s * 1000)}"]
    if readers:
        pragmas += ["wal_autocheckpoint=0", "query_only=ON"]

    @event.listens_for(engine.sync_engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin by itself: see _begin
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN" if readers else "BEGIN IMMEDIATE")

    return engine


def _postgres_engine(
    url: URL, wait_s: float, *, command_timeout_s: float | None = POSTGRES_COMMAND_TIMEOUT_S
) -> AsyncEngine:
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_size=POSTGRES_POOL,
        max_overflow=0,
        pool_timeout=wait_s,
        json_serializer=to_json,
        connect_args={
            "timeout": wait_s,
            "command_timeout": command_timeout_s,
            "server_settings": {"application_name": "xueliang-centre", "timezone": "UTC"},
        },
    )
    _ask_those_that_rested(engine)
    return engine


def _ask_those_that_rested(engine: AsyncEngine) -> None:
    """A connection that was not in use for a second is asked whether it is alive, and replaced if not.

    `pool_pre_ping` asks each time, with three statements: ingest and the feed, which take one many times a second,
    would spend more on that than on a short question itself.
    """
    dialect = engine.dialect

    @event.listens_for(engine.sync_engine, "checkin")
    def _given_back(_connection: Any, record: Any) -> None:
        record.info[_GIVEN_BACK] = system_mono()

    @event.listens_for(engine.sync_engine, "checkout")
    def _taken(connection: Any, record: Any, _fairy: Any) -> None:
        given_back_mono_s = record.info.get(_GIVEN_BACK)
        if given_back_mono_s is None or system_mono() - given_back_mono_s < TRUSTED_S:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

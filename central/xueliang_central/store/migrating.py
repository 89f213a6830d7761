"""Alembic, called by the program: `migrate` and `serve` bring the schema to head, one process at a time.

Migrations only expand: the program of one release before runs on the new schema. On SQLite the writer's lock holds
others off; on PostgreSQL an advisory lock does, and those that wait give up after `WAIT_S` with the reason.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.errors import SchemaError
from xueliang_central.store.database import Database

WAIT_S: Final = 60.0
_LOCK_KEY: Final = 0x6D69_6772
_FOLDER: Final = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return config


def head_revision() -> str | None:
    """The schema this program was written for."""
    return ScriptDirectory.from_config(_config()).get_current_head()


async def current_revision(conn: AsyncConnection) -> str | None:
    """The schema the database has; None when it is empty."""
    return await conn.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def upgrade(database: Database) -> None:
    """Bring the schema to head. Raises SchemaError when another process holds the lock for longer than WAIT_S."""

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with database.changing_the_schema() as conn:
        if database.dialect == "postgresql":
            await _take_lock(conn)
        await conn.run_sync(run)


async def _take_lock(conn: AsyncConnection) -> None:
    for _ in range(int(WAIT_S / 0.2)):
        taken: Any = await conn.scalar(text("select pg_try_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        if taken:
            return
        await asyncio.sleep(0.2)
    raise SchemaError("another process is migrating the database")


async def check_schema(database: Database) -> None:
    """Raises SchemaError when the database does not have the schema of this program or a later one."""
    async with database.reading() as conn:
        current = await current_revision(conn)
    if current is None:
        raise SchemaError("the database is empty; run: xueliang-centre migrate")
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if current in known and current != head_revision():
        raise SchemaError("the database has an older schema; run: xueliang-centre migrate")

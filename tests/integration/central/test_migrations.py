"""The schema that migrations make is the schema the program's tables describe, on both databases."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from xueliang_central.cameras.gate import Gate
from xueliang_central.cameras.releases import CameraGate
from xueliang_central.errors import SchemaError
from xueliang_central.store.database import Database
from xueliang_central.store.metadata import load_all_tables
from xueliang_central.store.migrating import check_schema, current_revision, head_revision


def _differences(connection: Connection) -> list[Any]:
    def ours(_object: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
        return not (kind == "table" and name is not None and name.startswith("spool_records_"))  # partitions

    context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": ours})
    return compare_metadata(context, load_all_tables())


async def test_migrated_schema_is_what_the_tables_describe(database: Database) -> None:
    async with database.transaction() as conn:
        assert await conn.run_sync(_differences) == []
        assert await current_revision(conn) == head_revision()


async def test_a_missing_column_would_be_noticed(database: Database) -> None:
    async with database.transaction() as conn:
        await conn.execute(text("alter table areas drop column name_en"))
        assert len(await conn.run_sync(_differences)) == 1


async def test_partial_indexes_exist(database: Database) -> None:
    """What autogenerate does not compare: the condition that makes "one open incident" a fact of the database."""
    async with database.reading() as conn:
        indexes = await conn.run_sync(lambda sync: inspect(sync).get_indexes("incidents"))
    one_open = next(index for index in indexes if index["name"] == "incidents_one_open")
    condition = one_open["dialect_options"][f"{database.dialect}_where"]
    assert one_open["unique"]
    assert "closed" in str(condition)
    for name in ("incidents_that_hold", "incidents_that_settle"):
        of_folding = next(index for index in indexes if index["name"] == name)
        assert "gone" in str(of_folding["dialect_options"][f"{database.dialect}_where"])


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await database.migrate()
    async with database.reading() as conn:
        assert await current_revision(conn) == head_revision()


async def test_two_that_migrate_at_once_do_not_meet(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/centre.db"
    both = [await Database.open(url, wait_s=20), await Database.open(url, wait_s=20)]
    await asyncio.gather(*(database.migrate() for database in both))
    async with both[0].reading() as conn:
        assert await current_revision(conn) == head_revision()
    for database in both:
        await database.close()


async def test_an_empty_database_is_named_as_such(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/centre.db")
    with pytest.raises(SchemaError, match="empty"):
        await check_schema(database)
    await database.close()


async def test_administrators_of_before_are_what_they_were_called(tmp_path: Path) -> None:
    """From then on an administrator cannot become an auditor, nor an auditor an administrator."""
    database = await Database.open(f"sqlite:///{tmp_path}/centre.db")
    config = Config()
    config.set_main_option("script_location", str(files("xueliang_central.store") / "migrations"))

    def before(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
        for number, role in enumerate(("admin", "auditor", "operator")):
            connection.execute(
                text(
                    "insert into users (user_id, username, display_name, role, area_code, area_path, password_hash,"
                    " disabled, created_at)"
                    " values (:id, :role, '', :role, '', '', '', 0, '2026-01-01T00:00:00.000000Z')"
                ),
                {"id": f"00000000-0000-4000-8000-00000000000{number}", "role": role},
            )

    async with database.transaction() as conn:
        await conn.run_sync(before)
    await database.migrate()
    async with database.reading() as conn:
        found = await conn.execute(text("select username, administered_as, holder from users order by username"))
        assert found.all() == [("admin", "admin", None), ("auditor", "auditor", None), ("operator", None, None)]
    await database.close()


@pytest.mark.parametrize("nodes", [0, 1], ids=["new", "has watched"])
async def test_a_centre_that_has_watched_before_there_was_a_gate_stops_nothing(tmp_path: Path, nodes: int) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/centre.db")
    config = Config()
    config.set_main_option("script_location", str(files("xueliang_central.store") / "migrations"))

    def before(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "0018")
        for number in range(nodes):
            told = {"id": f"edge-{number}"}
            columns = "node_id, area_path, token_hash, registered_at"
            values = ":id, '3701', :id, '2026-01-01T00:00:00.000000Z'"
            connection.execute(text(f"insert into nodes ({columns}) values ({values})"), told)

    async with database.transaction() as conn:
        await conn.run_sync(before)
    await database.migrate()
    async with database.reading() as conn:
        assert await CameraGate().mode(conn) is (Gate.TELL if nodes else Gate.ENFORCE)
        assert await CameraGate(Gate.ENFORCE).mode(conn) is Gate.ENFORCE
    await database.close()


async def test_a_migration_may_take_longer_than_any_other_statement(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index over years of alerts is not made within the time that a request may take."""
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no such limit")
    monkeypatch.setattr("xueliang_central.store.database.POSTGRES_COMMAND_TIMEOUT_S", 0.1)
    url = database.url.render_as_string(hide_password=False)
    limited = await Database.open(url.replace("+asyncpg", ""))
    try:
        async with limited.changing_the_schema() as conn:
            await conn.execute(text("select pg_sleep(0.5)"))
    finally:
        await limited.close()

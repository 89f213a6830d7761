"""Fixtures of the centre's tests: every test that takes `database` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.centres import TestCentre, build_centre
from tests.support.databases import database, database_url, postgres_server, sqlite_template
from xueliang_central.store.database import Database

__all__ = ["database", "database_url", "postgres_server", "sqlite_template"]


@pytest.fixture
async def centre(database: Database, tmp_path: Path) -> TestCentre:
    """The small city with one registered node; people and cameras are each test's own."""
    return await build_centre(database, tmp_path / "data")

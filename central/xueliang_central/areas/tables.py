"""Areas as imported."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Date, Integer, String, Table

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime, metadata

areas: Final = Table(
    "areas",
    metadata,
    Column("code", String(15), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("name_en", String(80), nullable=False),
    Column("level", String(12), nullable=False),
    Column("parent", String(15), nullable=True),
    Column("path", String(AREA_PATH_LENGTH), nullable=False, unique=True),
    Column("geometry", JsonText, nullable=True),
    Column("valid_from", Date, nullable=True),
    Column("valid_to", Date, nullable=True),
)

area_imports: Final = Table(
    "area_imports",
    metadata,
    Column("import_id", Integer, primary_key=True, autoincrement=True),
    Column("imported_at", UtcDateTime, nullable=False),
    Column("imported_by", String(80), nullable=False),
    Column("added", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    sqlite_autoincrement=True,
)

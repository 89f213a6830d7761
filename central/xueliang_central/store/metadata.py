"""Shared column types. Each domain keeps its own `tables.py` built on `metadata`.

`load_all_tables()` imports every domain's tables, so that migrations and tests see the whole schema.
"""

from __future__ import annotations

import importlib
import json
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigId: Final = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up only in a column of type INTEGER

AREA_PATH_LENGTH: Final = 64  # "3701/370102/370102003/370102003005/370102003005007" has 50

_TABLE_MODULES: Final = (
    "store.tables",
    "audit.tables",
    "rights.tables",
    "areas.tables",
    "cameras.tables",
    "lanes.tables",
    "units.tables",
    "evidence.tables",
    "fleet.tables",
    "incidents.tables",
    "incidents.regrouping_tables",
    "clocks.tables",
    "kept_open.tables",
    "dispatch.tables",
    "dispatch.seat_tables",
    "notices.tables",
    "ingest.tables",
    "silences.tables",
    "camera_rules.tables",
    "people.tables",
    "hand_overs.tables",
    "reports.tables",
    "noise.tables",
    "retention.tables",
    "cap.tables",
    "intake.tables",
    "webhooks.tables",
    "live_views.tables",
)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in, aware UTC out. A naive time is a programming error and is refused.

    SQLite has no time type: there it is ISO text of fixed width, so that text order is time order.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone never reaches the database")
        utc = value.astimezone(UTC)
        return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        found: datetime = value
        return found.astimezone(UTC)


def to_json(value: Any) -> str:
    """As it is stored, by both databases. Raises ValueError for NaN."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class JsonText(TypeDecorator[Any]):
    """A JSON value. jsonb on PostgreSQL (its engine calls `to_json`), text on SQLite; NaN is refused."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(JSONB())
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return to_json(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return json.loads(value) if isinstance(value, str) and dialect.name == "sqlite" else value


class UuidText(TypeDecorator[str]):
    """A UUID as its 36 characters in Python and in both databases. Accepts `uuid.UUID` too."""

    impl = String(36)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        return str(value if isinstance(value, uuid.UUID) else uuid.UUID(value))


def load_all_tables() -> MetaData:
    """Import every domain's tables; a domain that is not there yet is left out."""
    for name in _TABLE_MODULES:
        module = f"xueliang_central.{name}"
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not module.startswith(error.name):
                raise
    return metadata

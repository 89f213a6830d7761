"""People, their grants and sessions, and what the throttle remembers."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from xueliang_central.store.metadata import AREA_PATH_LENGTH, UtcDateTime, UuidText, metadata

users: Final = Table(
    "users",
    metadata,
    Column("user_id", UuidText, primary_key=True),
    Column("username", String(64), nullable=False, unique=True),  # lower case: "Wang" and "wang" are one person
    Column("display_name", String(80), nullable=False),
    Column("role", String(16), nullable=False),
    Column("area_code", String(15), nullable=False),
    Column("area_path", String(AREA_PATH_LENGTH), nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "area_path"),
)

grants: Final = Table(
    "grants",
    metadata,
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("area_path", String(AREA_PATH_LENGTH), primary_key=True),
    Column("why", String(200), nullable=False),
    Column("granted_by", String(80), nullable=False),
    Column("granted_at", UtcDateTime, nullable=False),
    Column("until_at", UtcDateTime, nullable=True),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

known_devices: Final = Table(
    "known_devices",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("last_used_at", UtcDateTime, nullable=False),
)

login_attempts: Final = Table(
    "login_attempts",
    metadata,
    Column("subject_hash", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("next_allowed_at", UtcDateTime, nullable=False),
    Index(None, "last_at"),
)

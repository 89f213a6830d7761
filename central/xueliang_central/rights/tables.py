"""People, their grants and sessions, and what the throttle remembers."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table

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
    Column("holder", String(128), nullable=True),  # whose account: the person's number, also at the identity provider
    Column("administered_as", String(16), nullable=True),  # which of the three administrators it was first, for good
    Index(None, "area_path"),
    Index("users_one_of_a_holder", "holder", unique=True),
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
    Column("phone_id", UuidText, nullable=True),  # opened by a bound phone's key: ends with the phone
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

phones: Final = Table(
    "phones",  # each bound to one worker by a key that it cannot give away
    metadata,
    Column("phone_id", UuidText, primary_key=True),
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False),
    Column("key_x", String(43), nullable=False),  # P-256 as a JWK writes it: 32 bytes, base64url
    Column("key_y", String(43), nullable=False),
    Column("name", String(80), nullable=False),  # the browser's, for whoever reads the list
    Column("enrolled_at", UtcDateTime, nullable=False),
    Column("enrolled_by", String(64), nullable=False),  # user name of who showed the code
    Column("last_used_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime, nullable=True),
    Column("revoked_by", String(64), nullable=True),
    Index(None, "user_id"),
)

phone_codes: Final = Table(
    "phone_codes",  # one of a worker; gone once it is used, or over
    metadata,
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", String(64), nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("phone_codes_by_hash", "code_hash", unique=True),
)

used_phone_codes: Final = Table(
    "used_phone_codes",  # for as long as they would have stood: the phone that used one may not have got its answer
    metadata,
    Column("code_hash", String(64), primary_key=True),
    Column("phone_id", UuidText, ForeignKey("phones.phone_id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "phone_id"),
    Index(None, "expires_at"),
)

phone_challenges: Final = Table(
    "phone_challenges",
    metadata,
    Column("challenge_hash", String(64), primary_key=True),
    Column("phone_id", UuidText, ForeignKey("phones.phone_id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "phone_id"),
    Index(None, "expires_at"),
)

second_factors: Final = Table(
    "second_factors",
    metadata,
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("sealed_secret", String(200), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("confirmed_at", UtcDateTime, nullable=True),  # null: shown, and no code of it seen yet
    Column("last_step", BigInteger, nullable=False),  # the time step of the last code taken: none at or before it again
)

recovery_codes: Final = Table(
    "recovery_codes",
    metadata,
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", String(64), primary_key=True),
)

second_steps: Final = Table(
    "second_steps",  # sign-ins whose first step is done
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", UuidText, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False),
    Column("way", String(16), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

sign_on_trips: Final = Table(
    "sign_on_trips",  # browsers that are at the identity provider
    metadata,
    Column("state_hash", String(64), primary_key=True),
    Column("browser_hash", String(64), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
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

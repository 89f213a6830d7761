"""Codes that change every 30 seconds: RFC 6238, HMAC-SHA-1, six digits, as every authenticator app does it. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

STEP_S: Final = 30
DIGITS: Final = 6
SECRET_BYTES: Final = 20  # RFC 4226: the length of the hash
AROUND: Final = 1  # steps before and after: a phone's clock half a minute wrong, and the time it takes to type


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def step_of(at: datetime) -> int:
    return int(at.timestamp()) // STEP_S


def code_of(secret: bytes, step: int, *, digits: int = DIGITS) -> str:
    """RFC 4226 over the number of the step."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def step_that_fits(secret: bytes, code: str, at: datetime) -> int | None:
    """The step whose code this is, of those around `at`; None when it is of none of them."""
    now = step_of(at)
    found = None
    for step in range(now - AROUND, now + AROUND + 1):  # all of them, always: the time taken tells nothing
        if hmac.compare_digest(code_of(secret, step).encode(), code.encode()):
            found = step
    return found


def as_text(secret: bytes) -> str:
    """Base32 without padding, as a person types it where no picture can be scanned."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri_of(secret: bytes, *, username: str, issuer: str) -> str:
    """What the picture holds: the key URI format that authenticator apps read."""
    label = f"{quote(issuer, safe='')}:{quote(username, safe='')}"
    asked = {"secret": as_text(secret), "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": STEP_S}
    return f"otpauth://totp/{label}?{urlencode(asked, quote_via=quote)}"

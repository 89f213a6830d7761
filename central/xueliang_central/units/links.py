"""The link by which a managing unit replies (pure).

A token is the request's id and a code of it under the centre's intake key: nobody makes one who does not hold that key,
and none lies in the database. It stands behind the # of the link, which no server and no proxy is sent, and comes back
as a bearer. It opens one request and nothing else, for as long as that one is open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import uuid
from typing import Final

_PURPOSE: Final = b"xueliang unit reply 1"
_CODE_BYTES: Final = 16
_TOKEN_BYTES: Final = 16 + _CODE_BYTES
PAGE: Final = "/unit"


def token_of(key: bytes, request_id: str) -> str:
    """43 letters, digits, - and _. `key`: the centre's intake key."""
    subject = uuid.UUID(request_id).bytes
    return base64.urlsafe_b64encode(subject + _code(key, subject)).decode().rstrip("=")


def request_of(key: bytes, token: str) -> str | None:
    """The request that this token opens; None: it is none of ours. Compared in constant time."""
    try:
        raw = base64.urlsafe_b64decode(f"{token}=".encode("ascii"))
    except (ValueError, UnicodeEncodeError, binascii.Error):
        return None
    if len(raw) != _TOKEN_BYTES or not hmac.compare_digest(raw[16:], _code(key, raw[:16])):
        return None
    return str(uuid.UUID(bytes=raw[:16]))


def link_of(origin: str, token: str) -> str:
    return f"{origin}{PAGE}#{token}"


def _code(key: bytes, subject: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + b"\0" + subject, hashlib.sha256).digest()[:_CODE_BYTES]

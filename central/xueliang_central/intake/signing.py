"""Who a signal is from: a key for each source, a signature over the time and the body, a window against replay (pure).

A source's key is HMAC-SHA256 of its id and key version under the centre's intake key, a file: no key lies in the
database, and a key that has leaked ends when its version goes up. The signature is HMAC-SHA256 under that key over
"TIMESTAMP.SOURCE.BODY", so that a body taken from the wire is good for nobody else, and here only once (`sightings`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Final

SOURCE_HEADER: Final = "x-xueliang-source"
TIME_HEADER: Final = "x-xueliang-time"
SIGNATURE_HEADER: Final = "x-xueliang-signature"
WINDOW_S: Final = 300.0  # cheap stations keep time to minutes; a signal that waits longer is signed anew
FILE_NAME: Final = "intake.key"
_BYTES: Final = 32
_PURPOSE: Final = b"xueliang intake source key 1"
_SIGNATURE: Final = re.compile(r"sha256=[0-9a-f]{64}")
_TIME: Final = re.compile(r"[0-9]{1,12}")


def key_of(intake_key: bytes, source_id: str, key_version: int) -> str:
    """The key that a source signs with, as it is given out: 64 hexadecimal digits, used as text."""
    subject = b"\0".join((_PURPOSE, source_id.encode(), str(key_version).encode()))
    return hmac.new(intake_key, subject, hashlib.sha256).hexdigest()


def signature_of(key: str, timestamp: str, source_id: str, body: bytes) -> str:
    signed = b".".join((timestamp.encode(), source_id.encode(), body))
    return "sha256=" + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()


def is_genuine(key: str, timestamp: str, source_id: str, body: bytes, signature: str) -> bool:
    """Compared in constant time."""
    if not _SIGNATURE.fullmatch(signature) or not _TIME.fullmatch(timestamp):
        return False
    return hmac.compare_digest(signature_of(key, timestamp, source_id, body), signature)


def is_recent(timestamp: str, now: datetime) -> bool:
    """Within the window, before or after: no more than that can be replayed, and that only once."""
    return bool(_TIME.fullmatch(timestamp)) and abs(now.timestamp() - int(timestamp)) <= WINDOW_S


def make_key(path: Path) -> None:
    """A new intake key in a file of its own, readable by its owner only. Raises FileExistsError, OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(os.urandom(_BYTES).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_key(path: Path) -> bytes | None:
    """None: there is none yet, or it cannot be used."""
    try:
        found = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None
    return found if len(found) == _BYTES else None

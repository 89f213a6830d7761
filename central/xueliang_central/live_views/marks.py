"""Whose stream it is, written between its fragments by the centre: a box that every player passes over (ISO 14496-12).

It stays when the bytes are saved, and goes when they are put into another file; the mark in the key pictures, which the
node writes, stays then as well (docs/live-view.md).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Final
from uuid import UUID

BOX_UUID: Final = UUID("c3a1d95e-84f2-4b67-9e1b-5d27f8a6b4e1")


def mark_box(told: Mapping[str, str]) -> bytes:
    """ASCII JSON inside."""
    text = json.dumps(dict(told), sort_keys=True).encode("ascii")
    return struct.pack(">I4s16s", 24 + len(text), b"uuid", BOX_UUID.bytes) + text


def marks_in(data: bytes) -> list[dict[str, str]]:
    """All marks of a saved stream, in order; what is cut off is left out."""
    found, at = [], data.find(BOX_UUID.bytes)
    while at >= 0:
        size = int.from_bytes(data[max(0, at - 8) : at - 4], "big")
        try:
            found.append(json.loads(data[at + 16 : at - 8 + size]))
        except ValueError:
            pass
        at = data.find(BOX_UUID.bytes, at + 16)
    return found

"""What each kind of unit means to a reader: H.264 (RFC 6184, table 7-1 of the standard), H.265 (RFC 7798, table 7-1).

Tables by the byte that tells the kind, so that the reader's loop needs one look-up and no decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xueliang_streams.coded_picture import Codec

# Plain numbers: they are compared for every packet.
MALFORMED: Final = 0
"""Undefined, or marked as damaged by the sender (forbidden bit)."""
SLICE: Final = 1
LEADING_SLICE: Final = 2
"""Refers to pictures before the key picture it belongs to (H.265 RASL)."""
KEY_SLICE: Final = 3
SET: Final = 4
LEADING_SET: Final = 5
"""The first of a row of parameter sets."""
PREFIX: Final = 6
"""Supplemental information in front of the slices."""
DELIMITER: Final = 7
END: Final = 8
"""End of a sequence: what comes next does not refer to what was."""
IGNORED: Final = 9
"""Filler, extensions of other layers, reserved: a decoder of the base layer skips them."""
AGGREGATE: Final = 10
FRAGMENT: Final = 11
UNSUPPORTED: Final = 12
"""Interleaved packets (STAP-B, MTAP, FU-B), PACI, data partitions."""
ENCLOSED: Final = 13
"""Begins with a zero byte: some cameras leave start codes in."""

FIRST_FRAGMENT: Final = 0x80
LAST_FRAGMENT: Final = 0x40


@dataclass(frozen=True, slots=True)
class UnitTable:
    """One codec's kinds.

    Attributes:
        head_bytes: length of a unit's head.
        kind_mask: of a fragment's byte, the part that tells the unit's kind.
        roles: by a unit's first byte.
        fragment_roles: by a fragment's byte.
        is_fragment: by a packet's first byte.
        skips, fragment_skips: whether a reader that wants key pictures only may pass over it, by the same bytes.
    """

    codec: Codec
    head_bytes: int
    kind_mask: int
    roles: bytes
    fragment_roles: bytes
    is_fragment: bytes
    skips: bytes
    fragment_skips: bytes

    def head_of_fragmented(self, payload: memoryview) -> bytes:
        """The head of the unit whose first fragment this is."""
        kind = payload[self.head_bytes] & self.kind_mask
        if self.codec == "h264":
            return bytes((payload[0] & 0xE0 | kind,))
        return bytes((payload[0] & 0x81 | kind << 1, payload[1]))


_H264: Final[Mapping[int, int]] = {
    0: ENCLOSED,
    1: SLICE,
    **dict.fromkeys((2, 3, 4, 25, 26, 27, 29), UNSUPPORTED),
    5: KEY_SLICE,
    6: PREFIX,
    7: LEADING_SET,
    8: SET,
    9: DELIMITER,
    **dict.fromkeys(range(10, 24), IGNORED),
    24: AGGREGATE,
    28: FRAGMENT,
}
_HEVC: Final[Mapping[int, int]] = {
    **dict.fromkeys(range(8), SLICE),
    **dict.fromkeys((8, 9), LEADING_SLICE),
    **dict.fromkeys(range(10, 16), IGNORED),
    **dict.fromkeys(range(16, 22), KEY_SLICE),
    **dict.fromkeys(range(22, 32), IGNORED),
    32: LEADING_SET,
    **dict.fromkeys((33, 34), SET),
    35: DELIMITER,
    **dict.fromkeys((36, 37), END),
    38: IGNORED,
    39: PREFIX,
    **dict.fromkeys(range(40, 48), IGNORED),
    48: AGGREGATE,
    49: FRAGMENT,
    50: UNSUPPORTED,
}
_NEVER_FRAGMENTED: Final = (AGGREGATE, FRAGMENT, ENCLOSED, UNSUPPORTED)


def _table(codec: Codec, kinds: Mapping[int, int]) -> UnitTable:
    mask = 0x1F if codec == "h264" else 0x3F
    shift = 0 if codec == "h264" else 1
    # The first bit must be zero: a sender sets it on a unit it knows to be damaged.
    roles = bytes(MALFORMED if byte & 0x80 else kinds.get(byte >> shift & mask, MALFORMED) for byte in range(256))
    inner = {kind: MALFORMED if role in _NEVER_FRAGMENTED else role for kind, role in kinds.items()}
    fragment_roles = bytes(inner.get(byte & mask, MALFORMED) for byte in range(256))
    return UnitTable(
        codec=codec,
        head_bytes=1 + shift,
        kind_mask=mask,
        roles=roles,
        fragment_roles=fragment_roles,
        is_fragment=bytes(role == FRAGMENT for role in roles),
        skips=bytes(role in (SLICE, LEADING_SLICE, IGNORED) for role in roles),
        fragment_skips=bytes(role in (SLICE, LEADING_SLICE, IGNORED) for role in fragment_roles),
    )


UNIT_TABLES: Final[Mapping[Codec, UnitTable]] = {"h264": _table("h264", _H264), "hevc": _table("hevc", _HEVC)}

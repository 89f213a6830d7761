"""Durations as histograms that can be added up, for every step of a case at once (pure).

All histograms of a row are one number: each bucket of each step is a field of FIELD_BITS bits in it, so that adding two
numbers adds every bucket, at the speed of the machine.

Buckets grow by GROWTH: a percentile is told as the middle of its bucket, at most RELATIVE_ERROR away from a duration
of that rank, or ABSOLUTE_ERROR_S below one second. Beyond `LONGEST_S` all are in the last bucket and told as that.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Final

STEPS: Final = ("judged", "dispatched", "taken", "arrived", "handled", "closed")
# What each is counted from: the limits of judging run from the opening, those of going there from the dispatch.
SINCE: Final = {
    "judged": "opened",
    "dispatched": "opened",
    "taken": "dispatched",
    "arrived": "dispatched",
    "handled": "dispatched",
    "closed": "opened",
}
GROWTH: Final = 1.1
BUCKETS: Final = 160
FIELD_BITS: Final = 32
RELATIVE_ERROR: Final = math.sqrt(GROWTH) - 1  # 4.9 %
ABSOLUTE_ERROR_S: Final = 0.5
LONGEST_S: Final = GROWTH ** (BUCKETS - 2)  # 40 days
_STEP_BITS: Final = BUCKETS * FIELD_BITS
_ONE_STEP: Final = (1 << _STEP_BITS) - 1
_FIELDS: Final = struct.Struct(f"<{BUCKETS}I")
_BYTES: Final = len(STEPS) * _STEP_BITS // 8


def bucket_of(seconds: float) -> int:
    """0: below one second; k: from GROWTH^(k-1) up to GROWTH^k. A negative time (two machines' clocks) is none."""
    if seconds < 1:
        return 0
    return min(BUCKETS - 1, 1 + int(math.log(seconds) / math.log(GROWTH)))


def middle_s(bucket: int) -> float:
    if bucket == 0:
        return ABSOLUTE_ERROR_S
    return LONGEST_S if bucket == BUCKETS - 1 else GROWTH ** (bucket - 0.5)


def one(step: str, seconds: float) -> int:
    """The number that holds this one duration."""
    return 1 << (STEPS.index(step) * _STEP_BITS + bucket_of(seconds) * FIELD_BITS)


def counts_of(number: int, step: str) -> tuple[int, ...]:
    """How many lie in each bucket of a step."""
    fields = (number >> (STEPS.index(step) * _STEP_BITS)) & _ONE_STEP
    return _FIELDS.unpack(fields.to_bytes(_FIELDS.size, "little"))


def percentile_s(counts: Sequence[int], share: float) -> float | None:
    """The duration that at least `share` (0 to 1) of all do not exceed, by nearest rank; None of nothing."""
    total = sum(counts)
    if not total:
        return None
    rank = max(1, math.ceil(share * total))
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if seen >= rank:
            return middle_s(bucket)
    return LONGEST_S


def pack(number: int) -> bytes | None:
    """As a row keeps it: most fields are zero and cost next to nothing. None: no duration at all."""
    return zlib.compress(number.to_bytes(_BYTES, "little")) if number else None


def unpack(stored: bytes | None) -> int:
    return 0 if stored is None else int.from_bytes(zlib.decompress(stored), "little")


def added(stored: Iterable[bytes | None]) -> int:
    """All of these rows together."""
    return sum(unpack(each) for each in stored)

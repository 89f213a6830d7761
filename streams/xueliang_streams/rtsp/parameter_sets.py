"""The parameter sets of one stream, each by its number: what a decoder must know before a key picture.

They come from the description (SDP) and in band; the newest of each number counts. A camera that changes its size sends
new ones under the same numbers. A damaged one may come under any number, and one that a decoder cannot read spoils
every picture behind it: so a key picture that brings all its sets itself ends what came in band before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xueliang_streams.coded_picture import Codec

START_CODE: Final = b"\0\0\0\1"
MAX_SET_BYTES: Final = 4_096
"""The largest seen in the field are some hundred bytes; a hostile stream must not fill the memory with them."""
MAX_SETS: Final = 64
"""Cameras use three, some encoders a dozen. Beyond: the oldest go."""
_HIGHEST_ID: Final = 255  # H.264 PPS; all others are lower
_HEAD_BYTES: Final = 128  # holds every field up to the number, with all seven sub-layers of H.265

_ORDER: Final[dict[Codec, tuple[int, ...]]] = {"h264": (7, 8), "hevc": (32, 33, 34)}  # SPS, PPS; VPS, SPS, PPS
_LEADING: Final[dict[Codec, int]] = {"h264": 7, "hevc": 32}


class ParameterSets:
    """Newest set of each kind and number."""

    def __init__(self, codec: Codec, units: Iterable[bytes] = ()) -> None:
        self._codec = codec
        self._units: dict[tuple[int, int], bytes] = {}
        self._has_news = False
        self._renewed_by: tuple[bytes, ...] = ()
        self._joined: bytes | None = None
        self.come_in_band = False
        """The leading kind (SPS, VPS) was seen in band: a key picture without it after a gap has lost it."""
        for unit in units:
            self.add(unit, is_in_band=False)
        self._described = dict(self._units)

    def add(self, unit: bytes, *, is_in_band: bool = True) -> bool:
        """Take a set, without start code. False: it is damaged or no parameter set, and was not taken."""
        key = _kind_and_id(unit, self._codec)
        if key is None:
            return False
        self.come_in_band |= is_in_band and key[0] == _LEADING[self._codec]
        if self._units.get(key) != unit:
            self._units.pop(key, None)  # the newest stands last
            self._units[key] = unit
            self._joined = None
            self._has_news = True
            if len(self._units) > MAX_SETS:
                del self._units[next(iter(self._units))]
        return True

    def renew(self, own: tuple[bytes, ...]) -> None:
        """A key picture came with these, without start codes. Those of before are kept when it does not bring all."""
        if own == self._renewed_by and not self._has_news:
            return
        brought = {key: unit for unit in own if (key := _kind_and_id(unit, self._codec)) is not None}
        if {kind for kind, _ in brought} == set(_ORDER[self._codec]):
            self._units = self._described | brought
            self._joined = None
            self._renewed_by, self._has_news = own, False

    @property
    def is_complete(self) -> bool:
        """At least one of each kind is there."""
        return {kind for kind, _ in self._units} == set(_ORDER[self._codec])

    def joined(self) -> bytes:
        """All of them behind start codes, in the order a decoder needs."""
        if self._joined is None:
            self._joined = b"".join(START_CODE + unit for _, unit in sorted(self._units.items()))
        return self._joined


def _kind_and_id(unit: bytes, codec: Codec) -> tuple[int, int] | None:
    if not 4 <= len(unit) <= MAX_SET_BYTES:
        return None
    kind = unit[0] & 0x1F if codec == "h264" else (unit[0] >> 1) & 0x3F
    if kind not in _ORDER[codec]:
        return None
    head = unit[:_HEAD_BYTES].replace(b"\0\0\3", b"\0\0")  # without emulation prevention
    try:
        number = _h264_id(kind, head) if codec == "h264" else _hevc_id(kind, head)
    except (IndexError, ValueError):
        return None
    return (kind, number) if number <= _HIGHEST_ID else None


def _h264_id(kind: int, head: bytes) -> int:
    """Behind the unit's head an SPS has profile, constraints and level (H.264 7.3.2.1.1), a PPS nothing."""
    return _exp_golomb(head, 32 if kind == 7 else 8)


def _hevc_id(kind: int, head: bytes) -> int:
    """H.265 7.3.2.1 to 7.3.2.3: the SPS number stands behind profile, tier and level of each sub-layer."""
    if kind == 32:
        return head[2] >> 4
    if kind == 34:
        return _exp_golomb(head, 16)
    sub_layers = (head[2] >> 1) & 7
    at = 24 + 96
    if sub_layers:
        flags = int.from_bytes(head[15:17], "big")
        at += 16
        for index in range(sub_layers):
            at += 88 * (flags >> (15 - 2 * index) & 1) + 8 * (flags >> (14 - 2 * index) & 1)
    return _exp_golomb(head, at)


def _exp_golomb(data: bytes, at: int) -> int:
    """The unsigned Exp-Golomb number that begins at this bit.

    Raises:
        ValueError: the data ends before.
    """
    bits, length = int.from_bytes(data, "big"), 8 * len(data)
    zeros = 0
    while at + zeros < length and not bits >> (length - 1 - at - zeros) & 1:
        zeros += 1
    end = at + 2 * zeros + 1
    if end > length:
        raise ValueError("the number goes beyond the data")
    return (bits >> (length - end) & ((2 << zeros) - 1)) - 1

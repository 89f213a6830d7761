"""How large the pictures of an H.264 stream are, read from its sequence parameter set (H.264 7.3.2.1.1)."""

from __future__ import annotations

from typing import Final

from xueliang_streams.errors import NotAVideo

_WITH_CHROMA: Final = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
_LARGEST: Final = 16_384


def size_in_sps(unit: bytes) -> tuple[int, int]:
    """Width and height in pixels, cropped. `unit`: with its head, without start code.

    Raises:
        NotAVideo: it ends too early, or says a size that no camera has.
    """
    try:
        width, height = _size(_Bits(unit[1:].replace(b"\0\0\3", b"\0\0")))
    except (IndexError, OverflowError):
        raise NotAVideo("the sequence parameter set ends before it says the size") from None
    if not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
        raise NotAVideo(f"the sequence parameter set says {width} x {height} pixels")
    return width, height


class _Bits:
    """Reads bit by bit. Raises IndexError at the end, OverflowError for a number that no set holds."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int = 1) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self._data[self._at >> 3] >> (7 - (self._at & 7)) & 1
            self._at += 1
        return value

    def number(self) -> int:
        """Unsigned Exp-Golomb."""
        zeros = 0
        while not self.take():
            zeros += 1
            if zeros > 32:
                raise OverflowError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        value = self.number()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def _size(bits: _Bits) -> tuple[int, int]:
    profile = bits.take(8)
    bits.take(16)
    bits.number()
    chroma = _skip_chroma(bits) if profile in _WITH_CHROMA else 1
    bits.number()
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.take()
        bits.signed()
        bits.signed()
        for _ in range(min(bits.number(), 255)):
            bits.signed()
    bits.number()
    bits.take()
    width, rows = (bits.number() + 1) * 16, bits.number() + 1
    frames_only = bits.take()
    height = rows * 16 * (2 - frames_only)
    if not frames_only:
        bits.take()
    bits.take()
    if bits.take():
        left, right, top, bottom = (bits.number() for _ in range(4))
        across = 2 if chroma in (1, 2) else 1
        down = (2 if chroma == 1 else 1) * (2 - frames_only)
        width, height = width - across * (left + right), height - down * (top + bottom)
    return width, height


def _skip_chroma(bits: _Bits) -> int:
    """Up to the scaling lists, and over them; the kind of chroma."""
    chroma = bits.number()
    if chroma == 3:
        bits.take()
    bits.number()
    bits.number()
    bits.take()
    if bits.take():
        for index in range(8 if chroma != 3 else 12):
            if bits.take():
                _skip_list(bits, 16 if index < 6 else 64)
    return chroma


def _skip_list(bits: _Bits, length: int) -> None:
    last = following = 8
    for _ in range(length):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last

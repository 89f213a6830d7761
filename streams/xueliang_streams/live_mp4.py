"""H.264 pictures to fragmented MP4 for a browser: taken out of one wrapping and put into another, never decoded.

Invariants
    - One fragment a picture: it can leave when the picture is whole. Each is small overhead (about 100 bytes).
    - The first is a key picture with the initialisation segment in front; another such segment comes where the
      parameter sets change, and where it may not have arrived (`begin_again`).
    - Times go up, whatever the camera's clock does: a picture that is shown before its predecessor is decoded after it.
    - A mark stands in every key picture as user data (SEI, H.264 D.1.7): it stays where the stream is put into another
      file without encoding it again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from xueliang_streams.coded_picture import CodedPicture
from xueliang_streams.errors import NotAVideo
from xueliang_streams.picture_size import size_in_sps
from xueliang_streams.rtp_packets import split_start_codes

CLOCK_HZ: Final = 90_000
MARK_UUID: Final = UUID("7f1c5a92-6d3e-4b8a-9a57-2e84c1d6b3f9")
"""Whose the user data is. No byte of it is zero, so that nothing in it looks like a start code."""
MARK_BYTES: Final = 200
_SPS, _PPS, _DELIMITER, _FILLER = 7, 8, 9, 12
_LEFT_OUT: Final = frozenset({_SPS, _PPS, _DELIMITER, _FILLER})
_USUAL_TICKS: Final = CLOCK_HZ // 25
_LONGEST_TICKS: Final = CLOCK_HZ  # a pause longer than this is not one picture's
_MATRIX: Final = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_KEY_FLAGS: Final = 0x02000000  # depends on no other
_OTHER_FLAGS: Final = 0x01010000  # depends on others, and is no place to begin at
_TRACK: Final = 1


@dataclass(frozen=True, slots=True)
class Fragment:
    """One picture, wrapped. `is_key`: playing can begin here."""

    data: bytes
    is_key: bool


class LiveMp4:
    """Of one connection of a camera.

    Args:
        mark: printable ASCII, at most `MARK_BYTES`.
    """

    def __init__(self, mark: str) -> None:
        self._mark = _user_data(mark)
        self._sets: tuple[bytes, bytes] | None = None
        self._is_head_due = False
        self._sequence = 0
        self._began: int | None = None
        self._decoded = 0
        self._ticks = _USUAL_TICKS
        self._shown: int | None = None
        self.codec = ""
        """As browsers want it ("avc1.4D401F"); empty until the first key picture."""

    def take(self, picture: CodedPicture) -> Fragment | None:
        """None: it cannot be shown, because no key picture has come yet.

        Raises:
            NotAVideo: another codec than H.264, or parameter sets that cannot be read.
        """
        if picture.codec != "h264":
            raise NotAVideo(f"expected H.264, the camera sends {picture.codec}")
        units = split_start_codes(picture.data)
        head = self._new_head(units) if picture.is_key else b""
        if self._sets is None:
            return None
        kept = [unit for unit in units if unit and unit[0] & 0x1F not in _LEFT_OUT]
        if picture.is_key:
            kept.insert(0, self._mark)
        sample = b"".join(struct.pack(">I", len(unit)) + unit for unit in kept)
        return Fragment(head + self._wrapped(sample, picture), picture.is_key)

    def begin_again(self) -> None:
        """Some of what was wrapped has been given up: the next key picture has the initialisation segment in front."""
        self._is_head_due = True

    def _new_head(self, units: list[bytes]) -> bytes:
        """The initialisation segment where the sets are new or it is due; else nothing."""
        found = {unit[0] & 0x1F: unit for unit in units if unit and unit[0] & 0x1F in (_SPS, _PPS)}
        if _SPS not in found or _PPS not in found:
            return b""
        sets = (found[_SPS], found[_PPS])
        if sets == self._sets and not self._is_head_due:
            return b""
        size_wh = size_in_sps(sets[0])
        self._sets, self._is_head_due = sets, False
        self.codec = "avc1.{:02X}{:02X}{:02X}".format(*sets[0][1:4])
        return _initialisation(*sets, size_wh)

    def _wrapped(self, sample: bytes, picture: CodedPicture) -> bytes:
        if self._began is None:
            self._began = picture.rtp_time
        shown = max(0, picture.rtp_time - self._began)
        if self._shown is not None and 0 < shown - self._shown <= _LONGEST_TICKS:
            self._ticks = shown - self._shown
        decoded = shown if self._shown is None else max(shown, self._decoded + 1)
        self._shown, self._decoded = shown, decoded
        self._sequence += 1
        flags = _KEY_FLAGS if picture.is_key else _OTHER_FLAGS
        return _fragment(self._sequence, decoded, self._ticks, shown - decoded, flags, sample)


def marks_in(data: bytes) -> list[str]:
    """The marks in bytes of any kind of file that holds such a stream unencoded."""
    found, at = [], data.find(MARK_UUID.bytes)
    while at >= 0:
        at += 16
        end = data.find(b"\x80", at, at + MARK_BYTES + 1)
        found.append(data[at : max(at, end)].decode("ascii", "replace"))
        at = data.find(MARK_UUID.bytes, at)
    return found


def _user_data(mark: str) -> bytes:
    """One unit: SEI, unregistered user data."""
    text = mark.encode("ascii")
    if len(text) > MARK_BYTES or not mark.isprintable():
        raise ValueError(f"mark: expected at most {MARK_BYTES} printable characters, got {len(text)}")
    size = 16 + len(text)
    sizes = b"\xff" * (size // 255) + bytes((size % 255,))
    return b"\x06\x05" + sizes + MARK_UUID.bytes + text + b"\x80"


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def _full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)


def _initialisation(sps: bytes, pps: bytes, size_wh: tuple[int, int]) -> bytes:
    width, height = size_wh
    configuration = b"".join(
        (b"\x01", sps[1:4], b"\xff\xe1", struct.pack(">H", len(sps)), sps, b"\x01", struct.pack(">H", len(pps)), pps)
    )
    entry = _box(
        b"avc1",
        struct.pack(">6xH16xHHII4xH32xHh", 1, width, height, 0x480000, 0x480000, 1, 24, -1),
        _box(b"avcC", configuration),
    )
    table = _box(
        b"stbl",
        _full(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        *(_full(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc")),
        _full(b"stsz", 0, 0, bytes(8)),
        _full(b"stco", 0, 0, bytes(4)),
    )
    here = _full(b"url ", 0, 1)
    media = _box(
        b"minf",
        _full(b"vmhd", 0, 1, bytes(8)),
        _box(b"dinf", _full(b"dref", 0, 0, struct.pack(">I", 1), here)),
        table,
    )
    mdia = _box(
        b"mdia",
        _full(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, CLOCK_HZ, 0, 0x55C4, 0)),
        _full(b"hdlr", 0, 0, bytes(4), b"vide", bytes(12), b"live\0"),
        media,
    )
    size = struct.pack(">II", width << 16, height << 16)
    track = _full(b"tkhd", 0, 3, struct.pack(">III4xI8x8x", 0, 0, _TRACK, 0), _MATRIX, size)
    trak = _box(b"trak", track, mdia)
    moov = _box(
        b"moov",
        _full(
            b"mvhd", 0, 0, struct.pack(">IIIIIH10x", 0, 0, CLOCK_HZ, 0, 0x10000, 0x100), _MATRIX, bytes(24), b"\0\0\0\2"
        ),
        trak,
        _box(b"mvex", _full(b"trex", 0, 0, struct.pack(">IIIII", _TRACK, 1, 0, 0, 0))),
    )
    return _box(b"ftyp", b"iso5", struct.pack(">I", 512), b"iso5iso6mp41") + moov


def _fragment(sequence: int, decoded: int, ticks: int, offset: int, flags: int, sample: bytes) -> bytes:
    def moof(data_at: int) -> bytes:
        run = struct.pack(">IiIIIi", 1, data_at, ticks, len(sample), flags, offset)
        return _box(
            b"moof",
            _full(b"mfhd", 0, 0, struct.pack(">I", sequence)),
            _box(
                b"traf",
                _full(b"tfhd", 0, 0x020000, struct.pack(">I", _TRACK)),  # offsets count from this moof
                _full(b"tfdt", 1, 0, struct.pack(">Q", decoded)),
                _full(b"trun", 1, 0x000F01, run),
            ),
        )

    return moof(len(moof(0)) + 8) + _box(b"mdat", sample)

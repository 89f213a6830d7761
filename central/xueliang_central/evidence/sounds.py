"""What a voice note is, from its first bytes, without decoding it: WebM or MP4 with sound and nothing else.

Only headers are walked. A file with a picture track is refused: a voice note is no way around masked pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

WEBM: Final = "audio/webm"
MP4: Final = "audio/mp4"
_EBML, _DOC_TYPE, _SEGMENT, _TRACKS, _TRACK, _TRACK_TYPE, _CLUSTER = (
    0x1A45DFA3,
    0x4282,
    0x18538067,
    0x1654AE6B,
    0xAE,
    0x83,
    0x1F43B675,
)
_SOUND_TRACK: Final = 2  # Matroska's TrackType
_MOST_ELEMENTS: Final = 256  # a recorder writes some twenty before the sound


def sniff_sound(data: bytes) -> str | None:
    """The media type; None for anything that is not a WebM or MP4 with one track or more, all of them sound."""
    try:
        if data[:4] == _EBML.to_bytes(4, "big"):
            return WEBM if _is_sound_webm(data) else None
        if data[4:8] == b"ftyp":
            return MP4 if _is_sound_mp4(data) else None
    except (IndexError, ValueError):
        return None
    return None


def _is_sound_webm(data: bytes) -> bool:
    top = _elements(data, 0, len(data))
    name, start, stop = next(top)
    types = [data[at:end] for one, at, end in _elements(data, start, stop) if one == _DOC_TYPE]
    if name != _EBML or types != [b"webm"]:
        return False
    name, start, stop = next(top, (0, 0, 0))
    if name != _SEGMENT:
        return False
    for name, at, end in _elements(data, start, stop):
        if name == _CLUSTER:  # sound before any track
            return False
        if name == _TRACKS:
            if end == len(data):
                return False  # what of it lies beyond may be a picture track
            inside = list(_elements(data, at, end))
            if len(inside) == _MOST_ELEMENTS:
                return False
            return _all_sound([_track_type(data, *track[1:]) for track in inside if track[0] == _TRACK])
    return False


def _track_type(data: bytes, start: int, stop: int) -> int:
    found = [data[at:end] for name, at, end in _elements(data, start, stop) if name == _TRACK_TYPE]
    return int.from_bytes(found[0], "big") if len(found) == 1 else 0


def _all_sound(types: list[int]) -> bool:
    return bool(types) and all(one == _SOUND_TRACK for one in types)


def _elements(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """(id, start, stop) of each EBML element. One of unknown size ends where its parent does."""
    at = start
    for _ in range(_MOST_ELEMENTS):
        if at >= stop:
            return
        name, at = _number(data, at, keep_mark=True)
        length_at = at
        size, at = _number(data, at, keep_mark=False)
        is_unknown = size == (1 << 7 * (at - length_at)) - 1
        end = stop if is_unknown else min(at + size, stop)
        yield name, at, end
        at = end


def _number(data: bytes, at: int, *, keep_mark: bool) -> tuple[int, int]:
    """A variable-length number, and where it ends. Raises ValueError, IndexError."""
    length = 9 - data[at].bit_length()
    if not 1 <= length <= 8 or at + length > len(data):
        raise ValueError("no EBML number")
    value = int.from_bytes(data[at : at + length], "big")
    return (value if keep_mark else value & ((1 << 7 * length) - 1)), at + length


def _is_sound_mp4(data: bytes) -> bool:
    handlers: list[bytes] = []
    for name, start, stop in _boxes(data, 0, len(data)):
        if name == b"moov":
            if stop == len(data):
                return False  # what of it lies beyond may be a picture track
            for track in _within(data, start, stop, b"trak"):
                for media in _within(data, *track, b"mdia"):
                    handlers += [data[at + 8 : at + 12] for at, _ in _within(data, *media, b"hdlr")]
    return bool(handlers) and all(one == b"soun" for one in handlers)


def _within(data: bytes, start: int, stop: int, wanted: bytes) -> list[tuple[int, int]]:
    """Raises ValueError: there are so many boxes that not all were looked at."""
    inside = list(_boxes(data, start, stop))
    if len(inside) == _MOST_ELEMENTS:
        raise ValueError("too many MP4 boxes")
    return [(at, end) for name, at, end in inside if name == wanted]


def _boxes(data: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, stop) of what is in each MP4 box; what reaches beyond the bytes here ends with them."""
    at = start
    for _ in range(_MOST_ELEMENTS):
        if at + 8 > stop:
            return
        size, name, header = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = stop if size == 0 else at + size
        if end < at + header:
            raise ValueError("no MP4 box")
        yield name, at + header, min(end, stop)
        at = end

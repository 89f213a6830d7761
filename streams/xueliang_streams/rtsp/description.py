"""What a camera offers (SDP, RFC 4566, with RFC 6184 for H.264 and RFC 7798 for H.265): the one video we set up. Pure.

Invariants:
- Only H.264 or H.265 video is ever chosen, the first one offered; sound and metadata are never set up.
- An address out of a description is only text for requests on the connection we have: nothing is ever connected to it.
- Cameras write the same thing in many ways; what we do not need may be as wrong as it likes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xueliang_streams.coded_picture import Codec
from xueliang_streams.errors import NotAVideo, NotSpoken
from xueliang_streams.rtsp.messages import is_one_word

DEFAULT_CLOCK_HZ = 90_000
"""Of both payload formats."""
MAX_URL_LETTERS = 2_048
MAX_SET_BYTES = 4_096
"""Of one parameter set. Real ones stay below 200 bytes."""
MAX_SETS = 16

_CODECS: Final[Mapping[str, Codec]] = {"H264": "h264", "H265": "hevc", "HEVC": "hevc"}
_SET_FIELDS: Final[Mapping[Codec, tuple[str, ...]]] = {
    "h264": ("sprop-parameter-sets",),
    "hevc": ("sprop-vps", "sprop-sps", "sprop-pps"),
}
_SET_KINDS: Final[Mapping[Codec, frozenset[int]]] = {"h264": frozenset({7, 8}), "hevc": frozenset({32, 33, 34})}
_STATIC_NAMES: Final = {26: "JPEG", 31: "H261", 32: "MPV", 33: "MP2T", 34: "H263"}  # RFC 3551, table 5


@dataclass(frozen=True, slots=True)
class Media:
    """The video that is set up.

    Attributes:
        codec: "h264" or "hevc".
        control_url: whom SETUP is about.
        payload_type: of its RTP packets, 0 to 127.
        clock_hz: of its RTP times.
        parameter_sets: as the description brings them, without start codes, in their order; may be empty (then they
            come with the pictures).
        offers_sound: there is sound beside it, which is never set up.
    """

    codec: Codec
    control_url: str
    payload_type: int
    clock_hz: int = DEFAULT_CLOCK_HZ
    parameter_sets: tuple[bytes, ...] = ()
    offers_sound: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """The chosen video, and the address that stands for the whole session (PLAY, keep-alive, TEARDOWN)."""

    media: Media
    session_url: str


@dataclass(slots=True)
class _Section:
    """One m= line with what follows it."""

    kind: str
    profile: str
    payload_types: list[int]
    control: str = ""
    names: dict[int, tuple[str, int]] = field(default_factory=dict)
    formats: dict[int, dict[str, str]] = field(default_factory=dict)

    def name_of(self, payload_type: int) -> tuple[str, int]:
        return self.names.get(payload_type, (_STATIC_NAMES.get(payload_type, ""), DEFAULT_CLOCK_HZ))


def read_description(body: bytes, base_url: str) -> Description:
    """Choose the video. `base_url` is what relative addresses hang on. Messages do not name the camera.

    Raises:
        NotAVideo: nothing here is H.264 or H.265 over RTP.
        NotSpoken: there is video that libav's reader speaks and ours does not.
    """
    session_control, sections = _sections(body.decode("utf-8", "replace"))
    session_url = joined(base_url, session_control if is_absolute(session_control) else "*")
    videos = [section for section in sections if section.kind == "video"]
    for section in videos:
        for payload_type in section.payload_types:
            name, clock_hz = section.name_of(payload_type)
            codec = _CODECS.get(name)
            if codec is not None:
                _refuse_what_is_not_spoken(section, payload_type, codec)
                url = joined(session_url, section.control)
                sets = _parameter_sets(codec, section.formats.get(payload_type, {}))
                sound = any(one.kind == "audio" for one in sections)
                return Description(Media(codec, url, payload_type, clock_hz, sets, sound), session_url)
    raise _no_video(sections, videos)


def is_absolute(control: str) -> bool:
    """Whether an address stands by itself."""
    return re.match(r"rtsps?://", control, re.IGNORECASE) is not None


def joined(base_url: str, control: str) -> str:
    """The address a control attribute means: by itself, or hung on the base with one slash.

    Not RFC 3986: cameras expect what live555 and ffmpeg make of it (a base with a query keeps it in the middle).

    Raises:
        NotAVideo: it is no address that may stand in a request.
    """
    if control in ("", "*"):
        url = base_url
    elif is_absolute(control):
        url = control
    else:
        url = base_url.removesuffix("/") + "/" + control.removeprefix("/")
    if not is_one_word(url) or len(url) > MAX_URL_LETTERS or ("://" in control and not is_absolute(control)):
        raise NotAVideo("the camera describes its video by an address that is none")
    return url


def _sections(text: str) -> tuple[str, list[_Section]]:
    """The session's own control attribute, and the media."""
    session_control, sections = "", list[_Section]()
    for line in text.splitlines():
        key, _, value = line.strip().partition("=")
        if key == "m":
            sections.append(_section(value))
        elif key == "a":
            name, _, value = value.partition(":")
            if not sections:
                session_control = value.strip() if name == "control" else session_control
            else:
                _add_attribute(sections[-1], name, value.strip())
    return session_control, sections


def _section(value: str) -> _Section:
    """From "video 0 RTP/AVP 96 97"; what is missing is empty."""
    parts = value.split()
    types = [int(text) for text in parts[3:] if re.fullmatch(r"[0-9]{1,3}", text) and int(text) < 128]
    return _Section("".join(parts[:1]).lower(), "".join(parts[2:3]).upper(), types)


def _add_attribute(section: _Section, name: str, value: str) -> None:
    if name == "control":
        section.control = value
        return
    number, _, rest = value.partition(" ")
    if name not in ("rtpmap", "fmtp") or not re.fullmatch(r"[0-9]{1,3}", number):
        return
    payload_type = int(number)
    if name == "rtpmap":
        encoding, _, clock = rest.strip().partition("/")
        clock = clock.partition("/")[0].strip()
        is_rate = re.fullmatch(r"[0-9]{1,9}", clock) is not None and int(clock) > 0
        section.names[payload_type] = (encoding.strip().upper(), int(clock) if is_rate else DEFAULT_CLOCK_HZ)
    else:
        fields = (part.partition("=") for part in rest.split(";"))
        section.formats.setdefault(payload_type, {}).update(
            (field_name.strip().lower(), field_value.strip()) for field_name, _, field_value in fields
        )


def _refuse_what_is_not_spoken(section: _Section, payload_type: int, codec: Codec) -> None:
    fields = section.formats.get(payload_type, {})
    if "SAVP" in section.profile:
        reason = "the camera offers encrypted RTP only"
    elif codec == "h264" and fields.get("packetization-mode") == "2":
        reason = "the camera interleaves the units of its pictures"
    elif codec == "hevc" and fields.get("sprop-max-don-diff", "0").strip("0"):
        reason = "the camera sends the units of its pictures out of order"
    else:
        return
    raise NotSpoken(reason, reason=reason)


def _no_video(sections: list[_Section], videos: list[_Section]) -> NotAVideo | NotSpoken:
    names = {section.name_of(payload_type)[0] for section in videos for payload_type in section.payload_types}
    if "MP2T" in names:
        reason = "the camera offers a transport stream"
        return NotSpoken(reason, reason=reason)
    known = sorted(name for name in names if re.fullmatch(r"[A-Z0-9.+-]{1,20}", name))
    kinds = sorted({section.kind for section in sections if re.fullmatch(r"[a-z]{1,12}", section.kind)})
    offered = ", ".join(known) or (f"no video, only {', '.join(kinds)}" if kinds and not videos else "no video")
    return NotAVideo(f"needs H.264 or H.265 video, the camera offers {offered}")


def _parameter_sets(codec: Codec, fields: Mapping[str, str]) -> tuple[bytes, ...]:
    """What can be read of them; the rest comes with the pictures."""
    texts = [text for name in _SET_FIELDS[codec] for text in fields.get(name, "").split(",")]
    sets = [unit for text in texts if (unit := _unit(text)) and _kind(unit, codec) in _SET_KINDS[codec]]
    return tuple(sets[:MAX_SETS])


def _unit(text: str) -> bytes:
    text = text.strip().strip('"')
    if len(text) > MAX_SET_BYTES * 4 // 3:
        return b""
    try:
        unit = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return re.sub(rb"^\x00{2,3}\x01", b"", unit)  # some cameras leave the start code in


def _kind(unit: bytes, codec: Codec) -> int:
    return unit[0] & 0x1F if codec == "h264" else (unit[0] >> 1) & 0x3F

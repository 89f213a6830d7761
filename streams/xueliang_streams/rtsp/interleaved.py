"""The bytes of an RTSP connection that plays, to coded pictures: RTP in `$` frames (RFC 2326, 10.12), texts between.

Most packets of a camera are not needed: all but those of key pictures. Such a packet costs one look at its heads;
nothing is sliced, no function of ours is called. So the loop of `_pass_over` is one piece, and its tables come from
`unit_roles.py`.

Invariants:
- Bytes that are neither a frame nor an RTSP text end the connection (`CameraUnreachable`): nobody looks for the next
  `$` in a stream that has lost its order. A reader that raised is not used again.
- Whatever comes, nothing else is raised, and the memory held is bounded: one frame or text, one picture.
- Packets are counted, as are sequence gaps (`lost`), repeated or late ones (`late`), and pictures by what became of
  them: `assembled`, `damaged` (and `damaged_gap` ... by reason), `not_key`, `waiting_for_key`.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from xueliang_streams.coded_picture import Arrival, Codec, CodedPicture
from xueliang_streams.errors import CameraUnreachable
from xueliang_streams.rtsp.depacketising import PictureAssembler
from xueliang_streams.rtsp.sender_reports import RtpClock
from xueliang_streams.rtsp.unit_roles import UNIT_TABLES

Assemble = Literal["key", "all"]

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_BODY_BYTES: Final = 64 * 1024
"""Of an RTSP text; real ones have some hundred bytes."""
MAX_MISORDER: Final = 100
MAX_DROPOUT: Final = 3_000
"""Packets by which a sequence may go back or leap before it counts as begun anew (RFC 3550, appendix A.1)."""

_FRAME: Final = ord("$")
_FRAME_HEAD: Final = 4
_RTP_HEAD: Final = 12
_RTP: Final = struct.Struct(">BBHII")
# A frame's mark and channel, its size, RTP's first two bytes, sequence, time, sender; then the byte that tells the
# unit's kind, and the one that tells it in a fragment.
_HEADS: Final[dict[Codec, struct.Struct]] = {"h264": struct.Struct(">HHHHIIBB"), "hevc": struct.Struct(">HHHHIIBxB")}
_MARKER: Final = 0x80
_TEXT_LINE: Final = re.compile(rb"RTSP/\d\.\d \d{3}[ \r\n]|[A-Z_]{3,32} \S+ RTSP/\d\.\d\r?\n")
_TEXT_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_TEXT_LENGTH: Final = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fed:
    """What some bytes completed.

    Attributes:
        pictures: in order of arrival.
        messages: whole RTSP texts, head and body: answers and the camera's own requests.
    """

    pictures: list[CodedPicture] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)


class InterleavedReader:
    """One connection's bytes from PLAY on. Not thread-safe.

    Args:
        payload_type, clock_hz: of the video, as the description says.
        parameter_sets: from the description, without start codes; may be empty when they come in band.
        rtp_channel: as set up; sender reports come on the next one.
    """

    def __init__(
        self,
        codec: Codec,
        *,
        payload_type: int,
        clock_hz: int = 90_000,
        parameter_sets: Iterable[bytes] = (),
        rtp_channel: int = 0,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = RtpClock(clock_hz)
        self._pictures = PictureAssembler(codec, parameter_sets, self._clock, self.counts)
        self._heads = _HEADS[codec]
        self._table = UNIT_TABLES[codec]
        self._payload_type = payload_type
        self._rtp_channel = rtp_channel
        self._ssrc: int | None = None
        self._expected = 0  # sequence of the next packet
        self._late_next = -1
        self._tail = b""
        self._passed_bytes = 0  # whole frames and texts so far
        self._key_end_bytes = 0

    @property
    def assemble(self) -> Assemble:
        """Key pictures only, or all from the next key picture on. May change at any time."""
        return "all" if self._pictures.wants_all else "key"

    @assemble.setter
    def assemble(self, assemble: Assemble) -> None:
        self._pictures.wants_all = assemble == "all"

    @property
    def bytes_since_key(self) -> int:
        """What the camera sent since its last key picture: much of it means movement."""
        return self._passed_bytes - self._key_end_bytes

    @property
    def last_key_interval_s(self) -> float | None:
        """From key picture to key picture by the stream's time; None: two have not come yet."""
        return self._pictures.rhythm.last_key_interval_s

    @property
    def pictures_per_s(self) -> float | None:
        """Over the last interval of key pictures."""
        return self._pictures.rhythm.pictures_per_s

    def feed(self, data: bytes | memoryview, arrival: Arrival) -> Fed:
        """Take what was read from the connection. The caller may reuse its buffer at once.

        Raises:
            CameraUnreachable: it is no RTSP connection any more; begin it anew. The message names no address.
        """
        self.counts["bytes"] += len(data)
        buffer = self._tail + data
        messages: list[bytes] = []
        end = self._walk(buffer, messages, arrival)
        self._tail = buffer[end:]
        finished = self._pictures.finished
        self._pictures.finished = []
        return Fed(finished, messages)

    def _walk(self, buffer: bytes, messages: list[bytes], arrival: Arrival) -> int:
        """Everything whole in the buffer; returns where the rest begins."""
        view, base, at = memoryview(buffer), self._passed_bytes, 0
        while True:
            if self._pictures.is_skipping:
                at = self._pass_over(buffer, at)
            keys = self._pictures.rhythm.keys
            end = self._one(buffer, view, at, messages, arrival)
            self._passed_bytes = base + end
            if self._pictures.rhythm.keys != keys:
                self._key_end_bytes = self._passed_bytes
            if end == at:
                return at
            at = end

    def _pass_over(self, buffer: bytes, at: int) -> int:
        """Whole packets in order that nobody needs; returns where the first other thing begins."""
        unpack, shortest = self._heads.unpack_from, self._heads.size - _FRAME_HEAD
        is_fragment, fragment_skips, skips = self._table.is_fragment, self._table.fragment_skips, self._table.skips
        head_wanted, kind_wanted = _FRAME << 8 | self._rtp_channel, 0x8000 | self._payload_type
        ssrc_wanted, expected, skipped_time = self._ssrc, self._expected, self._pictures.skipped_time
        length = len(buffer)
        last = length - self._heads.size
        packets = skipped = 0
        while at <= last:
            head, size, kind, sequence, rtp_time, ssrc, unit, fragment = unpack(buffer, at)
            end = at + _FRAME_HEAD + size
            if (
                sequence != expected
                or not (fragment_skips[fragment] if is_fragment[unit] else skips[unit])
                or head != head_wanted
                or kind & 0xFF7F != kind_wanted
                or ssrc != ssrc_wanted
                or size < shortest
                or end > length
            ):
                break
            at = end
            packets += 1
            expected = sequence + 1 & 0xFFFF
            if rtp_time != skipped_time:
                skipped_time = rtp_time
                skipped += 1
        if packets:
            self._expected, self._pictures.skipped_time = expected, skipped_time
            self.counts["packets"] += packets
            self.counts[self._pictures.skip_reason] += skipped
        return at

    def _one(self, buffer: bytes, view: memoryview, at: int, messages: list[bytes], arrival: Arrival) -> int:
        """The frame or text that begins here; returns where the next begins, or `at` when it is not whole yet."""
        if at >= len(buffer):
            return at
        if buffer[at] != _FRAME:
            return self._text(buffer, at, messages)
        begin = at + _FRAME_HEAD
        if begin > len(buffer):
            return at
        end = begin + (buffer[at + 2] << 8 | buffer[at + 3])
        if end > len(buffer):
            return at
        channel = buffer[at + 1]
        if channel == self._rtp_channel:
            self._packet(view[begin:end], arrival)
        elif channel == self._rtp_channel + 1:
            self._clock.read(buffer[begin:end], self._ssrc, arrival)
        else:
            self.counts["other_channel"] += 1
        return end

    def _packet(self, packet: memoryview, arrival: Arrival) -> None:
        if len(packet) < _RTP_HEAD or packet[0] >> 6 != 2:
            self.counts["malformed_packets"] += 1
            return
        bits, kind, sequence, rtp_time, ssrc = _RTP.unpack_from(packet)
        is_ours = kind & ~_MARKER & 0xFF == self._payload_type
        if not is_ours:
            self.counts["other_payload"] += 1
            if ssrc == self._ssrc and sequence == self._expected:
                self._expected = sequence + 1 & 0xFFFF
            return
        if not self._is_next(sequence, ssrc):
            return
        self.counts["packets"] += 1
        payload = packet[_RTP_HEAD:] if bits == 0x80 else _payload(packet, bits)
        if payload is None:
            self.counts["malformed_packets"] += 1
            self._pictures.gap()
        elif len(payload):
            self._pictures.take(payload, rtp_time, kind >= _MARKER, arrival)

    def _is_next(self, sequence: int, ssrc: int) -> bool:
        """Whether the packet is to be used; tells the pictures of a gap before it."""
        if ssrc != self._ssrc:
            if self._ssrc is not None:
                self.counts["sender_changes"] += 1
                self._clock.forget_report()
                self._pictures.gap()
            self._ssrc = ssrc
        elif sequence != self._expected:
            ahead = sequence - self._expected & 0xFFFF
            if ahead > 0xFFFF - MAX_MISORDER and sequence != self._late_next:
                self.counts["late"] += 1
                self._late_next = sequence + 1 & 0xFFFF
                return False
            if ahead < MAX_DROPOUT:
                self.counts["lost"] += ahead
            else:
                self.counts["sequence_jumps"] += 1
            self._pictures.gap()
        self._expected = sequence + 1 & 0xFFFF
        self._late_next = -1
        return True

    def _text(self, buffer: bytes, at: int, messages: list[bytes]) -> int:
        if buffer[at] in b"\r\n":
            return at + 1  # some servers end a text with one more line (RFC 2326, 4.1 bids to be lenient)
        line_end = buffer.find(b"\n", at, at + MAX_HEAD_BYTES)
        is_text = _TEXT_LINE.match(buffer, at) if line_end >= 0 else buffer[at : at + 1].isupper()
        if not is_text:
            # None of its bytes: a camera of garbage would be another fault each time, and each is logged once.
            raise CameraUnreachable("what the camera sends is neither RTP nor RTSP; connect anew")
        head = _TEXT_HEAD_END.search(buffer, at, at + MAX_HEAD_BYTES)
        if head is None:
            if len(buffer) - at >= MAX_HEAD_BYTES:
                raise CameraUnreachable(f"the camera sends an RTSP head of more than {MAX_HEAD_BYTES} bytes")
            return at
        length = _TEXT_LENGTH.search(buffer, at, head.end())
        body_bytes = int(length[1]) if length else 0
        if body_bytes > MAX_BODY_BYTES:
            raise CameraUnreachable(f"the camera announces an RTSP body of more than {MAX_BODY_BYTES} bytes")
        end = head.end() + body_bytes
        if end > len(buffer):
            return at
        messages.append(buffer[at:end])
        return end


def _payload(packet: memoryview, bits: int) -> memoryview | None:
    """The payload of a packet with padding, extension or contributing sources; None: it does not add up."""
    begin, end = _RTP_HEAD + 4 * (bits & 0x0F), len(packet)
    if bits & 0x10:
        if begin + 4 > end:
            return None
        begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4], "big")
    if bits & 0x20:
        padding = packet[end - 1]
        if not padding:
            return None
        end -= padding
    return packet[begin:end] if begin <= end else None

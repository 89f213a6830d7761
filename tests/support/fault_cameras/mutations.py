"""Garbage with a grammar (F05): a sound answer or packet, spoiled in one to three ways drawn from a seed.

Random bytes alone never get past the first check of a reader. These keep most of what is right and spoil one number,
one name, one length.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from tests.support.fault_cameras.fault import HANDSHAKE, Fault, Step
from tests.support.fault_cameras.session import Session
from xueliang_streams.rtsp_requests import Request
from xueliang_streams.segments import Picture

Spoil = Callable[[bytes, Random], bytes]

_ODD_NUMBERS = (b"-1", b"0", b"1e9", b"0x10", b"65536", b"4294967296", b"99999999999999999999", b"", b"+5", b"\xc2\xb2")
_ODD_STATUS = (
    b"100",
    b"200",
    b"299",
    b"301",
    b"302",
    b"400",
    b"401",
    b"403",
    b"404",
    b"454",
    b"500",
    b"-1",
    b"999",
    b"20",
)
_SERVER_REQUESTS = (
    b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    b"ANNOUNCE rtsp://x/ RTSP/1.0\r\nCSeq: 2\r\nContent-Length: 9\r\n\r\nv=0\r\ns=x\r\n",
    b"TEARDOWN rtsp://x/ RTSP/1.0\r\nCSeq: 3\r\n\r\n",
    b"PAUSE rtsp://x/ RTSP/1.0\r\n\r\n",
)
_LONGEST_S = 0.5
"""So long one spoiled connection lasts at most: thousands of them must fit into a run."""


class Mutated(Fault):
    """Each connection is spoiled in another way: connection n of a camera draws from `seed + n`.

    `foreign` are addresses a spoiled answer may point to; nobody may ever connect there.
    """

    def __init__(self, foreign: tuple[str, ...], seed: int = 0) -> None:
        super().__init__(seed)
        self.foreign = foreign
        self._plans: dict[int, _Plan] = {}

    async def on_accept(self, session: Session) -> None:
        plan = self._plan(session)
        asyncio.get_running_loop().call_later(_LONGEST_S, session.reset)
        if plan.step == "accept":
            await session.send("accept", plan.dice.randbytes(plan.dice.randrange(1, 5_000)))

    def on_answer(self, session: Session, request: Request, answer: bytes) -> bytes:
        plan = self._plan(session)
        return plan.answer(answer) if request.method == plan.step else answer

    def on_packets(self, session: Session, picture: Picture, packets: list[bytes]) -> list[bytes]:
        plan = self._plan(session)
        return plan.packets(packets) if plan.step == "stream" else packets

    def on_framed(self, session: Session, data: bytes) -> bytes:
        plan = self._plan(session)
        return plan.framed(data) if plan.step == "stream" else data

    def _plan(self, session: Session) -> _Plan:
        number = session.record.number
        if number not in self._plans:
            self._plans = {number: _Plan(Random(self.seed + number), self.foreign)}
        return self._plans[number]


class _Plan:
    """What happens to one connection."""

    def __init__(self, dice: Random, foreign: tuple[str, ...]) -> None:
        self.dice = dice
        self.step: Step = dice.choice(("accept", *HANDSHAKE, "DESCRIBE", "SETUP", "stream", "stream", "stream"))
        self._foreign = tuple(address.encode() for address in foreign)
        self._packet_ways = dice.sample(PACKET_WAYS, dice.randrange(1, 3))
        self._frame_ways = dice.sample(FRAME_WAYS, dice.randrange(0, 3))

    def answer(self, answer: bytes) -> bytes:
        ways: list[Spoil] = [*TEXT_WAYS, *(DESCRIPTION_WAYS * 2 if b"\nm=video" in answer else ())]
        for way in self.dice.sample(ways, self.dice.randrange(1, 4)):
            answer = way(answer, self.dice)
        if self._foreign and self.dice.random() < 0.3:
            answer = _lead_away(answer, self.dice, self.dice.choice(self._foreign))
        return answer

    def packets(self, packets: list[bytes]) -> list[bytes]:
        way = self.dice.choice(self._packet_ways)
        return [way(packet, self.dice) if self.dice.random() < 0.3 else packet for packet in packets]

    def framed(self, data: bytes) -> bytes:
        if self._frame_ways and self.dice.random() < 0.3:
            return self.dice.choice(self._frame_ways)(data, self.dice)
        return data


def _lead_away(answer: bytes, dice: Random, address: bytes) -> bytes:
    """A redirect, or an address in the head or the description that leads elsewhere."""
    way = dice.randrange(4)
    if way == 0:
        return b"RTSP/1.0 30%d Moved\r\nCSeq: %d\r\nLocation: %s\r\n\r\n" % (
            dice.randrange(1, 8),
            dice.randrange(9),
            address,
        )
    if way == 1:
        return answer.replace(b"Content-Base: ", b"Content-Base: " + address + b"\r\nX-Was: ")
    if way == 2:
        return answer.replace(b"a=control:track1", b"a=control:" + address)
    return answer + b"REDIRECT rtsp://x/ RTSP/1.0\r\nCSeq: 9\r\nLocation: %s\r\n\r\n" % address


def _cut(data: bytes, dice: Random) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def _insert(data: bytes, dice: Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.randbytes(dice.randrange(1, 64)) + data[at:]


def _flip(data: bytes, dice: Random) -> bytes:
    spoiled = bytearray(data)
    for _ in range(dice.randrange(1, 8)):
        if spoiled:
            spoiled[dice.randrange(len(spoiled))] = dice.randrange(256)
    return bytes(spoiled)


def _change_line(data: bytes, dice: Random) -> bytes:
    """One line left out, doubled, moved, made very long, or without its line end."""
    lines = data.split(b"\r\n")
    at = dice.randrange(len(lines))
    way = dice.randrange(6)
    if way == 0:
        del lines[at]
    elif way == 1:
        lines[at : at + 1] = [lines[at]] * dice.choice((2, 3, 300))
    elif way == 2:
        lines.insert(dice.randrange(len(lines)), lines.pop(at))
    elif way == 3:
        lines[at] += b"x" * dice.choice((100, 5_000, 70_000))
    elif way == 4:
        lines[at] = b" " + lines[at]
    else:
        return b"\n".join(lines)
    return b"\r\n".join(lines)


def _change_number(data: bytes, dice: Random) -> bytes:
    """One run of digits becomes an odd number."""
    places = [at for at in range(len(data)) if data[at : at + 1].isdigit() and not data[at - 1 : at].isdigit()]
    if not places:
        return data
    begin = end = dice.choice(places)
    while data[end : end + 1].isdigit():
        end += 1
    return data[:begin] + dice.choice(_ODD_NUMBERS) + data[end:]


def _change_status(data: bytes, dice: Random) -> bytes:
    return data.replace(b"RTSP/1.0 200", b"RTSP/1.0 " + dice.choice(_ODD_STATUS), 1)


def _change_version(data: bytes, dice: Random) -> bytes:
    return data.replace(b"RTSP/1.0", dice.choice((b"RTSP/9.9", b"HTTP/1.1", b"RTSP", b"\0\0\0\0", b"rtsp/1.0")), 1)


def _change_length(data: bytes, dice: Random) -> bytes:
    head, blank, body = data.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    return b"\r\n".join([*lines, b"Content-Length: " + dice.choice(_ODD_NUMBERS)]) + blank + body


def _answer_twice(data: bytes, dice: Random) -> bytes:
    return data + data


def _ask_something(data: bytes, dice: Random) -> bytes:
    """The server asks something itself, before or behind its answer."""
    question = dice.choice(_SERVER_REQUESTS)
    return question + data if dice.random() < 0.5 else data + question


def _stray_frame(data: bytes, dice: Random) -> bytes:
    """Interleaved data where an answer is due."""
    size = dice.choice((0, 1, 3, 12, 200))
    return b"$" + dice.randbytes(1) + size.to_bytes(2, "big") + dice.randbytes(size) + data


def _spoil_base64(data: bytes, dice: Random) -> bytes:
    return data.replace(b"sprop-", b"sprop-" + dice.choice((b"x", b"=", b"")), 1).replace(
        b"=Z", b"=" + dice.choice((b"!", b"Z=", b"")), 1
    )


def _many_media(data: bytes, dice: Random) -> bytes:
    kind = dice.choice((b"video", b"audio", b"application"))
    return data + b"m=%s 0 RTP/AVP %d\r\na=control:x\r\n" % (kind, dice.randrange(200)) * dice.choice((1, 10, 500))


def _other_codec(data: bytes, dice: Random) -> bytes:
    name = dice.choice((b"H265/90000", b"JPEG/90000", b"MP4V-ES/90000", b"H264/0", b"H264/abc", b"H264", b"/", b""))
    return data.replace(b"H264/90000", name).replace(b"H265/90000", name)


def _repeat_header(packet: bytes, dice: Random) -> bytes:
    """Bits of the RTP header: version, padding, extension, CSRC count, payload type."""
    return bytes([dice.randrange(256), dice.randrange(256)]) + packet[2:]


def _stretch_padding(packet: bytes, dice: Random) -> bytes:
    return bytes([packet[0] | 0x20]) + packet[1:-1] + bytes([dice.choice((0, 1, 255, len(packet) & 0xFF))])


def _stretch_extension(packet: bytes, dice: Random) -> bytes:
    words = dice.choice((0, 1, 0x7FFF, 0xFFFF))
    return bytes([packet[0] | 0x10]) + packet[1:12] + b"\xbe\xde" + words.to_bytes(2, "big") + packet[12:]


def _other_kind(packet: bytes, dice: Random) -> bytes:
    """Another unit kind: aggregation, fragments, reserved ones."""
    return packet[:12] + bytes([dice.randrange(256)]) + packet[13:]


def _aggregate_wrongly(packet: bytes, dice: Random) -> bytes:
    kind = dice.choice((b"\x18", b"\x19", b"\x1a", b"\x60\x01"))
    size = dice.choice((0, 1, 0x7FFF, 0xFFFF))
    return packet[:12] + kind + size.to_bytes(2, "big") + packet[12 : 12 + dice.randrange(1, 50)]


def _fragment_without_begin(packet: bytes, dice: Random) -> bytes:
    kind = dice.choice((b"\x7c\x05", b"\x7c\x45", b"\x7c\xc5", b"\x62\x01\x13", b"\x62\x01\xd3"))
    return packet[:1] + bytes([packet[1] & 0x7F]) + packet[2:12] + kind + packet[14:]


def _empty(packet: bytes, dice: Random) -> bytes:
    return packet[: dice.choice((0, 1, 4, 11, 12, 13))]


def _jump_sequence(packet: bytes, dice: Random) -> bytes:
    return packet[:2] + dice.randbytes(2) + packet[4:]


def _jump_time(packet: bytes, dice: Random) -> bytes:
    return packet[:4] + dice.randbytes(4) + packet[8:]


def _other_sender(packet: bytes, dice: Random) -> bytes:
    return packet[:8] + dice.randbytes(4) + packet[12:]


def _wrong_length(data: bytes, dice: Random) -> bytes:
    """One interleaved header lies about its length: what follows is out of step."""
    return data[:2] + dice.randbytes(2) + data[4:] if len(data) > 4 else data


def _other_channel(data: bytes, dice: Random) -> bytes:
    return data[:1] + dice.randbytes(1) + data[2:] if len(data) > 4 else data


def _frames_of_nothing(data: bytes, dice: Random) -> bytes:
    return b"$\0\0\0" * dice.choice((1, 100, 5_000)) + data


def _wild_report(data: bytes, dice: Random) -> bytes:
    """RTCP of any shape."""
    size = dice.randrange(64)
    body = dice.choice(
        (dice.randbytes(size), b"\x80\xc8\xff\xff" + dice.randbytes(size), b"\x80\xc8\0\6" + dice.randbytes(24))
    )
    return b"$\1" + len(body).to_bytes(2, "big") + body + data


TEXT_WAYS: tuple[Spoil, ...] = (
    _cut,
    _insert,
    _flip,
    _change_line,
    _change_line,
    _change_number,
    _change_number,
    _change_status,
    _change_version,
    _change_length,
    _answer_twice,
    _ask_something,
    _stray_frame,
)
DESCRIPTION_WAYS: tuple[Spoil, ...] = (_spoil_base64, _many_media, _other_codec)
PACKET_WAYS: tuple[Spoil, ...] = (
    _repeat_header,
    _stretch_padding,
    _stretch_extension,
    _other_kind,
    _aggregate_wrongly,
    _fragment_without_begin,
    _empty,
    _jump_sequence,
    _jump_time,
    _other_sender,
    _flip,
    _insert,
)
FRAME_WAYS: tuple[Spoil, ...] = (
    _insert,
    _cut,
    _wrong_length,
    _other_channel,
    _frames_of_nothing,
    _wild_report,
    _ask_something,
)

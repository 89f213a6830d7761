"""What can be wrong with a camera's connection and pictures once they flow (F02, F06, F08, F09)."""

from __future__ import annotations

import asyncio
import time

from tests.support.fault_cameras.camera import FaultCamera
from tests.support.fault_cameras.fault import Fault
from tests.support.fault_cameras.session import Session
from xueliang_streams.rtp_packets import CLOCK_HZ, H264, HEVC, unit_kind
from xueliang_streams.segments import Picture

_RTP_HEADER_BYTES = 12
_FU_BYTES = {H264.rtp_name: 2, HEVC.rtp_name: 3}


class HalfOpen(Fault):
    """Connections that play when it begins hang: nothing is sent, read or closed until the fault stops.

    Later ones are served.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.held = 0
        self._began_mono_s = 0.0

    def start(self) -> None:
        self._began_mono_s = time.monotonic()
        super().start()

    async def on_picture(self, session: Session, number: int) -> None:
        if session.record.accepted_mono_s > self._began_mono_s:
            return
        session.writer.transport.pause_reading()  # type: ignore[attr-defined]
        self.held += 1
        await self.while_on()
        session.reset()
        raise ConnectionAbortedError


class Reset(Fault):
    """A TCP reset in the middle of picture `after_pictures` of each connection."""

    def __init__(self, after_pictures: int, seed: int = 0) -> None:
        super().__init__(seed)
        self.after_pictures = after_pictures
        self.resets = 0

    def on_packets(self, session: Session, picture: Picture, packets: list[bytes]) -> list[bytes]:
        return packets[: len(packets) // 2] if session.record.pictures_sent >= self.after_pictures else packets

    async def on_picture(self, session: Session, number: int) -> None:
        if number > self.after_pictures:
            self.resets += 1
            session.reset()
            raise ConnectionAbortedError


class Flapping(Fault):
    """The camera loses its power every `period_s`: up half of the time, gone the other half."""

    def __init__(self, period_s: float, seed: int = 0) -> None:
        super().__init__(seed)
        self.period_s = period_s
        self.flaps = 0

    async def live(self, camera: FaultCamera) -> None:
        # Cameras of one mains do not fall in the same millisecond; the test's dice decide who is first.
        await asyncio.sleep(self.dice.random() * self.period_s)
        while self.is_on:
            await camera.vanish()
            await asyncio.sleep(self.period_s / 2)
            await camera.listen()
            self.flaps += 1
            await asyncio.sleep(self.period_s / 2)


class TimeJump(Fault):
    """RTP time jumps by `jump_s` (may be negative) at every `every`-th picture, and runs on from there."""

    def __init__(self, jump_s: float, every: int = 7, seed: int = 0) -> None:
        super().__init__(seed)
        self.jump_s, self.every = jump_s, every
        self._jumps: dict[int, int] = {}

    def on_rtp_time(self, session: Session, rtp_time: int) -> int:
        if session.record.pictures_sent % self.every == self.every - 1:
            self._jumps[session.record.number] = self._jumps.get(session.record.number, 0) + 1
        return rtp_time + self._jumps.get(session.record.number, 0) * round(self.jump_s * CLOCK_HZ)


class SameTime(Fault):
    """Every picture carries the same RTP time."""

    def on_rtp_time(self, session: Session, rtp_time: int) -> int:
        return 123_456


class ClockOff(Fault):
    """The camera's own clock is wrong by so many seconds, and says so in its sender reports."""

    def __init__(self, off_s: float, seed: int = 0) -> None:
        super().__init__(seed)
        self.off_s = off_s

    def on_clock_s(self, session: Session, unix_s: float) -> float:
        return unix_s + self.off_s


class Lose(Fault):
    """Packets are missing: each with this probability."""

    def __init__(self, share: float, seed: int = 0) -> None:
        super().__init__(seed)
        self.share = share
        self.count = 0

    def on_packets(self, session: Session, picture: Picture, packets: list[bytes]) -> list[bytes]:
        kept = [packet for packet in packets if self.dice.random() >= self.share]
        self.count += len(packets) - len(kept)
        return kept


class Reorder(Fault):
    """Two neighbouring packets of a picture change places, with this probability per picture."""

    def __init__(self, share: float, seed: int = 0) -> None:
        super().__init__(seed)
        self.share = share
        self.count = 0

    def on_packets(self, session: Session, picture: Picture, packets: list[bytes]) -> list[bytes]:
        if len(packets) < 2 or self.dice.random() >= self.share:
            return packets
        at = self.dice.randrange(len(packets) - 1)
        self.count += 1
        return [*packets[:at], packets[at + 1], packets[at], *packets[at + 2 :]]


class Repeat(Fault):
    """Packets come twice, each with this probability."""

    def __init__(self, share: float, seed: int = 0) -> None:
        super().__init__(seed)
        self.share = share
        self.count = 0

    def on_packets(self, session: Session, picture: Picture, packets: list[bytes]) -> list[bytes]:
        doubled: list[bytes] = []
        for packet in packets:
            doubled.append(packet)
            if self.dice.random() < self.share:
                doubled.append(packet)
                self.count += 1
        return doubled


class BitFlips(Fault):
    """Each bit of the pictures' data is flipped with this probability; RTP and fragment headers stay whole.

    What a broken encoder or memory does: neither TCP's checksum nor RTP's numbers show it.
    """

    def __init__(self, share: float, seed: int = 0) -> None:
        super().__init__(seed)
        self.share = share
        self.count = 0

    def on_packets(self, session: Session, picture: Picture, packets: list[bytes]) -> list[bytes]:
        skipped = _RTP_HEADER_BYTES + _FU_BYTES[session.camera.segment.parameters.kinds.rtp_name]
        return [self._flipped(packet, skipped) for packet in packets]

    def _flipped(self, packet: bytes, skipped: int) -> bytes:
        bits = (len(packet) - skipped) * 8
        spoiled = bytearray(packet)
        at = self._gap()
        while at < bits:
            spoiled[skipped + at // 8] ^= 1 << at % 8
            self.count += 1
            at += 1 + self._gap()
        return bytes(spoiled)

    def _gap(self) -> int:
        """Bits until the next flip: geometric, one throw per flip instead of one per bit."""
        return int(self.dice.expovariate(self.share))


class NoParameterSets(Fault):
    """Leaves out SPS and PPS (and VPS): in the pictures, in the description, or in both."""

    def __init__(self, *, in_band: bool, in_description: bool, seed: int = 0) -> None:
        super().__init__(seed)
        self.in_band, self.in_description = in_band, in_description

    def on_units(self, session: Session, picture: Picture, units: tuple[bytes, ...]) -> tuple[bytes, ...]:
        kinds = session.camera.segment.parameters.kinds
        if not self.in_band:
            return units
        return tuple(unit for unit in units if unit_kind(unit, kinds) not in kinds.parameter_sets)

    def on_answer(self, session: Session, request: object, answer: bytes) -> bytes:
        head, blank, body = answer.partition(b"\r\n\r\n")
        if not self.in_description or not body.startswith(b"v=0"):
            return answer
        kept = []
        for line in body.split(b"\r\n"):
            fields = [part for part in line.split(b";") if b"sprop-" not in part]
            kept.append(b";".join(fields) if line.startswith(b"a=fmtp:96 ") and b"sprop-" in line else line)
        body = b"\r\n".join(line for line in kept if line != b"")
        body += b"\r\n"
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
        return b"\r\n".join([*lines, b"Content-Length: " + str(len(body)).encode()]) + blank + body


class Garbage(Fault):
    """Random bytes between the pictures of a stream, `share` of the times; `inside`: also in the middle of a frame."""

    def __init__(self, share: float, *, inside: bool = False, seed: int = 0) -> None:
        super().__init__(seed)
        self.share, self.inside = share, inside
        self.count = 0

    def on_framed(self, session: Session, data: bytes) -> bytes:
        if self.dice.random() >= self.share:
            return data
        self.count += 1
        rubbish = self.dice.randbytes(self.dice.randrange(1, 2_000))
        at = self.dice.randrange(len(data) + 1) if self.inside else 0
        return data[:at] + rubbish + data[at:]

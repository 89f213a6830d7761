"""A stream's clock: RTP times without their wrap, and what the camera's own clock said (RTCP sender reports, RFC 3550).

Invariants:
- Unwrapped times go on evenly over a wrap. A camera that jumps (restarted, its clock set) goes on by our own clock.
- The camera's clock is told, never trusted: it may be years off. After a jump it is unknown until the next report.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from xueliang_streams.coded_picture import Arrival

UNIT_HZ: Final = 90_000
"""Of the times handed out, whatever the stream's clock."""
JUMP_S: Final = 10.0
"""RTP time that differs by more from what our own clock allows has jumped. B-pictures go back by less than a second;
what a network held back comes late, never early."""
REPORT_HOLDS_S: Final = 3_600.0
"""Reports come every few seconds; one as old as this says nothing any more."""

_SENDER_REPORT: Final = 200
_NTP_EPOCH: Final = datetime(1900, 1, 1, tzinfo=UTC)
_NTP_ERA_S: Final = 2**32  # the second era begins in February 2036
_LOWEST_CLOCK_S: Final = 2**31  # January 1968: below it the number is an uptime, or belongs to the second era


@dataclass(frozen=True, slots=True)
class _Report:
    rtp_time: int
    at: datetime
    arrived_mono_s: float


class RtpClock:
    """Times of one RTP stream. `jumps` counts how often they jumped."""

    def __init__(self, clock_hz: int) -> None:
        self._clock_hz = clock_hz
        self._last: tuple[int, int, float] | None = None  # as sent, in ticks unwrapped, arrival
        self._report: _Report | None = None
        self.jumps = 0

    def unwrapped(self, rtp_time: int, arrival: Arrival) -> int:
        """The time of a picture in 1/90,000 s. Ask once per picture, in order of arrival."""
        if self._last is None:
            ticks = rtp_time
        else:
            sent, ticks, arrived_s = self._last
            step = _signed(rtp_time - sent)
            passed_s = max(0.0, arrival.mono_s - arrived_s)
            if not -JUMP_S <= step / self._clock_hz <= passed_s + JUMP_S:
                self.jumps += 1
                self._report = None
                step = round(passed_s * self._clock_hz)
            ticks += step
        self._last = (rtp_time, ticks, arrival.mono_s)
        return round(ticks * UNIT_HZ / self._clock_hz)

    def captured_at(self, rtp_time: int, arrival: Arrival) -> datetime | None:
        """This RTP time by the camera's clock, aware UTC; None: no report says so."""
        report = self._report
        if report is None or arrival.mono_s - report.arrived_mono_s > REPORT_HOLDS_S:
            return None
        return report.at + timedelta(seconds=_signed(rtp_time - report.rtp_time) / self._clock_hz)

    def read(self, rtcp: bytes, ssrc: int | None, arrival: Arrival) -> bool:
        """Take the sender report of this stream out of a compound RTCP packet; False: there is none."""
        at = 0
        while at + 8 <= len(rtcp) and rtcp[at] >> 6 == 2:
            size = 4 * (int.from_bytes(rtcp[at + 2 : at + 4], "big") + 1)
            if rtcp[at + 1] == _SENDER_REPORT and size >= 28 and at + 20 <= len(rtcp):
                sender, seconds, fraction, rtp_time = struct.unpack_from(">IIII", rtcp, at + 4)
                moment = _camera_time(seconds, fraction, arrival)
                if sender == ssrc and moment is not None:
                    self._report = _Report(rtp_time, moment, arrival.mono_s)
                    return True
            at += size
        return False

    def forget_report(self) -> None:
        """Another sender: what was reported so far is not about it."""
        self._report = None


def _camera_time(seconds: int, fraction: int, arrival: Arrival) -> datetime | None:
    if seconds < _LOWEST_CLOCK_S:
        if arrival.at.year < 2036:
            return None
        seconds += _NTP_ERA_S
    return _NTP_EPOCH + timedelta(seconds=seconds + fraction / 2**32)


def _signed(difference: int) -> int:
    """A difference of two 32-bit times, the short way round."""
    return (difference + 2**31) % 2**32 - 2**31

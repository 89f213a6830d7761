"""Times of one RTP stream, and the camera's own clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.rtp import sender_report
from xueliang_streams.coded_picture import Arrival
from xueliang_streams.rtsp.sender_reports import REPORT_HOLDS_S, RtpClock

NTP_2026 = 2_208_988_800 + 1_795_435_200  # 2026-11-23 12:00 UTC
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(mono_s: float, year: int = 2026) -> Arrival:
    return Arrival(mono_s, NOON.replace(year=year))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 3600, 7200], [0, 3600, 7200]),
        ([2**32 - 3600, 0, 3600], [2**32 - 3600, 2**32, 2**32 + 3600]),
        ([3600, 0, 10_800], [3600, 0, 10_800]),  # B-pictures go back a little
        ([100, 2**32 - 100, 300], [100, -100, 300]),
    ],
    ids=["plain", "wrap", "back", "back over the wrap"],
)
def test_times_are_unwrapped(times: list[int], expected: list[int]) -> None:
    clock = RtpClock(90_000)
    assert [clock.unwrapped(time, at(index / 25)) for index, time in enumerate(times)] == expected
    assert clock.jumps == 0


@pytest.mark.parametrize("jump", [2**31, -(2**31) + 5, 90_000 * 60, -90_000 * 60], ids=str)
def test_a_jump_goes_on_by_our_own_clock(jump: int) -> None:
    clock = RtpClock(90_000)
    clock.unwrapped(1_000, at(0))
    assert clock.unwrapped((1_000 + jump) % 2**32, at(2)) == 1_000 + 180_000
    assert clock.unwrapped((4_600 + jump) % 2**32, at(2.04)) == 1_000 + 180_000 + 3_600
    assert clock.jumps == 1


def test_a_pause_of_the_network_or_of_the_camera_is_no_jump() -> None:
    clock = RtpClock(90_000)
    clock.unwrapped(0, at(0))
    assert clock.unwrapped(90_000, at(60)) == 90_000, "held back by the network"
    assert clock.unwrapped(90_000 * 121, at(180)) == 90_000 * 121, "silent for two minutes"
    assert clock.unwrapped(90_000 * 122, at(180)) == 90_000 * 122, "came at once"
    assert clock.jumps == 0


def test_report_ties_the_cameras_clock_to_the_stream() -> None:
    clock = RtpClock(90_000)
    assert clock.captured_at(0, at(0)) is None
    assert clock.read(sender_report(7, NTP_2026 + 0.5, 2**32 - 45_000), 7, at(0))
    assert clock.captured_at(2**32 - 45_000, at(0)) == NOON.replace(microsecond=500_000)
    assert clock.captured_at(45_000, at(0)) == NOON.replace(second=1, microsecond=500_000), "over the wrap"
    assert clock.captured_at(0, at(REPORT_HOLDS_S + 1)) is None, "too old"
    clock.forget_report()
    assert clock.captured_at(0, at(0)) is None


def test_a_jump_makes_the_report_void() -> None:
    clock = RtpClock(90_000)
    clock.read(sender_report(7, NTP_2026, 0), 7, at(0))
    clock.unwrapped(0, at(0))
    clock.unwrapped(90_000 * 3_000, at(1))
    assert clock.captured_at(90_000 * 3_000, at(1)) is None


@pytest.mark.parametrize(
    ("ntp_s", "year", "told"),
    [
        (2_208_988_800, 2026, 1970),  # a camera that has no time
        (86_400, 2026, None),  # one that tells its uptime
        (0, 2026, None),
        (3_600, 2036, 2036),  # the second era
        (NTP_2026, 2031, 2026),  # years off: told as it is
    ],
)
def test_clocks_that_are_off(ntp_s: int, year: int, told: int | None) -> None:
    clock = RtpClock(90_000)
    assert clock.read(sender_report(7, ntp_s, 0), 7, at(0, year)) == (told is not None)
    moment = clock.captured_at(0, at(0, year))
    assert (moment.year if moment else None) == told


def test_report_is_found_behind_other_reports_and_only_that_of_our_sender() -> None:
    clock = RtpClock(90_000)
    receiver, text = bytes.fromhex("80c9000100000007"), bytes.fromhex("81ca0002000000070104676174650000")[:12]
    assert not clock.read(sender_report(8, NTP_2026, 0), 7, at(0))
    assert clock.read(receiver + sender_report(7, NTP_2026, 0) + text, 7, at(0))


@pytest.mark.parametrize(
    "rtcp",
    [
        b"",
        b"\x80",
        bytes(28),
        sender_report(7, NTP_2026, 0)[:19],
        b"\x80\xc8\0\0" + bytes(24),
        b"\x80\xc8\xff\xff" + bytes(8),
    ],
    ids=["empty", "one byte", "zeros", "cut", "length too small", "length too large"],
)
def test_broken_reports_say_nothing(rtcp: bytes) -> None:
    assert not RtpClock(90_000).read(rtcp, 7, at(0))

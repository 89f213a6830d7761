"""A stream by a source with a thread of its own: decodes what the pace needs, and never hands out what is older."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from xueliang_edge.capture.orders import Pace
from xueliang_edge.capture.source_feed import SourceFeed
from xueliang_streams.frame import Frame, Planes
from xueliang_streams.source import DecodeMode, SourceHealth, SourceState, StreamRates

PACE = Pace(1.0)
KEYS, ALL = DecodeMode.KEYFRAMES, DecodeMode.ALL
EVERY_2_S = StreamRates(2.0, 99.0, pictures_per_s=25.0, mbit_per_s=4.0, pictures_decoded=7)
NOW_S = 100.0


class Source:
    """Hands out one frame at `at_s`; remembers what it was told to decode."""

    camera_id = "gate"

    def __init__(self, at_s: float, rates: StreamRates | None = None) -> None:
        self.told: list[DecodeMode] = []
        self.rates = rates
        self.rate: float | None = None
        self.may_close = threading.Event()
        y = np.zeros((48, 64), np.uint8)
        half = np.zeros((24, 32), np.uint8)
        at = datetime(2026, 11, 24, tzinfo=UTC)
        self._frame = Frame("gate", 1, Planes(y, half, half), at_s, at, is_key=True, decode_ms=3.0)

    def start(self) -> None: ...

    def close(self) -> None:
        self.may_close.wait(10)

    def next_frame(self, newer_than: int, timeout_s: float) -> Frame | None:
        return self._frame if newer_than < 1 else None

    def set_decode(self, mode: DecodeMode) -> None:
        self.told.append(mode)

    def set_rate(self, max_fps: float | None) -> None:
        self.rate = max_fps

    def health(self) -> SourceHealth:
        return SourceHealth(SourceState.STREAMING, 0.0, rates=self.rates)

    @property
    def mode(self) -> DecodeMode:
        return self.told[-1] if self.told else ALL


def feed_of(source: Source, reader: str = "libav") -> SourceFeed:
    feed = SourceFeed(source, is_fast=False, reader=reader, mono=lambda: NOW_S)
    feed.poll()
    return feed


def test_a_resting_source_decodes_key_pictures_only_until_it_is_looked_at_again() -> None:
    source = Source(10.0)
    feed = feed_of(source)
    assert source.told == []
    feed.rest(PACE)
    feed.rest(PACE)
    assert source.told == [KEYS]
    assert feed.due_mono_s(PACE, 9.0, is_hurried=False) == 10.0
    feed.due_mono_s(PACE, 9.0, is_hurried=False)
    assert source.told == [KEYS, ALL]


def test_a_picture_older_than_the_last_look_is_never_due() -> None:
    feed = feed_of(Source(10.0))
    assert feed.due_mono_s(PACE, 10.0, is_hurried=True) is None
    assert feed.due_mono_s(PACE, None, is_hurried=False) == 10.0


@pytest.mark.parametrize(
    ("rates", "pace", "mode", "rate"),
    [
        pytest.param(EVERY_2_S, Pace(4.0), KEYS, 1 / 4, id="every second key picture"),
        pytest.param(EVERY_2_S, Pace(2.0), KEYS, None, id="each of them"),
        pytest.param(EVERY_2_S, Pace(4.0, every_key=True), KEYS, None, id="watched closely"),
        pytest.param(EVERY_2_S, Pace(9.0, every_key=True, least_gap_s=3.0), KEYS, 1 / 4, id="not more than wanted"),
        pytest.param(EVERY_2_S, Pace(1.0), ALL, 2.0, id="closer than key pictures"),
        pytest.param(EVERY_2_S, Pace(1.0, may_decode_all=False), KEYS, None, id="under overload"),
        pytest.param(StreamRates(20.0, 99.0), Pace(4.0), ALL, 0.5, id="rare key pictures"),
        pytest.param(StreamRates(), Pace(4.0), ALL, 0.5, id="not known yet"),
        pytest.param(StreamRates(2.0, 95.0), Pace(4.0), ALL, 0.5, id="the next one is long overdue"),
        pytest.param(StreamRates(2.0, 95.9), Pace(4.0), KEYS, 1 / 4, id="merely late"),
        pytest.param(EVERY_2_S, Pace(4.0, look_at_mono_s=99.9), ALL, None, id="the moment of the pace has come"),
        pytest.param(EVERY_2_S, Pace(4.0, look_at_mono_s=100.1), KEYS, 1 / 4, id="it has not"),
        pytest.param(StreamRates(2.0, 98.3), Pace(4.0, look_at_mono_s=99.9), KEYS, None, id="a key picture is near"),
        pytest.param(StreamRates(2.0, 97.9), Pace(4.0, look_at_mono_s=99.9), KEYS, None, id="it is late by its jitter"),
        pytest.param(StreamRates(2.0, 97.7), Pace(4.0, look_at_mono_s=99.9), ALL, None, id="it did not come"),
    ],
)
def test_of_a_camera_only_what_the_pace_needs_is_decoded(
    rates: StreamRates, pace: Pace, mode: DecodeMode, rate: float | None
) -> None:
    source = Source(99.0, rates)
    feed = feed_of(source)
    feed.due_mono_s(pace, 98.5, is_hurried=False)
    assert (source.mode, source.rate) == (mode, rate)
    assert feed.health().is_decoded_whole is (mode is ALL)


def test_a_look_that_is_wanted_at_once_takes_the_next_key_picture() -> None:
    source = Source(99.0, EVERY_2_S)
    feed = feed_of(source)
    feed.due_mono_s(Pace(20.0), 98.5, is_hurried=False)
    assert source.rate == 1 / 20
    feed.due_mono_s(Pace(20.0), 98.5, is_hurried=True)
    assert (source.mode, source.rate) == (KEYS, None)


@pytest.mark.parametrize(
    ("at_s", "last_look_s", "pace", "due_s"),
    [
        pytest.param(99.0, 97.0, Pace(4.0), 101.0, id="the next one would come too late"),
        pytest.param(99.0, 97.0, Pace(8.0, every_key=True), 99.0, id="watched closely"),
        pytest.param(99.0, 98.0, Pace(8.0, every_key=True, least_gap_s=2.0), None, id="sooner than wanted"),
        pytest.param(99.0, 90.0, Pace(4.0), 94.0, id="late already"),
    ],
)
def test_a_key_picture_is_due_when_the_next_one_would_be_late(
    at_s: float, last_look_s: float, pace: Pace, due_s: float | None
) -> None:
    assert feed_of(Source(at_s, EVERY_2_S)).due_mono_s(pace, last_look_s, is_hurried=False) == due_s


def test_where_all_are_decoded_a_picture_waits_for_a_newer_one_that_is_in_time() -> None:
    rare = StreamRates(20.0, 99.0, pictures_per_s=25.0)
    assert feed_of(Source(99.0, rare)).due_mono_s(Pace(8.0), 97.0, is_hurried=False) is None
    assert feed_of(Source(99.0, rare)).due_mono_s(Pace(8.0), 93.0, is_hurried=False) == 101.0


def test_what_the_source_measures_is_said() -> None:
    feed = feed_of(Source(99.0, EVERY_2_S))
    health = feed.health()
    assert (health.key_interval_s, health.pictures_per_s, health.mbit_per_s, health.pictures_decoded) == (2, 25, 4, 7)
    taken = feed.take()
    assert taken is not None
    assert taken.decode_ms == 3.0


def test_closing_waits_for_nobody_and_tells_when_it_is_over() -> None:
    source = Source(99.0)
    feed = feed_of(source)
    began = time.monotonic()
    feed.close()
    feed.close()
    assert not feed.is_closed()
    assert time.monotonic() - began < 1
    source.may_close.set()
    assert feed.is_closed(5.0)

"""A stream by a source with a thread of its own: rests with key pictures only, and never hands out what is older."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from xueliang_edge.capture.feeds import SourceFeed
from xueliang_edge.capture.orders import Pace
from xueliang_streams.frame import Frame, Planes
from xueliang_streams.source import DecodeMode, SourceHealth, SourceState

PACE = Pace(1.0)


class Source:
    """Hands out one frame at `at_s`; remembers what it was told to decode."""

    camera_id = "gate"

    def __init__(self, at_s: float) -> None:
        self.told: list[DecodeMode] = []
        y = np.zeros((48, 64), np.uint8)
        half = np.zeros((24, 32), np.uint8)
        self._frame = Frame("gate", 1, Planes(y, half, half), at_s, datetime(2026, 11, 24, tzinfo=UTC), True)

    def start(self) -> None: ...

    def close(self) -> None: ...

    def next_frame(self, newer_than: int, timeout_s: float) -> Frame | None:
        return self._frame if newer_than < 1 else None

    def set_decode(self, mode: DecodeMode) -> None:
        self.told.append(mode)

    def health(self) -> SourceHealth:
        return SourceHealth(SourceState.STREAMING, 0.0)


def test_a_resting_source_decodes_key_pictures_only_until_it_is_looked_at_again() -> None:
    source = Source(10.0)
    feed = SourceFeed(source, is_fast=False, reader="libav")
    feed.poll()
    assert source.told == []
    feed.rest(PACE)
    feed.rest(PACE)
    assert source.told == [DecodeMode.KEYFRAMES]
    assert feed.due_mono_s(PACE, 9.0, is_hurried=False) == 10.0
    feed.due_mono_s(PACE, 9.0, is_hurried=False)
    assert source.told == [DecodeMode.KEYFRAMES, DecodeMode.ALL]


def test_a_picture_older_than_the_last_look_is_never_due() -> None:
    feed = SourceFeed(Source(10.0), is_fast=False, reader="libav")
    feed.poll()
    assert feed.due_mono_s(PACE, 10.0, is_hurried=True) is None
    assert feed.due_mono_s(PACE, None, is_hurried=False) == 10.0

from __future__ import annotations

import threading
from datetime import UTC, datetime

import numpy as np

from xueliang_streams.frame import Frame, Planes
from xueliang_streams.newest_frame import NewestFrame


def frame(sequence: int) -> Frame:
    planes = Planes.from_bgr(np.zeros((2, 2, 3), np.uint8))
    return Frame("gate-3", sequence, planes, 0.0, datetime(2026, 1, 1, tzinfo=UTC), is_key=False)


def test_only_the_newest_is_kept_and_what_nobody_took_is_counted() -> None:
    newest = NewestFrame()
    for sequence in (1, 2, 3):
        newest.put(frame(sequence))
    taken = newest.take(newer_than=0, timeout_s=0)
    newest.put(frame(4))
    assert taken is not None
    assert taken.sequence == 3
    assert newest.dropped() == {"replaced": 2}


def test_nothing_newer_gives_none_after_the_timeout() -> None:
    newest = NewestFrame()
    newest.put(frame(1))
    assert newest.take(newer_than=1, timeout_s=0.01) is None


def test_close_releases_a_waiting_reader() -> None:
    newest = NewestFrame()
    answers: list[Frame | None] = []
    reader = threading.Thread(target=lambda: answers.append(newest.take(0, 60)))
    reader.start()
    newest.close()
    reader.join(10)
    assert answers == [None]


def test_last_frame_can_be_taken_after_the_end() -> None:
    newest = NewestFrame()
    newest.put(frame(5))
    newest.finish()
    assert newest.take(0, 60) is not None
    assert newest.take(5, 60) is None

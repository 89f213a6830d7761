"""Capture behind its Protocol: a handle is one picture and no other, an absent camera is an answer."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from xueliang_edge.background import BackgroundFiles
from xueliang_edge.capture import CaptureThreads, Look, NoPicture
from xueliang_streams.frame import Frame
from xueliang_streams.source import SourceHealth, SourceState

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
NOBODY = np.zeros((0, 4), np.float32)


class ScriptedSource:
    """Hands out frames that the test put there."""

    camera_id = "lane-east"

    def __init__(self) -> None:
        self.frames: deque[Frame] = deque()
        self.state = SourceState.STREAMING
        self.is_started = self.is_closed = False

    def put(self, sequence: int, mono_s: float, level: int = 90, size_wh: tuple[int, int] = (320, 180)) -> None:
        picture = np.full((size_wh[1], size_wh[0], 3), level, np.uint8)
        self.frames.append(Frame("lane-east", sequence, picture, mono_s, AT, True))

    def start(self) -> None:
        self.is_started = True

    def next_frame(self, newer_than: int, timeout_s: float) -> Frame | None:
        while self.frames:
            frame = self.frames.popleft()
            if frame.sequence > newer_than:
                return frame
        return None

    def health(self) -> SourceHealth:
        return SourceHealth(self.state, 0.0, problem="no route" if self.state is SourceState.OFFLINE else None)

    def close(self) -> None:
        self.is_closed = True


def capture_of(source: ScriptedSource, folder: Path) -> CaptureThreads:
    return CaptureThreads({"lane-east": source}, BackgroundFiles(folder), lambda: 100.0)


def look(capture: CaptureThreads) -> Look:
    answer = capture.look("lane-east", 100.0)
    assert isinstance(answer, Look)
    return answer


def test_a_handle_never_gives_another_picture(tmp_path: Path) -> None:
    source = ScriptedSource()
    capture = capture_of(source, tmp_path)
    source.put(1, 10.0, level=50)
    first = look(capture)
    source.put(2, 11.0, level=60)
    second = look(capture)
    assert capture.picture(first.handle) is None
    assert capture.borrow(first.handle) is None
    picture = capture.picture(second.handle)
    assert picture is not None
    assert picture[0, 0, 0] == 60


def test_earlier_pictures_are_few_recent_and_reduced(tmp_path: Path) -> None:
    source = ScriptedSource()
    capture = capture_of(source, tmp_path)
    for number in range(1, 8):
        source.put(number, 10.0 + number, level=number, size_wh=(1920, 1080))
        last = look(capture)
    borrowed = capture.borrow(last.handle)
    assert borrowed is not None
    assert borrowed.image_bgr.shape == (1080, 1920, 3)
    assert borrowed.reduced_bgr.shape == (720, 1280, 3)
    assert [picture[0, 0, 0] for picture in borrowed.earlier_bgr] == [6, 5]


def test_an_absent_camera_is_an_answer_with_its_words(tmp_path: Path) -> None:
    source = ScriptedSource()
    source.state = SourceState.OFFLINE
    assert capture_of(source, tmp_path).look("lane-east", 100.0) == NoPicture(SourceState.OFFLINE, "no route")


def test_the_scene_is_saved_at_the_end_and_found_again(tmp_path: Path) -> None:
    source = ScriptedSource()
    capture = capture_of(source, tmp_path)
    capture.start()
    for number in range(1, 15):
        source.put(number, float(number))
        capture.learn(look(capture).handle, NOBODY)
    capture.close()
    assert source.is_closed
    again = capture_of(source, tmp_path)
    assert again.health("lane-east").scene_known_share == 1.0
    source.put(20, 50.0)
    change = look(again).change
    assert change is not None
    assert change.max() == 0.0


def test_another_picture_size_begins_a_new_scene(tmp_path: Path) -> None:
    source = ScriptedSource()
    capture = capture_of(source, tmp_path)
    for number in range(1, 15):
        source.put(number, float(number))
        capture.learn(look(capture).handle, NOBODY)
    source.put(30, 30.0, size_wh=(640, 480))
    assert look(capture).change is None


def test_learning_from_a_replaced_picture_does_nothing(tmp_path: Path) -> None:
    source = ScriptedSource()
    capture = capture_of(source, tmp_path)
    source.put(1, 1.0)
    first = look(capture)
    source.put(2, 2.0)
    look(capture)
    capture.learn(first.handle, NOBODY)
    assert capture.health("lane-east").scene_known_share == 0.0

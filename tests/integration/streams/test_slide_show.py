"""Slides with times of their own, as a clip; and when a file says it was recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from xueliang_streams.errors import EncodingFailed
from xueliang_streams.recording import recording_facts
from xueliang_streams.slide_show import SlideShow


def grey(level: int, size_wh: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    return np.full((size_wh[1], size_wh[0], 3), level, np.uint8)


def test_each_slide_is_shown_from_its_own_time_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "slides.mp4.part"
    with SlideShow(path) as show:
        for at_s, level in ((0.0, 40), (0.667, 90), (3.0, 200)):
            show.add(grey(level), at_s)
        show.finish(5.0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        pictures = [(picture.time, picture.to_ndarray(format="gray").mean()) for picture in container.decode(stream)]
        assert float(stream.duration * stream.time_base) == pytest.approx(5.0, abs=0.01)
    assert [time for time, _ in pictures] == pytest.approx([0.0, 0.667, 3.0], abs=0.002)
    levels = [level for _, level in pictures]
    assert levels == sorted(levels)
    assert levels[2] - levels[0] > 100


def test_slides_that_go_back_in_time_or_have_odd_sides_are_refused(tmp_path: Path) -> None:
    with SlideShow(tmp_path / "back.mp4") as show:
        show.add(grey(10), 1.0)
        with pytest.raises(EncodingFailed, match="slide 2 is not later"):
            show.add(grey(20), 1.0)
    with SlideShow(tmp_path / "odd.mp4") as show:
        show.add(grey(10, (63, 48)), 0.0)
        with pytest.raises(EncodingFailed, match="even h and w"):
            show.finish(1.0)


@pytest.mark.parametrize(
    ("creation_time", "created_at"),
    [
        ("2026-11-20T06:30:00Z", datetime(2026, 11, 20, 6, 30, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", None),
        (None, None),
    ],
    ids=["said", "no_clock", "not_said"],
)
def test_a_file_may_say_when_it_was_recorded(
    creation_time: str | None, created_at: datetime | None, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        if creation_time is not None:
            container.metadata["creation_time"] = creation_time
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey(90), format="bgr24")))
        container.mux(stream.encode())
    facts = recording_facts(path)
    assert facts.created_at == created_at
    assert facts.length_s == pytest.approx(1.0, abs=0.11)

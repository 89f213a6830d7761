from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clips import moving_box_clip


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two seconds at 10 fps, a key picture each second, by codec; "-b" with B-pictures."""
    folder = tmp_path_factory.mktemp("clips")
    return {
        "h264": moving_box_clip(folder / "h264.mp4", seconds=2),
        "hevc": moving_box_clip(folder / "hevc.mp4", seconds=2, codec="hevc"),
        "h264-b": moving_box_clip(folder / "h264-b.mp4", seconds=2, b_frames=2),
        "hevc-b": moving_box_clip(folder / "hevc-b.mp4", seconds=2, codec="hevc", b_frames=2),
    }

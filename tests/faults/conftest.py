from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.edge.scenes import LaneScene
from tests.support.clips import moving_box_clip
from tests.support.fault_cameras import CameraHost
from tests.support.fault_cameras.clips import cloud_clip
from xueliang_streams.segments import Segment, load_segment


@pytest.fixture(scope="session")
def clip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds at 10 fps, H.264 320x240, a key picture each second."""
    path = tmp_path_factory.mktemp("clouds") / "clouds.mp4"
    cloud_clip(path)
    return path


@pytest.fixture(scope="session")
def clouds(clip_path: Path) -> Segment:
    """The clip as a camera's segment."""
    return load_segment("clouds", clip_path)


@pytest.fixture(scope="session")
def gate_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds at 10 fps, two key pictures a second."""
    return moving_box_clip(tmp_path_factory.mktemp("clips") / "gate.mp4", seconds=4, fps=10, gop=5)


@pytest.fixture
def scene(tmp_path: Path) -> LaneScene:
    """A lane that is empty until the test parks a car in it."""
    return LaneScene(tmp_path)


@pytest.fixture
def host() -> Iterator[CameraHost]:
    """Where the faulty cameras of a test live."""
    with CameraHost() as cameras:
        yield cameras

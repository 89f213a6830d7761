"""The demo's cameras: plays rendered once to short H.264 segments, then served over RTSP like any camera."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_demo.plays import Act, Play, segment_name
from xueliang_demo.scenes import FireLaneScene, PlazaScene, Scene
from xueliang_streams.encoding import encode_clip
from xueliang_streams.segments import SegmentedMount

SEGMENT_S: Final = 2.0  # how soon a scene can react; each segment begins with a key picture
SIZE_WH: Final = (1280, 720)
FPS: Final = 10
_LOOPING: Final = frozenset({"empty", "standing", "calm", "crowded"})


@dataclass(frozen=True, slots=True)
class Footage:
    """One play as files: its acts, and the segments by name."""

    acts: Mapping[str, Act]
    segments: Mapping[str, Path]

    def mount(self, play: Play, first: str) -> SegmentedMount:
        return SegmentedMount(self.segments, segment_name(first, 0), play.next_after, starts="immediately")


def lane_scene() -> FireLaneScene:
    return FireLaneScene(size_wh=SIZE_WH, fps=FPS)


def plaza_scene() -> PlazaScene:
    return PlazaScene(size_wh=SIZE_WH, fps=FPS)


def render(scene: Scene, folder: Path, say: Callable[[str], None]) -> Footage:
    """Segments of every state of the scene, kept in `folder` and made again only when the drawing code changed."""
    acts = {
        state: Act(max(1, round(length_s / SEGMENT_S)), loops=state in _LOOPING)
        for state, length_s in scene.durations_s.items()
    }
    segments = {
        segment_name(state, index): folder / f"{segment_name(state, index)}.mp4"
        for state, act in acts.items()
        for index in range(act.segments)
    }
    with _alone_in(folder):
        _make(scene, folder, acts, segments, say)
    return Footage(acts, segments)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Who comes meanwhile waits, and finds it made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(
    scene: Scene, folder: Path, acts: Mapping[str, Act], segments: Mapping[str, Path], say: Callable[[str], None]
) -> None:
    stamp, wanted = folder / "made-by.txt", _version_of_drawing()
    if stamp.exists() and stamp.read_text() == wanted and all(path.exists() for path in segments.values()):
        return
    say(f"rendering the footage of {folder.name} (once, about half a minute)")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for state, act in acts.items():
        for index in range(act.segments):
            frames = _frames(scene, state, index)
            encode_clip(segments[segment_name(state, index)], frames, scene.fps, gop=scene.fps, crf=24)
    stamp.write_text(wanted)


def _frames(scene: Scene, state: str, index: int) -> Iterator[NDArray[np.uint8]]:
    count = round(SEGMENT_S * scene.fps)
    return (scene.frame(state, (index * count + number) / scene.fps) for number in range(count))


def _version_of_drawing() -> str:
    """A hash over the code that draws: other drawing, other footage."""
    here = Path(__file__).parent
    sources = [here / "scenes.py", Path(__file__), *sorted((here / "drawing").glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()

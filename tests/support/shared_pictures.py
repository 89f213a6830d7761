"""One picture in shared memory, as a capture child would leave it: for tests of detection and stills."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.background import Scene
from xueliang_edge.evidence.masking import quiet_luma
from xueliang_edge.looks import PictureHandle, SceneHandle
from xueliang_edge.scene_slots import pack
from xueliang_streams.frame import Planes
from xueliang_streams.shared_frames import SharedFrames

REGION = 3


@dataclass(frozen=True)
class SharedPicture:
    """A region of four slots: the picture in slot 0, its scene in slot 1."""

    frames: SharedFrames
    planes: Planes
    handle: PictureHandle
    scene: SceneHandle

    @property
    def regions(self) -> dict[int, SharedFrames]:
        return {REGION: self.frames}

    @property
    def older(self) -> PictureHandle:
        """Of the picture that lay there before."""
        return replace(self.handle, generation=self.handle.generation - 2)

    def replace_picture(self) -> None:
        """What capture does when it needs the slot: this picture is gone."""
        self.frames.write(self.handle.slot, self.planes)

    def replace_scene(self) -> None:
        self.frames.write(self.scene.slot, self.planes)


@contextmanager
def shared_picture(image_bgr: NDArray[np.uint8], camera_id: str = "lane-east") -> Iterator[SharedPicture]:
    """The picture is also its whole scene, and what was there before."""
    planes = Planes.from_bgr(image_bgr)
    known = np.ones(planes.y.shape, np.bool_)
    frames = SharedFrames.create(4, 3 * planes.nbytes)
    try:
        frames.write(0, planes)
        generation = frames.write(0, planes)
        handle = PictureHandle(camera_id, REGION, 0, generation, planes.size_wh, planes.is_full_range)
        scene = pack(frames, REGION, 1, Scene(planes, known), [quiet_luma(planes)] * 2)
        yield SharedPicture(frames, planes, handle, scene)
    finally:
        frames.close()

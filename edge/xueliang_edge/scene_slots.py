"""What a still needs beside its picture, in one slot of shared memory: the scene, and how bright it was before.

Layout of the payload: the scene's planes; which of its pixels are known, a bit each, row by row; then the earlier
brightness pictures, newest first. Nothing is padded: sizes come with the handle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.background import Scene
from xueliang_edge.looks import SceneHandle
from xueliang_streams.frame import Planes
from xueliang_streams.shared_frames import SharedFrames

Wh = tuple[int, int]


def slot_bytes(scene_wh: Wh | None, earlier_wh: Wh, earlier_count: int) -> int:
    """How large the payload is."""
    return _scene_bytes(scene_wh) + earlier_count * earlier_wh[0] * earlier_wh[1]


def pack(
    frames: SharedFrames, region: int, slot: int, scene: Scene | None, earlier_luma: Sequence[NDArray[np.uint8]]
) -> SceneHandle:
    """Write scene and earlier brightness, newest first, all of one size, into a slot.

    Raises:
        ValueError: they do not fit into the slot, or their sizes differ; the slot is as it was.
    """
    shapes = {luma.shape for luma in earlier_luma}
    if len(shapes) > 1:
        raise ValueError(f"earlier pictures must be of one size, got {sorted(shapes)}")
    height, width = shapes.pop() if shapes else (0, 0)
    scene_wh = scene.planes.size_wh if scene is not None else None
    needed = slot_bytes(scene_wh, (width, height), len(earlier_luma))
    if needed > frames.slot_bytes:
        raise ValueError(f"scene of {needed} bytes does not fit into a slot of {frames.slot_bytes}")
    with frames.writing(slot) as payload:
        at = 0
        if scene is not None:
            at = scene.planes.copy_into(payload)
            known = np.packbits(scene.known)
            payload[at : at + known.size] = known.data
            at += known.size
        for luma in earlier_luma:
            np.copyto(np.frombuffer(payload, np.uint8, luma.size, at).reshape(luma.shape), luma)
            at += luma.size
    is_full_range = scene is not None and scene.planes.is_full_range
    return SceneHandle(
        region, slot, frames.generation(slot), scene_wh, is_full_range, (width, height), len(earlier_luma)
    )


def unpack(frames: SharedFrames, handle: SceneHandle) -> tuple[Scene | None, tuple[NDArray[np.uint8], ...]] | None:
    """Scene and earlier brightness, as views of the slot; None when it was replaced or does not fit.

    Whoever used them asks `frames.is_still(handle.slot, handle.generation)` afterwards.
    """
    # A handle comes from a process that reads what strangers send: its sizes are claims.
    if min(*(handle.scene_wh or (1, 1)), 1 + min(handle.earlier_wh), 1 + handle.earlier_count) < 1:
        return None
    needed = slot_bytes(handle.scene_wh, handle.earlier_wh, handle.earlier_count)
    if not frames.is_still(handle.slot, handle.generation) or needed > frames.slot_bytes:
        return None
    payload = frames.payload(handle.slot)
    scene = None
    if handle.scene_wh is not None:
        planes = Planes.from_buffer(payload, handle.scene_wh, is_full_range=handle.is_full_range)
        width, height = handle.scene_wh
        bits = np.frombuffer(payload, np.uint8, -(-width * height // 8), planes.nbytes)
        scene = Scene(planes, np.unpackbits(bits, count=width * height).reshape(height, width).astype(np.bool_))
    width, height = handle.earlier_wh
    at = _scene_bytes(handle.scene_wh)
    earlier = np.frombuffer(payload, np.uint8, handle.earlier_count * width * height, at)
    return scene, tuple(earlier.reshape(handle.earlier_count, height, width))


def _scene_bytes(scene_wh: Wh | None) -> int:
    if scene_wh is None:
        return 0
    width, height = scene_wh
    half = -(-width // 2) * -(-height // 2)
    return width * height + 2 * half + -(-width * height // 8)

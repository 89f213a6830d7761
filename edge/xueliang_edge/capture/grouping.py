"""Which cameras share a capture process, and the shared memory each process gets."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from xueliang_configs.cameras import CameraConfig
from xueliang_edge.attention.needs import need_of
from xueliang_edge.capture.camera import LARGEST_LONG_SIDE_PX
from xueliang_edge.capture.orders import CameraSpec, GroupSpec
from xueliang_edge.capture.sharing import node_reconnects_per_s, shares_per_s
from xueliang_streams.shared_frames import SHARED_MEMORY, SharedFrames, require_room
from xueliang_streams.source import Pace

SLOTS_AT_MOST: Final = 6  # looks on their way at a time; each is back within some 20 ms
SCENE_SLOTS: Final = 1
# The largest picture is square at worst; cameras are 16:9 or 4:3.
SLOT_BYTES: Final = LARGEST_LONG_SIDE_PX * (LARGEST_LONG_SIDE_PX * 3 // 4) * 3 // 2


def group_cameras(
    cameras: Sequence[CameraConfig], per_process: int, background_dir: Path, pace: Pace
) -> list[GroupSpec]:
    """Groups of nearly equal size, at most `per_process` cameras each, in the order of the settings."""
    count = -(-len(cameras) // per_process)
    shares = shares_per_s([0] * count, node_reconnects_per_s(len(cameras)))
    return [
        GroupSpec(
            region=region,
            cameras=tuple(spec_of(camera, pace) for camera in cameras[region::count]),
            slots=min(SLOTS_AT_MOST, len(cameras[region::count])) + SCENE_SLOTS,
            slot_bytes=SLOT_BYTES,
            background_dir=str(background_dir),
            reconnects_per_s=shares[region],
        )
        for region in range(count)
    ]


def reserve(groups: Sequence[GroupSpec], *, folder: Path = SHARED_MEMORY) -> tuple[list[GroupSpec], list[SharedFrames]]:
    """Shared memory for every group, all of it or none.

    Raises:
        SharedMemoryTooSmall: the message names the bytes that all groups need and those free, and what to try.
    """
    require_room([(group.slots, group.slot_bytes) for group in groups], folder=folder)
    with ExitStack() as undo:
        frames = []
        for group in groups:
            frames.append(SharedFrames.create(group.slots, group.slot_bytes, folder=folder))
            undo.callback(frames[-1].close)
        undo.pop_all()
    return [replace(group, fd=one.fd) for group, one in zip(groups, frames, strict=True)], frames


def spec_of(camera: CameraConfig, pace: Pace) -> CameraSpec:
    """A camera's settings as plain values, with its passwords: never print it."""
    return CameraSpec(
        camera_id=camera.camera_id,
        main_url=address_of(camera),
        sub_url=camera.sub_url.reveal() if camera.sub_url is not None else None,
        is_recording=camera.url.scheme == "file",
        is_fast=is_fast(camera, pace),
        gap_s=need_of(camera).largest_gap_s,
        stall_after_s=camera.stall_after_s,
        privacy_zones_xyn=tuple(tuple(zone) for zone in camera.privacy_zones),
        view_ids=camera.told_apart,
    )


def address_of(camera: CameraConfig) -> str:
    """The camera's address with its password, or the path of its recording. Never print it."""
    return camera.url.reveal().removeprefix("file:") if camera.url.scheme == "file" else camera.url.reveal()


def is_fast(camera: CameraConfig, pace: Pace) -> bool:
    """True for a recording that is read as fast as possible."""
    return camera.url.scheme == "file" and pace is Pace.FAST

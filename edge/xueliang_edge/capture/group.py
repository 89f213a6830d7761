"""The loop of a capture child: poll every camera, decode what is most urgent, hand it over in shared memory.

Invariants
    - One thread. Sockets that are due are read first; between two such rounds decoding goes on, earliest deadline
      first. What is still undecoded then is due again, or was replaced by something newer.
    - One look a camera is out at a time; without a free slot nothing is decoded. So neither memory nor the pipe to the
      supervisor ever grows, however slow it is.
    - A slot belongs to whoever holds its handle until `Release`; then its generation changes with the next picture.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Final

from xueliang_edge.background import BackgroundFiles
from xueliang_edge.capture.camera import LARGEST_LONG_SIDE_PX, CapturedCamera
from xueliang_edge.capture.orders import (
    GroupSpec,
    LearnView,
    LendScene,
    Lent,
    Order,
    Release,
    RenewView,
    SetPace,
    ShareReconnects,
)
from xueliang_edge.looks import GOOD_VIEW, CaptureHealth, Look, PictureHandle, StreamName, ViewSign
from xueliang_edge.scene_slots import pack
from xueliang_streams.frame import Planes, Wh, fitted_wh, planes_bytes
from xueliang_streams.reconnects import Reconnects
from xueliang_streams.rtsp.reader import SCRATCH_BYTES
from xueliang_streams.shared_frames import SharedFrames

log = logging.getLogger(__name__)

SAVER_WAITS_S: Final = 4.0
READERS_WAIT_S: Final = 5.0  # from the beginning of `close`, all cameras together; the child is killed after 6
FAILED_PAUSE_S: Final = 1.0
TOGETHER_S: Final = 0.03  # cameras whose turn is so near are read in the same round: fewer rounds, less overhead


class CameraGroup:
    """The cameras of one child. Belongs to one thread, apart from the thread that writes scenes to the disk."""

    def __init__(
        self,
        spec: GroupSpec,
        frames: SharedFrames,
        *,
        wall: Callable[[], datetime],
        mono: Callable[[], float],
    ) -> None:
        self._spec, self._frames, self._mono = spec, frames, mono
        files = BackgroundFiles(Path(spec.background_dir))
        dice = Random()  # noqa: S311 - spreads reconnects, keeps no secret
        scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._reconnects = Reconnects(spec.reconnects_per_s, mono())
        self._saver = _Saver(files)
        self.faults: Counter[str] = self._saver.faults
        self.cameras = {
            one.camera_id: CapturedCamera(
                one,
                files,
                wall=wall,
                mono=mono,
                rng=dice,
                scratch=scratch,
                reconnects=self._reconnects,
                faults=self.faults,
            )
            for one in spec.cameras
        }
        self._free = list(range(spec.slots - 1))
        self._scene_slot = spec.slots - 1
        self._out: dict[int, PictureHandle] = {}
        self.rounds = 0
        self.lag_s = 0.0

    def start(self) -> None:
        for camera in self.cameras.values():
            camera.start()

    def poll(self) -> None:
        """Begin a round: input and output of every camera whose time has come."""
        self.rounds += 1
        self.lag_s = 0.0
        now = self._mono()
        for camera_id, camera in self.cameras.items():
            if camera.next_poll_mono_s > now + TOGETHER_S:
                continue
            try:
                camera.poll()
            except Exception:
                self._failed(camera_id)
                camera.next_poll_mono_s = now + FAILED_PAUSE_S

    @property
    def next_poll_mono_s(self) -> float:
        """When the next round should begin."""
        return min((camera.next_poll_mono_s for camera in self.cameras.values()), default=self._mono() + 1.0)

    def next_look(self) -> Look | None:
        """Decode the most urgent due picture that there is a slot for. None: nothing is due now."""
        if not self._free:
            return None
        due = [(at, name) for name, one in self.cameras.items() if (at := self._due(name, one)) is not None]
        for deadline, camera_id in sorted(due):
            self.lag_s = max(self.lag_s, self._mono() - deadline)
            try:
                look = self._look(camera_id, self.cameras[camera_id])
            except Exception:
                self._failed(camera_id)
                continue
            if look is not None:
                return look
        return None

    def obey(self, order: Order) -> Lent | None:
        """Do what was ordered; a defect in one camera's pictures ends neither the others nor the loop."""
        if isinstance(order, ShareReconnects):
            self._reconnects.set_rate(order.per_s, self._mono())
            return None
        camera_id = order.handle.camera_id if isinstance(order, Release | LendScene) else order.camera_id
        try:
            if isinstance(order, LendScene):
                return self.lend(order)
            if isinstance(order, Release):
                self.release(order)
            elif isinstance(order, SetPace):
                self.cameras[camera_id].pace = order.pace
            elif isinstance(order, LearnView | RenewView):
                self.cameras[camera_id].order_view(order)
            else:
                self.cameras[camera_id].is_hurried = True
        except Exception:
            self._failed(camera_id)
            return Lent(order.ticket, None) if isinstance(order, LendScene) else None
        return None

    def release(self, order: Release) -> None:
        """Free the slot; let the picture teach before. A handle that is not out (an earlier child's) is nothing."""
        handle = order.handle
        if self._out.get(handle.slot) != handle:
            return
        del self._out[handle.slot]
        self._free.append(handle.slot)
        camera = self.cameras[handle.camera_id]
        camera.is_out = False
        planes = self._frames.read(handle.slot, handle.generation, handle.size_wh, handle.is_full_range)
        if planes is None:
            return
        camera.released(planes, order)
        for name, background in camera.scenes_to_save():
            self._saver.save(name, background.to_bytes())

    def lend(self, order: LendScene) -> Lent:
        """What a still of the picture in hand needs, in the scene slot; a picture that is not out gets nothing."""
        if self._out.get(order.handle.slot) != order.handle:
            return Lent(order.ticket, None)
        scene, earlier = self.cameras[order.handle.camera_id].scene_parts()
        return Lent(order.ticket, pack(self._frames, self._spec.region, self._scene_slot, scene, earlier))

    def health(self) -> Mapping[str, CaptureHealth]:
        return {name: camera.health() for name, camera in self.cameras.items()}

    def close(self) -> None:
        """Stop reading, save what was learnt. Bounded."""
        ends = self._mono() + READERS_WAIT_S
        for camera in self.cameras.values():
            camera.close()
        for camera in self.cameras.values():
            for name, background in camera.scenes():
                self._saver.save(name, background.to_bytes())
        self._saver.close(SAVER_WAITS_S)
        for camera_id, camera in self.cameras.items():
            if not camera.is_closed(max(0.0, ends - self._mono())):
                log.warning("reader left to its deadline", extra={"camera_id": camera_id})

    def _due(self, camera_id: str, camera: CapturedCamera) -> float | None:
        try:
            return camera.due_mono_s()
        except Exception:
            self._failed(camera_id)
            return None

    def _look(self, camera_id: str, camera: CapturedCamera) -> Look | None:
        taken = camera.take()
        if taken is None:
            return None
        decoded, stream = taken
        planes = decoded.planes
        size_wh = _fitting_wh(planes.size_wh, self._frames.slot_bytes)
        slot = self._free[0]  # taken below, when nothing can fail any more
        with self._frames.writing(slot) as payload:
            planes.copy_into(payload, size_wh)
            written = Planes.from_buffer(payload, size_wh, is_full_range=planes.is_full_range)
            camera.hide_private(written)
        camera.measure(written, planes.size_wh, stream)
        view = self._view(camera_id, camera, written, stream)  # first: it says with which scene to compare
        if decoded.follows_damage and view.is_good:
            view = replace(view, is_doubtful=True)  # what is not seen may be hidden by damage
        change, moved = camera.compare(written)
        generation = self._frames.generation(slot)
        handle = PictureHandle(camera_id, self._spec.region, slot, generation, size_wh, planes.is_full_range)
        self._out[self._free.pop(0)] = handle
        camera.is_out = True
        return Look(
            handle=handle,
            observed_mono_s=decoded.arrival.mono_s,
            observed_at=decoded.arrival.at,
            frame_size_wh=planes.size_wh,
            change=change,
            moved=moved,
            stream=stream,
            is_key=decoded.is_key,
            decode_ms=decoded.decode_ms,
            view=view,
        )

    def _view(self, camera_id: str, camera: CapturedCamera, planes: Planes, stream: StreamName) -> ViewSign:
        """A defect in judging the view costs that verdict, never the look."""
        try:
            return camera.judge_view(planes, stream)
        except Exception:
            self._failed(camera_id)
            return ViewSign(is_doubtful=True) if camera.spec.view_ids else GOOD_VIEW

    def _failed(self, camera_id: str) -> None:
        """A defect in one camera's pictures must not end the others: said once a camera, then counted."""
        self.faults[f"camera_failed:{camera_id}"] += 1
        if self.faults[f"camera_failed:{camera_id}"] == 1:
            log.exception("camera failed in the capture loop", extra={"camera_id": camera_id})


def _fitting_wh(size_wh: Wh, limit_bytes: int) -> Wh:
    """Brought down to what detectors and stills can use, and to what fits into a slot whatever its shape."""
    size_wh = fitted_wh(size_wh, LARGEST_LONG_SIDE_PX)
    while (needed := planes_bytes(size_wh)) > limit_bytes:
        size_wh = fitted_wh(size_wh, int(max(size_wh) * 0.98 * (limit_bytes / needed) ** 0.5))
    return size_wh


class _Saver:
    """Writes scenes in a thread of its own: a slow disk never holds up a camera."""

    def __init__(self, files: BackgroundFiles) -> None:
        self._files = files
        self.faults: Counter[str] = Counter()
        self._work: queue.Queue[tuple[str, bytes] | None] = queue.Queue(maxsize=64)
        self._thread = threading.Thread(target=self._run, name="scenes to disk", daemon=True)
        self._thread.start()

    def save(self, camera_id: str, data: bytes) -> None:
        try:
            self._work.put_nowait((camera_id, data))
        except queue.Full:
            self.faults["background_not_saved"] += 1

    def close(self, timeout_s: float) -> None:
        try:
            self._work.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            camera_id, data = work
            try:
                self._files.save_bytes(camera_id, data)
            except OSError as error:
                self.faults["background_not_saved"] += 1
                log.warning("background not saved", extra={"camera_id": camera_id, "why": str(error)})

"""The peers, written as people write them, with the product's model through the product's detector.

    python -m tests.bench.edge_bench.peer_program PLAN.json

- naive: OpenCV decodes every picture to BGR; the detector looks at five a second.
- ffmpeg_pipe: one ffmpeg per camera pipes five 640-pixel pictures a second; the detector looks at those with motion.
- keyframe_pipe: one ffmpeg per camera pipes key pictures only; the detector looks every 4 s, on busy cameras every 2 s.

One thread and one detector session a camera; every library is held to one thread, which is to the peers' advantage.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.bench.edge_bench.rules import (
    BUSY_LOOK_EVERY_S,
    CLEAR_AFTER_S,
    DETECT_FPS,
    DWELL_S,
    LANE_RULE,
    LOOK_EVERY_S,
)
from tests.bench.edge_bench.standing import MotionGate, StandingWatch
from tests.bench.edge_bench.systems import write_whole
from xueliang_models.catalogue import open_detector

Image = NDArray[np.uint8]
PIPED_WH: Final = (640, 360)
AFTER_MOTION_S: Final = 1.0  # the gate stays open a little: boxes that flicker would lose their dwell
COUNTS_EVERY_S: Final = 0.5
EARLY_S: Final = 0.3  # key pictures come a little early or late: so near its time a look is due


class Looker:
    """The detector and the zone of one camera; belongs to the camera's thread."""

    def __init__(self, camera: dict[str, Any], model: str, look_every_s: float) -> None:
        self._detector = open_detector(model)
        self._watch = StandingWatch(
            camera["zone"],
            dwell_s=DWELL_S,
            clear_after_s=CLEAR_AFTER_S,
            patience_s=max(2.0, 1.5 * look_every_s),
        )

    def look(self, image_bgr: Image, now_s: float) -> bool:
        """True when an alert begins."""
        found = self._detector.detect(image_bgr)
        kept = np.flatnonzero(found.scores >= self._detector.recommended_score)
        height, width = image_bgr.shape[:2]
        boxes = (found.boxes_xyxy[kept] / np.array([width, height, width, height])).astype(np.float32)
        names = [self._detector.classes[index] for index in found.class_ids[kept]]
        return self._watch.look(boxes, names, now_s)


class Counts:
    """What the bench wants to know, shared by the cameras' threads."""

    def __init__(self) -> None:
        self.looks: Counter[str] = Counter()
        self.pictures = 0
        self.detections = 0
        self.alerts: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def looked(self, camera_id: str, *, with_detector: bool, raised: bool = False) -> None:
        with self._lock:
            self.looks[camera_id] += 1
            self.detections += with_detector
            if raised:
                alert = {"camera_id": camera_id, "hazard": LANE_RULE, "mono_s": time.monotonic()}
                self.alerts.append(alert)

    def decoded(self) -> None:
        with self._lock:
            self.pictures += 1

    def as_json(self) -> dict[str, Any]:
        with self._lock:
            return {
                "looks": dict(self.looks),
                "counted_mono_s": time.monotonic(),
                "pictures": self.pictures,
                "detections": self.detections,
                "alerts": list(self.alerts),
            }


def watch_naively(camera: dict[str, Any], model: str, counts: Counts) -> None:
    looker = Looker(camera, model, 1 / DETECT_FPS)
    stream = cv2.VideoCapture(camera["url"], cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    due_s = 0.0
    while True:
        came, picture = stream.read()
        if not came:
            raise RuntimeError(f"{camera['camera_id']}: no more pictures")
        counts.decoded()
        now = time.monotonic()
        if now >= due_s:
            due_s = max(due_s + 1 / DETECT_FPS, now - 1 / DETECT_FPS)
            raised = looker.look(cast(Image, picture), now)
            counts.looked(camera["camera_id"], with_detector=True, raised=raised)


def watch_pipe(camera: dict[str, Any], model: str, counts: Counts) -> None:
    looker, gate = Looker(camera, model, 1 / DETECT_FPS), MotionGate()
    open_until_s = 0.0
    for picture in piped(camera["url"], [], f"fps={DETECT_FPS:g},scale={PIPED_WH[0]}:{PIPED_WH[1]}"):
        counts.decoded()
        now = time.monotonic()
        if gate.moves(picture):
            open_until_s = now + AFTER_MOTION_S
        is_open = now < open_until_s
        raised = is_open and looker.look(picture, now)
        counts.looked(camera["camera_id"], with_detector=is_open, raised=raised)


def watch_key_pictures(camera: dict[str, Any], model: str, counts: Counts) -> None:
    every_s = BUSY_LOOK_EVERY_S if camera["is_busy"] else LOOK_EVERY_S
    looker = Looker(camera, model, every_s)
    due_s = 0.0
    for picture in piped(camera["url"], ["-skip_frame", "nokey"], f"scale={PIPED_WH[0]}:{PIPED_WH[1]}"):
        counts.decoded()
        now = time.monotonic()
        if now >= due_s - EARLY_S:
            due_s = now + every_s
            raised = looker.look(picture, now)
            counts.looked(camera["camera_id"], with_detector=True, raised=raised)


def piped(url: str, before_input: list[str], picture_filter: str) -> Iterator[Image]:
    """BGR pictures of `PIPED_WH` from an ffmpeg process of its own. The array is used again for the next one."""
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-threads", "1", *before_input, "-rtsp_transport", "tcp"]
    command += ["-i", url, "-an", "-filter_threads", "1", "-vf", picture_filter, "-vsync", "passthrough"]
    command += ["-pix_fmt", "bgr24", "-f", "rawvideo", "pipe:1"]
    width, height = PIPED_WH
    picture = np.empty((height, width, 3), np.uint8)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdout is not None
        while _read_whole(ffmpeg.stdout.fileno(), picture.data.cast("B")):
            yield picture
    raise RuntimeError(f"ffmpeg ended with status {ffmpeg.returncode}")


def _read_whole(descriptor: int, target: memoryview) -> bool:
    filled = 0
    while filled < len(target):
        got = os.readv(descriptor, [target[filled:]])
        if got == 0:
            return False
        filled += got
    return True


WATCHERS: Final[dict[str, Callable[[dict[str, Any], str, Counts], None]]] = {
    "naive": watch_naively,
    "ffmpeg_pipe": watch_pipe,
    "keyframe_pipe": watch_key_pictures,
}


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    cv2.setNumThreads(1)
    counts, ended = Counts(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())

    def watch(camera: dict[str, Any]) -> None:
        try:
            WATCHERS[plan["kind"]](camera, plan["model"], counts)
        finally:
            ended.set()

    for camera in plan["cameras"]:
        threading.Thread(target=watch, args=(camera,), daemon=True).start()
    while not ended.wait(COUNTS_EVERY_S):
        write_whole(Path(plan["counts"]), counts.as_json())
    os._exit(0)  # the threads are inside libraries that cannot be asked to stop


if __name__ == "__main__":
    main()

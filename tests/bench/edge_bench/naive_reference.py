"""What the naive peer finds: every picture of a clip decoded, the detector at five a second, the peer's own dwell.

It runs on the clip itself, as fast as it can: watched live, the naive peer would need the better part of an hour of two
cores for as many onsets as the node watches in minutes. Nothing of what it sees depends on the clock.
"""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

from tests.bench.edge_bench.peer_program import Looker
from tests.bench.edge_bench.recall import LATE_S
from tests.bench.edge_bench.recipes import Scene
from tests.bench.edge_bench.rules import DETECT_FPS


def found_by_naive(scene: Scene, clip: Path, model: str) -> set[int]:
    """The numbers of the scene's onsets that it raises an alert for."""
    cv2.setNumThreads(1)
    looker = Looker({"zone": scene.zone}, model, 1 / DETECT_FPS)
    raised_s = []
    with av.open(str(clip)) as container:
        due_s = 0.0
        for frame in container.decode(video=0):
            if frame.time >= due_s:
                due_s += 1 / DETECT_FPS
                if looker.look(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8), frame.time):
                    raised_s.append(frame.time)
    return {
        number
        for number, (stands_s, leaves_s) in enumerate(scene.onsets)
        if any(stands_s <= at <= leaves_s + LATE_S for at in raised_s)
    }

"""What a node asks of its detector about one picture, for tests and benches that have neither cameras nor processes.

The whole picture first, then closer crops and tiles as the rules and what they have seen so far make the node ask.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.cameras import CameraConfig
from xueliang_edge.attention.levels import attend
from xueliang_edge.attention.overload import Degradation
from xueliang_edge.attention.signs import signs_of
from xueliang_edge.detection import OpenDetector, Seen, Xyxyn
from xueliang_edge.detector_work import found_in
from xueliang_edge.looks import Look, PictureHandle
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.pipeline import KEPT_SCORE
from xueliang_edge.rules.judge import CameraJudge
from xueliang_edge.watched_camera import InHand, WatchedCamera, WatchedRules
from xueliang_models.detector import Detector
from xueliang_streams.frame import Planes

DETECTOR: Final = "objects"
Ask = Callable[[Xyxyn | None], Seen]


def asking_camera(config: CameraConfig, detector: Detector) -> WatchedCamera:
    """A camera whose pictures this detector sees, one after the other as fast as they come."""
    sizes_wh = {DETECTOR: detector.input_size_wh}
    return WatchedCamera(WatchedRules.of(config), CameraJudge(config), input_sizes_wh=sizes_wh, is_fast=True)


def detected(detector: Detector, planes: Planes, part: Xyxyn | None) -> Seen:
    """What it finds in the picture, or in a part of it."""
    opened = OpenDetector(detector, detector.recommended_score)
    answer = found_in(opened, planes, part)
    assert not isinstance(answer, str), answer
    return Seen(*answer, detector.digest, opened.confident_score)


def asked(camera: WatchedCamera, size_wh: tuple[int, int], t: float, at: datetime, ask: Ask) -> Seen:
    """Everything the node would ask about this picture, joined as it joins it."""
    look = Look(PictureHandle(camera.config.camera_id, 0, 0, 0, size_wh), t, at, size_wh, None)
    in_hand = InHand(camera, look, [DETECTOR], camera.questions(DETECTOR, look))
    while in_hand.to_ask:
        _, part = in_hand.to_ask.pop(0)
        in_hand.answer(DETECTOR, part, ask(part))
    seen = in_hand.answers[DETECTOR]
    assert isinstance(seen, Seen)
    return seen


def observation_of(
    seen: Seen, camera_id: str, size_wh: tuple[int, int], t: float, at: datetime, change: NDArray[np.float32] | None
) -> Observation:
    """What the rules get of it; not tracked yet."""
    kept = np.flatnonzero(seen.scores >= KEPT_SCORE)
    return Observation(
        camera_id=camera_id,
        observed_mono_s=t,
        observed_at=at,
        view=ViewState.GOOD,
        boxes_xyxyn=seen.boxes_xyxyn[kept],
        scores=seen.scores[kept],
        class_names=tuple(seen.class_names[index] for index in kept),
        track_ids=np.full(len(kept), -1, np.int64),
        frame_size_wh=size_wh,
        model_digest=seen.model_digest,
        confident_score=seen.confident_score,
        change=change,
    )


def attend_after(camera: WatchedCamera, observation: Observation) -> None:
    """How closely the next picture is looked at follows from this one, which its rules have judged."""
    signs = signs_of(
        camera.config.rules,
        camera.judge.episodes,
        [observation],
        None,
        camera.near_zones,
        camera.input_wh,
        now_mono_s=observation.observed_mono_s,
    )
    camera.attention, camera.plan = attend(
        camera.attention, signs, camera.need, camera.has_sub, Degradation.NONE, observation.observed_mono_s
    )

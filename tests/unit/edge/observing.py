"""Observations made up for rule tests: where things are is a function of time, so the right answer is known exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.cameras import CameraConfig
from xueliang_edge.observations import NO_TRACK, Observation, ViewFault, ViewState, blind
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LANE = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9], [0.1, 0.9]]
LINE = [[0.5, 1.0], [0.5, 0.0]]
Thing = tuple[str, float, tuple[float, float, float, float]]
"""class, score, box left top right bottom in 0..1"""

CAR: Thing = ("car", 0.8, (0.3, 0.4, 0.5, 0.8))


def seen(
    at_s: float,
    things: Sequence[Thing] = (),
    *,
    change: NDArray[np.float32] | None = None,
    track_ids: Sequence[int] | None = None,
    view: ViewState = ViewState.GOOD,
    mono_start_s: float = 1000.0,
    wall_start: datetime = START,
    detector: str = "objects",
    is_carried: bool = False,
    view_fault: ViewFault | None = None,
    view_figure: float = 0.0,
) -> Observation:
    """What camera "lane" showed `at_s` seconds after the start."""
    mono_s, at = mono_start_s + at_s, wall_start + timedelta(seconds=at_s)
    if view_fault is not None:
        wrong = {"view_fault": view_fault, "view_figure": view_figure}
        return blind("lane", ViewState.UNKNOWN, mono_s=mono_s, at=at, detector=detector, **wrong)  # type: ignore[arg-type]
    if view is not ViewState.GOOD:
        return blind("lane", view, mono_s=mono_s, at=at, detector=detector)
    return Observation(
        camera_id="lane",
        observed_mono_s=mono_s,
        observed_at=at,
        view=view,
        boxes_xyxyn=np.array([box for _, _, box in things], dtype=np.float32).reshape(-1, 4),
        scores=np.array([score for _, score, _ in things], dtype=np.float32),
        class_names=tuple(name for name, _, _ in things),
        track_ids=np.array(track_ids if track_ids is not None else [NO_TRACK] * len(things), dtype=np.int64),
        frame_size_wh=(1280, 720),
        model_digest="a" * 64,
        confident_score=0.35,
        change=change,
        detector=detector,
        is_carried=is_carried,
    )


def camera(*rules: dict[str, Any]) -> CameraConfig:
    """A camera with these rules; `rule_id` and `zone` are filled in where they are left out."""
    whole = []
    for number, rule in enumerate(rules):
        base: dict[str, Any] = {"rule_id": f"r{number}"}
        if rule["hazard"] == "line_crossing":
            base["line"] = LINE
        elif rule["hazard"] != "camera_fault":
            base["zone"] = LANE
        whole.append(base | rule)
    return CameraConfig.model_validate({"camera_id": "lane", "name": "lane", "url": "file:lane.mp4", "rules": whole})


def lane_rule(**settings: Any) -> dict[str, Any]:
    return {"hazard": "fire_lane_obstruction", "dwell_s": 10, "clear_after_s": 3} | settings


def judged(judge: CameraJudge, observations: Iterable[Observation]) -> list[Decision]:
    """All decisions of all looks, in order."""
    return [item.decision for observation in observations for item in judge.look(observation)]


def after_s(decision: Decision) -> float:
    """Seconds from the start to the look behind the decision."""
    return decision.observed.mono_s - 1000.0


def told(decisions: Sequence[Decision]) -> list[tuple[str, float]]:
    """Phase and seconds from the start, for comparing stories."""
    return [(decision.phase.value, round(after_s(decision), 3)) for decision in decisions]


def times(end_s: float, every_s: float = 0.5, start_s: float = 0.0) -> list[float]:
    return [start_s + index * every_s for index in range(round((end_s - start_s) / every_s) + 1)]

"""The product's own rule over the looks of a case, as the node judges them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.bench.rules_bench.counting import Told
from xueliang_alerts.contract import Phase
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.observations import Observation
from xueliang_edge.rules.judge import CameraJudge


def told_by_us(observations: Sequence[Observation], rule: dict[str, Any]) -> list[Told]:
    judge = CameraJudge(camera_of([rule]))
    decisions = (one.decision for observation in observations for one in judge.look(observation))
    return [Told(one.began.mono_s, one.raised.mono_s) for one in decisions if one.phase is Phase.RAISED]


def camera_of(rules: Sequence[dict[str, Any]]) -> CameraConfig:
    return CameraConfig.model_validate(
        {"camera_id": "made-up", "name": "made-up", "url": "file:x", "rules": list(rules)}
    )

"""What a node says at its start of rules that it cannot judge."""

from __future__ import annotations

from typing import Any, cast

import pytest

from xueliang_configs.cameras import CameraConfig
from xueliang_edge.reporting import rules_not_running
from xueliang_models.detector import Detector

WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]]


class Knows:
    """A detector as far as its classes go."""

    model_id = "a-model"

    def __init__(self, *classes: str) -> None:
        self.classes = classes


def camera(**rule: Any) -> CameraConfig:
    rules = [{"rule_id": "one", "zone": WHOLE, **rule}]
    return CameraConfig.model_validate(
        {"camera_id": "yard", "name": "yard", "url": "rtsp://10.0.0.9/1", "rules": rules}
    )


def said(watched: CameraConfig, **detectors: Knows) -> str | None:
    found = rules_not_running([watched], cast("dict[str, Detector]", detectors))
    return found[0].reason if found else None


@pytest.mark.parametrize(
    "detectors",
    [{}, {"objects": Knows("person", "car")}, {"objects": Knows("person"), "flames": Knows("fire", "smoke")}],
    ids=["none", "one_without_fire", "one_that_knows_fire"],
)
@pytest.mark.parametrize("named", ["objects", "flames"])
def test_fire_and_smoke_cannot_be_judged_yet_whatever_model_is_there(detectors: dict[str, Knows], named: str) -> None:
    watched = camera(hazard="fire_smoke", detector=named)
    assert said(watched, **detectors) == "this version cannot judge fire_smoke yet"


def test_a_model_that_knows_none_of_the_classes_is_named_with_what_to_do() -> None:
    reason = said(camera(hazard="crowd", raise_at_count=5, clear_at_count=2), objects=Knows("car"))
    assert reason is not None
    assert "a-model" in reason
    assert "bring a model" in reason


def test_a_rule_that_can_be_judged_is_not_mentioned() -> None:
    assert said(camera(hazard="crowd", raise_at_count=5, clear_at_count=2), objects=Knows("person")) is None

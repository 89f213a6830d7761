"""What a node says at its start of rules that it cannot judge."""

from __future__ import annotations

from typing import Any

from xueliang_configs.cameras import CameraConfig
from xueliang_edge.detection import OpenedModel
from xueliang_edge.reporting import rules_not_running

WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]]


def knows(*classes: str, warm_ms: float = 7.0) -> OpenedModel:
    """A detector as far as its classes and its speed go."""
    return OpenedModel("objects", "a-model", "0" * 64, classes, 0.4, warm_ms, (416, 416))


def camera(**rule: Any) -> CameraConfig:
    rules = [{"rule_id": "one", "zone": WHOLE, **rule}]
    return CameraConfig.model_validate(
        {"camera_id": "yard", "name": "yard", "url": "rtsp://10.0.0.9/1", "rules": rules}
    )


def said(watched: CameraConfig, **detectors: OpenedModel) -> str | None:
    found = rules_not_running([watched], detectors)
    return found[0].reason if found else None


def test_a_model_without_fire_cannot_see_fire() -> None:
    fire = camera(hazard="fire_smoke")
    reason = said(fire, objects=knows("person", "car"))
    assert reason is not None
    assert "knows none of fire, smoke, only person, car; bring a model that does" in reason
    assert said(camera(hazard="fire_smoke", detector="flames"), flames=knows("fire", "smoke")) is None


def test_a_detector_that_is_not_there_is_named_with_those_that_are() -> None:
    reason = said(camera(hazard="water_level", detector="flames"), objects=knows("person"))
    assert reason == 'there is no detector "flames" (configured: objects); add it under detectors'


def test_a_class_the_model_does_not_know_is_told_with_those_it_does() -> None:
    reason = said(camera(hazard="intrusion", classes=["person", "bycicle"]), objects=knows("person", "bicycle"))
    assert reason is not None
    assert 'has no class "bycicle", only person, bicycle; did you mean "bicycle"?' in reason


def test_classes_nobody_wrote_may_be_missing_in_part() -> None:
    assert said(camera(hazard="fire_smoke"), objects=knows("smoke")) is None


def test_what_changed_needs_a_detector_that_knows_who_passes() -> None:
    debris = camera(hazard="debris_on_road")
    reason = said(debris, objects=knows("fire", "smoke"))
    assert reason is not None
    assert "does not know person, car, only fire, smoke: who passes would be taken for a change" in reason
    assert said(debris, objects=knows("person", "car")) is None


def test_a_model_that_knows_none_of_the_classes_is_named_with_what_to_do() -> None:
    reason = said(camera(hazard="crowd", raise_at_count=5, clear_at_count=2), objects=knows("car"))
    assert reason is not None
    assert "a-model" in reason
    assert "bring a model" in reason


def test_a_rule_that_can_be_judged_is_not_mentioned() -> None:
    assert said(camera(hazard="crowd", raise_at_count=5, clear_at_count=2), objects=knows("person")) is None


def test_a_need_that_no_schedule_can_meet_on_this_machine_is_refused_with_the_arithmetic() -> None:
    crowd = camera(hazard="crowd", raise_at_count=5, clear_at_count=2)
    reason = said(crowd, objects=knows("person", warm_ms=2400.0))
    assert reason is not None
    assert "2400 / 1 s = 2400 ms of CPU a second, and one session has 850" in reason
    assert "look_every_s" in reason

"""P03: however the masker fails, no unmasked picture is kept or named, and every alert goes on without one, counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.support.shared_pictures import SharedPicture, shared_picture
from xueliang_alerts.contract import EndReason, EvidenceKind, EvidenceRef, Phase, Severity
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.detection import OpenDetector
from xueliang_edge.detection_in_process import DetectionInProcess
from xueliang_edge.evidence import gathering
from xueliang_edge.evidence.gathering import Gatherer, due_kind
from xueliang_edge.evidence.uploading import EvidenceStore
from xueliang_edge.looks import Look, PictureHandle
from xueliang_edge.rules.episodes import Decision, Moment, Why
from xueliang_models.detections import Detections
from xueliang_models.errors import InferenceError
from xueliang_models.pictures import Picture

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
CAMERA = CameraConfig.model_validate(
    {
        "camera_id": "lane-east",
        "name": "东巷",
        "url": "rtsp://10.0.0.9/1",
        "rules": [
            {"rule_id": "lane", "hazard": "fire_lane_obstruction", "zone": [[0, 0], [1, 0], [1, 1], [0, 1]]},
            {"rule_id": "away", "hazard": "camera_fault", "fault": "offline"},
        ],
    }
)
GREY = np.full((240, 320, 3), 127, np.uint8)


def look(handle: PictureHandle) -> Look:
    return Look(handle, 10.0, AT, (320, 240), None)


def decision(phase: Phase = Phase.RAISED, end_reason: EndReason | None = None) -> Decision:
    moment = Moment(10.0, AT, 10.0)
    return Decision(
        phase=phase,
        end_reason=end_reason,
        began=moment,
        raised=moment,
        observed=moment,
        ended=moment if phase is Phase.CLEARED else None,
        severity=Severity.ORANGE,
        confidence=0.8,
        boxes_xyxyn=((0.2, 0.2, 0.6, 0.6),),
        measures={},
        reason=Why("lane_blocked", "blocked"),
    )


class Masker:
    model_id, digest, input_size_wh, recommended_score = "masker", "0" * 64, (320, 240), 0.4

    def __init__(self, answer: Callable[[], Detections], classes: tuple[str, ...] = ("person",)) -> None:
        self.answer, self.classes = answer, classes

    def detect(self, picture: Picture, min_score: float = 0.1) -> Detections:
        return self.answer()

    def close(self) -> None:
        pass


def served(masker: Masker, picture: SharedPicture) -> DetectionInProcess:
    detectors = {"objects": OpenDetector(masker, 0.4)}
    return DetectionInProcess(detectors, picture.regions, mono=time.monotonic, cpu=time.thread_time)


def one_person() -> Detections:
    return Detections(np.array([[5, 5, 30, 60]], np.float32), np.array([0.5], np.float32), np.zeros(1, np.int64))


def not_a_number() -> Detections:
    found = one_person()
    found.scores[:] = np.nan
    return found


def infinite_box() -> Detections:
    found = one_person()
    found.boxes_xyxy[0, 2] = np.inf
    return found


def killed() -> Detections:
    raise InferenceError("the runtime is gone")


def slow() -> Detections:
    time.sleep(0.01)
    return one_person()


@pytest.mark.parametrize(
    ("answer", "classes", "reasons"),
    [
        (killed, ("person",), {"detector_failed"}),
        (not_a_number, ("person",), {"not_finite"}),
        (infinite_box, ("person",), {"not_finite"}),
        (slow, ("person",), {"late"}),
        (one_person, ("fire", "smoke"), {"no_person_class"}),
    ],
    ids=["killed", "nan", "infinite", "slow", "knows_nobody"],
)
def test_no_unmasked_picture_in_many_alerts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[], Detections],
    classes: tuple[str, ...],
    reasons: set[str],
) -> None:
    monkeypatch.setattr(gathering, "STILL_TIMEOUT_S", 0.02 if answer is slow else 5.0)
    store = EvidenceStore(tmp_path)
    alerts = 200
    with shared_picture(GREY) as picture:
        gatherer = Gatherer(served(Masker(answer, classes), picture), store, time.monotonic)
        for _ in range(alerts):
            assert gatherer.gather(CAMERA, CAMERA.rules[0], decision(), look(picture.handle), (), picture.scene) == ()
    assert gatherer.composed == 0
    assert list(tmp_path.iterdir()) == []
    assert set(gatherer.refused) <= reasons
    assert sum(gatherer.refused.values()) == alerts


def test_a_masker_that_works_gives_a_still_that_is_kept_and_named(tmp_path: Path) -> None:
    with shared_picture(GREY) as picture:
        gatherer = Gatherer(served(Masker(one_person), picture), EvidenceStore(tmp_path), time.monotonic)
        (ref,) = gatherer.gather(CAMERA, CAMERA.rules[0], decision(), look(picture.handle), (), picture.scene)
    assert ref.kind is EvidenceKind.ONSET
    (path,) = tmp_path.iterdir()
    assert ref.sha256 in path.name
    assert path.stat().st_size == ref.bytes


def test_a_picture_that_is_gone_a_camera_fault_and_no_look_give_no_still(tmp_path: Path) -> None:
    with shared_picture(GREY) as picture:
        gatherer = Gatherer(served(Masker(one_person), picture), EvidenceStore(tmp_path), time.monotonic)
        gone = look(picture.older)
        assert gatherer.gather(CAMERA, CAMERA.rules[0], decision(), gone, (), picture.scene) == ()
        assert gatherer.gather(CAMERA, CAMERA.rules[0], decision(), None, (), picture.scene) == ()
        assert gatherer.gather(CAMERA, CAMERA.rules[1], decision(), look(picture.handle), (), picture.scene) == ()
    assert gatherer.refused == {"picture_gone": 1, "no_picture": 1}


def ref(kind: EvidenceKind) -> EvidenceRef:
    return EvidenceRef(sha256="0" * 64, kind=kind, bytes=10)


@pytest.mark.parametrize(
    ("phase", "end", "so_far", "expected"),
    [
        (Phase.RAISED, None, (), EvidenceKind.ONSET),
        (Phase.UPDATED, None, (EvidenceKind.ONSET,), EvidenceKind.CONFIRM),
        (Phase.UPDATED, None, (EvidenceKind.ONSET, EvidenceKind.CONFIRM), None),
        (Phase.CLEARED, EndReason.SEEN_CLEAR, (EvidenceKind.ONSET,), EvidenceKind.END),
        (Phase.CLEARED, EndReason.NODE_STOPPED, (EvidenceKind.ONSET,), None),
        (Phase.CLEARED, EndReason.VIEW_LOST, (EvidenceKind.ONSET,), None),
    ],
    ids=["raised", "first_update", "later_update", "seen_clear", "stopped", "lost"],
)
def test_at_most_three_stills_each_at_its_stage(
    phase: Phase, end: EndReason | None, so_far: tuple[EvidenceKind, ...], expected: EvidenceKind | None
) -> None:
    assert due_kind(decision(phase, end), tuple(ref(kind) for kind in so_far)) is expected

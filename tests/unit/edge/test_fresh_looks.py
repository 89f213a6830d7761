"""A look that somebody asks for, at the node: what is said of it, what is not sent, and what is refused."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.brokers import wait_until
from tests.unit.edge.pipeline_world import World, camera, seen
from xueliang_alerts.commands import PREVIEW_BYTES, LookCommand, LookResult, Says, read_result
from xueliang_alerts.contract import EvidenceKind
from xueliang_configs.cameras import ViewSettings
from xueliang_edge.detection import Seen, StillRequest
from xueliang_edge.evidence.gathering import Gatherer
from xueliang_edge.evidence.in_hand import StillsInHand
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.previews import preview_of
from xueliang_edge.evidence.stills import Still
from xueliang_edge.evidence.uploading import EvidenceStore
from xueliang_edge.fresh_looks import AGAIN_S, FreshLooks
from xueliang_edge.looks import KnownView, SceneHandle, ViewSign
from xueliang_edge.observations import ViewFault

LATER = datetime(2027, 1, 1, tzinfo=UTC)
TRUCK = Seen(np.array([[0.2, 0.2, 0.8, 0.9]], np.float32), np.array([0.9], np.float32), ("truck",), "0" * 64, 0.4)


def noise(width: int, height: int) -> bytes:
    """The hardest picture for JPEG."""
    image = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    return data.tobytes()


STILL = noise(1280, 720)


class Node:
    """A pipeline that is looked into, and what went out: answers, and what waits for the uploader."""

    def __init__(self, folder: Path, *, wait_s: float = 60.0) -> None:
        self.world = World(camera("lane"), camera("gate"))
        self.store = EvidenceStore(folder / "evidence")
        self.still: Still | Refused = Still(EvidenceKind.CONFIRM, STILL, hashlib.sha256(STILL).hexdigest(), (1280, 720))
        self.requests: list[StillRequest] = []
        self.world.detection.compose_still = self._compose  # type: ignore[method-assign]
        self.world.detection.answer = TRUCK
        self.known: tuple[KnownView, ...] = ()
        self.answers: list[LookResult] = []
        self.kept_at_answer: list[int] = []
        gatherer = Gatherer(self.world.detection, StillsInHand(self.store), self.world.clock.mono)  # type: ignore[arg-type]
        self.looks = FreshLooks(
            gatherer,
            self.store,
            camera_of=self.world.pipeline.cameras.get,
            hurry=self.world.pipeline.hurry,
            publish=self._publish,
            mono=self.world.clock.mono,
            views_of=lambda _: self.known,
            wait_s=wait_s,
        )
        self.world.pipeline._onlooker = self.looks

    def _compose(self, request: StillRequest, scene: SceneHandle | None, deadline_mono_s: float) -> Still | Refused:
        self.requests.append(request)
        return self.still

    def _publish(self, answer: bytes, _timeout_s: float) -> bool:
        assert len(answer) < 64 * 1024
        result = read_result(answer)
        assert isinstance(result, LookResult)
        self.kept_at_answer.append(self.store.pending_count())
        self.answers.append(result)
        return True

    def ask(self, **values: Any) -> tuple[str, str] | None:
        fields = {"request_id": "q", "expires_at": LATER, "camera_id": "lane", "rule_id": "lane"} | values
        return self.looks.ask(LookCommand(command="look", **fields))

    def answer(self, seconds: float = 20.0) -> LookResult:
        """What it says; time passes until then."""
        count = len(self.answers) + 1
        for _ in range(round(seconds)):
            self.world.pass_time(1.0)
            if self.looks._wanted is None:
                break
        wait_until(lambda: len(self.answers) >= count, what="an answer")
        wait_until(lambda: self.looks._in_hand is None, what="that it is done")
        return self.answers[-1]


@contextmanager
def node(folder: Path, **more: Any) -> Iterator[Node]:
    one = Node(folder, **more)
    one.looks.start()
    try:
        yield one
    finally:
        one.looks.close()


def test_the_rule_says_what_it_sees_and_the_small_picture_goes_first(tmp_path: Path) -> None:
    with node(tmp_path) as one:
        one.world.pass_time(90)
        assert one.ask() is None
        told = one.answer()
        wait_until(lambda: one.store.pending_count() == 1, what="the full still, for the uploader")
        (pending,) = [one.store.next()]
    assert (told.says, told.has_alert, told.error, told.no_picture) == (Says.HOLDS, True, None, None)
    assert told.since is not None
    assert told.observed_at is not None
    assert 80 < (told.observed_at - told.since).total_seconds() < 120
    assert 0.0 < told.measures["share"].value <= 1.0
    assert told.preview is not None
    small = base64.b64decode(told.preview)
    assert len(small) <= PREVIEW_BYTES
    assert cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR) is not None
    assert told.still is not None
    assert (told.still.sha256, told.still.bytes) == (hashlib.sha256(STILL).hexdigest(), len(STILL))
    assert one.kept_at_answer == [0]
    assert pending is not None
    assert pending.severity == 0  # before the stills of alerts
    assert one.requests[-1].region.zone_xyn


def test_a_clear_lane_is_said_to_be_clear(tmp_path: Path) -> None:
    with node(tmp_path) as one:
        one.world.pass_time(90)
        one.world.detection.answer = seen()
        one.world.capture.moved = np.ones((18, 32), np.float32)
        one.world.pass_time(6)
        one.ask()
        told = one.answer()
    assert told.says is Says.CLEAR
    assert told.since is not None
    assert told.observed_at is not None
    assert timedelta(0) <= told.observed_at - told.since < timedelta(seconds=40)


@pytest.mark.parametrize("reason", ["too_much_moves", "detector_late", "no_person_class"])
def test_what_cannot_be_masked_is_told_in_words_and_never_shown(tmp_path: Path, reason: str) -> None:
    with node(tmp_path) as one:
        one.world.pass_time(90)
        one.still = Refused(reason)
        one.ask()
        told = one.answer()
    assert (told.says, told.preview, told.still, told.no_picture) == (Says.HOLDS, None, None, reason)
    assert one.store.pending_count() == 0


def test_a_camera_that_shows_nothing_is_said_to_see_nothing(tmp_path: Path) -> None:
    with node(tmp_path) as one:
        one.world.pass_time(90)
        one.world.capture.view = ViewSign(ViewFault.COVERED, figure=0.9)
        one.ask()
        told = one.answer()
    assert (told.says, told.why, told.preview, told.no_picture) == (Says.CANNOT_SEE, "covered", None, "no_picture")
    assert one.requests == []


def test_without_a_rule_the_whole_picture_is_masked_and_no_rule_is_spoken_of(tmp_path: Path) -> None:
    with node(tmp_path) as one:
        one.world.pass_time(10)
        one.ask(rule_id=None)
        told = one.answer()
        wait_until(lambda: one.store.pending_count() == 1, what="the full still, for the uploader")
        one.world.capture.view = ViewSign(ViewFault.MOVED, figure=0.3)
        one.world.pass_time(5)
        one.ask(rule_id=None)
        moved = one.answer()
    assert (told.says, told.measures, told.has_alert, told.since) == (Says.NO_RULE, {}, False, None)
    assert told.still is not None
    (request,) = one.requests
    assert request.region.zone_xyn == ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    # The privacy zones lie where the picture was: of one that looks elsewhere there is no still.
    assert (moved.says, moved.why, moved.still) == (Says.CANNOT_SEE, "moved", None)


def test_a_camera_that_turns_says_its_views_and_which_one_the_picture_shows(tmp_path: Path) -> None:
    named = [{"view_id": "lane", "name": "消防通道"}, {"view_id": "square", "name": "广场"}]
    with node(tmp_path) as one:
        config = one.world.pipeline.cameras["lane"].config
        assert config.views == ()
        one.world.pass_time(10)
        one.ask(rule_id=None)
        still = one.answer()
        views = tuple(ViewSettings.model_validate(view) for view in named)
        one.world.pipeline.cameras["lane"].config = config.model_copy(update={"views": views})
        one.world.capture.view = ViewSign(view_id="square")
        one.known = (KnownView("lane", "no_reference"), KnownView("square", "known", shift_xyn=(0.05, 0.0)))
        one.world.pass_time(5)
        one.ask(rule_id=None)
        turned = one.answer()
        one.world.pass_time(5)
        one.ask()
        of_a_rule = one.answer()
    assert (still.view_id, still.views) == (None, ())
    assert turned.view_id == "square"
    assert turned.views is not None
    states = ("no_reference", "beside")
    assert [view.model_dump() for view in turned.views] == [
        view | {"state": state} for view, state in zip(named, states, strict=True)
    ]
    assert of_a_rule.views is None  # who judges has no use for them


def test_a_camera_that_is_away_is_answered_at_once(tmp_path: Path) -> None:
    with node(tmp_path) as one:
        one.world.pass_time(10)
        one.world.capture.away.add("lane")
        one.world.capture.sends = False
        one.world.pass_time(90)
        one.ask()
        wait_until(lambda: one.answers, what="an answer without a look")
    assert (one.answers[0].says, one.answers[0].why) == (Says.CANNOT_SEE, "offline")


def test_a_camera_that_sends_while_its_node_has_no_time_is_not_called_offline(tmp_path: Path) -> None:
    with node(tmp_path, wait_s=6.0) as one:
        one.world.pass_time(10)
        one.world.capture.unserved.add("lane")
        one.world.pass_time(90)
        one.ask()
        one.world.pass_time(7)
        wait_until(lambda: one.answers, what="an answer without a look")
    assert one.answers[0].says is Says.CANNOT_SEE
    assert one.answers[0].why in {"no_time", "unknown"}, "not offline: it sends"


def test_no_picture_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    with node(tmp_path, wait_s=6.0) as one:
        one.world.pass_time(10)
        one.world.capture.away.add("lane")
        one.ask()
        one.world.clock.now_s += 5.9
        assert one.answers == []
        one.world.clock.now_s += 0.2
        wait_until(lambda: one.answers, what="an answer without a picture")
    assert (one.answers[0].says, one.answers[0].why) == (Says.CANNOT_SEE, "no_picture_came")


def test_one_at_a_time_and_a_camera_not_at_once_again(tmp_path: Path) -> None:
    with node(tmp_path) as one:
        one.world.pass_time(10)
        assert one.ask() is None
        assert (one.ask() or ("", ""))[0] == "too_many"
        assert (one.ask(camera_id="gate") or ("", ""))[0] == "too_many"
        assert (one.ask(camera_id="yard") or ("", ""))[0] == "no_such_camera"
        one.answer()
        one.world.clock.now_s = one.looks._last_mono_s["lane"] + AGAIN_S / 2
        assert (one.ask() or ("", ""))[0] == "too_soon"
        one.world.clock.now_s += AGAIN_S
        assert one.ask() is None


def test_a_rule_that_does_not_run_is_said(tmp_path: Path) -> None:
    with node(tmp_path) as one:
        one.world.pass_time(10)
        one.ask(rule_id="another")
        told = one.answer()
    assert told.says is None
    assert 'no "another" runs on camera lane' in (told.error or "")


def test_a_fault_while_looking_is_an_answer_and_the_next_look_goes_on(tmp_path: Path) -> None:
    with node(tmp_path) as one:
        one.world.pass_time(10)
        one.still = None  # type: ignore[assignment]
        one.world.detection.compose_still = None  # type: ignore[assignment, method-assign]
        one.ask()
        told = one.answer()
        one.world.detection.compose_still = one._compose  # type: ignore[method-assign]
        one.still = Refused("late")
        one.ask()
        again = one.answer()
    assert "a fault of this node" in (told.error or "")
    assert again.no_picture == "late"


def test_looking_changes_no_decision(tmp_path: Path) -> None:
    told = []
    for asks in (False, True):
        with node(tmp_path / str(asks)) as one:
            one.world.pass_time(10)
            if asks:
                one.ask()
            one.world.pass_time(100)
            assert not asks or one.looks._wanted is None
            told.append([(judged.rule.rule_id, judged.decision.phase) for judged in one.world.teller.told])
    assert told[0] == told[1] != []


@pytest.mark.parametrize("size", [(1280, 720), (64, 48), (720, 1280)], ids=str)
def test_a_preview_fits_whatever_the_picture_is(size: tuple[int, int]) -> None:
    small = preview_of(noise(*size), PREVIEW_BYTES)
    assert small is not None
    assert len(small) <= PREVIEW_BYTES
    assert max(cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR).shape[:2]) <= max(size)


def test_what_is_no_picture_has_no_preview() -> None:
    assert preview_of(b"\xff\xd8nothing", PREVIEW_BYTES) is None
    assert preview_of(STILL, 100) is None

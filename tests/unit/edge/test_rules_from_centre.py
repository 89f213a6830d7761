"""Rules that the centre sends to a node: what is believed, taken, refused with which words, and what is said back."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support.brokers import wait_until
from tests.unit.edge.hot_node import START, Started, camera, rule
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.desired import DesiredRules, Outcome, ReportedRules, read_reported, signed
from xueliang_alerts.errors import NotConnected
from xueliang_alerts.signing import SigningKey
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Handler, Incoming, LinkPhase, LinkState
from xueliang_configs.cameras import CameraRules
from xueliang_edge.hot_rules.following import RulesFollower
from xueliang_edge.hot_rules.from_centre import REPORTS_AT_ONCE, SAID_AGAIN_S, WAITING_AT_MOST, FromCentre
from xueliang_edge.hot_rules.versions import FOLDER

KEY, OTHER = SigningKey(bytes(range(32))), SigningKey(bytes(reversed(range(32))))
DESIRED, REPORTED = (node_topic("edge-01", leaf) for leaf in (Leaf.CONFIG_DESIRED, Leaf.CONFIG_REPORTED))


@dataclass
class Handle:
    is_acknowledged: bool = True

    def wait(self, timeout_s: float) -> bool:
        return self.is_acknowledged


@dataclass
class Link:
    """A transport as far as it is asked here."""

    generation: int = 1
    is_acknowledging: bool = True
    handlers: dict[str, Handler] = field(default_factory=dict)
    said: list[ReportedRules] = field(default_factory=list)
    handles: list[Handle] = field(default_factory=list)
    acknowledged: int = 0

    @property
    def state(self) -> LinkState:
        return LinkState(LinkPhase.CONNECTED if self.generation else LinkPhase.CONNECTING, self.generation, 0.0)

    def subscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        assert handler is not None
        self.handlers[topic_filter] = handler

    def publish(self, topic: str, payload: bytes, **_options: Any) -> Handle:
        assert topic == REPORTED
        if not self.generation:
            raise NotConnected("away")
        self.said.append(read_reported(payload))
        self.handles.append(Handle(self.is_acknowledging))
        return self.handles[-1]

    def bring(self, payload: bytes) -> None:
        self.handlers[DESIRED](Incoming(DESIRED, payload, 1, False, 1, self._acknowledge))

    def _acknowledge(self) -> bool:
        self.acknowledged += 1
        return True


class Fleet(Started):
    """A node whose centre is known."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.write(camera("east"), camera("west"))
        self.link = Link()

    def begin(self, *keys: SigningKey) -> RulesFollower:
        """A start, with nothing of an earlier one in memory."""
        self.link = Link()
        self.centre = FromCentre(
            "edge-01",
            self.link,  # type: ignore[arg-type]
            [key.public for key in keys],
            self.files,
            ["east", "west"],
            wall=self.wall,
            mono=lambda: self.now_s,
        )
        follower = self.start(self.centre)
        self.centre.start()
        return follower

    def send(self, follower: RulesFollower, payload: bytes) -> None:
        self.now_s += 1
        self.link.bring(payload)
        follower.follow_centre()

    def last(self, camera_id: str = "east") -> ReportedRules:
        return next(one for one in reversed(self.link.said) if one.camera_id == camera_id)


@pytest.fixture
def node(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def wanted(*rules: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {"camera_id": "east", "place_class": "other", "look_every_s": None, "rules": list(rules)} | values


def message(version: int, *rules: dict[str, Any], key: SigningKey = KEY, **values: Any) -> bytes:
    settings = CameraRules.model_validate(wanted(*rules)).as_written if rules else {}
    fields: dict[str, Any] = {"node_id": "edge-01", "camera_id": "east", "settings": settings, "by": "ruler"}
    fields |= {"made_at": START, "why": "the kerb was moved", "version": version} | values
    return signed(DesiredRules(**fields), key)


def test_signed_rules_are_in_force_kept_and_reported_with_the_digest_both_sides_work_out(node: Fleet) -> None:
    follower = node.begin(OTHER, KEY)
    assert {one.camera_id: one.running.source for one in node.link.said} == {"east": "file", "west": "file"}
    assert node.last().running.settings == wanted(*({**one} for one in node.last().running.settings["rules"]))  # type: ignore[index]
    node.send(follower, message(4, rule(dwell_s=44), approved_by="chief"))
    (taken,) = node.main_path.taken
    assert taken.config.camera_id == "east"
    assert node.running(follower) == [("lane", 44.0)]
    assert node.story() == [(1, "file"), (2, "centre")]
    told = node.last()
    assert told.takes_rules
    assert told.answer is not None
    assert (told.answer.version, told.answer.outcome, told.answer.problems) == (4, Outcome.APPLIED, ())
    assert told.running.digest == CameraRules.model_validate(wanted(rule(dwell_s=44))).digest
    assert (told.running.version, told.running.source, told.running.by) == (2, "centre", "ruler, chief")
    assert told.running.note == "the kerb was moved"
    assert node.link.acknowledged == 1
    node.begin(KEY)
    assert node.last().running.source == "centre"  # and it goes on after a restart, over what the file says
    assert node.last().answer == told.answer


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (message(4, rule(dwell_s=44), key=OTHER), "not_understood"),
        (message(4, rule(dwell_s=44)).replace(b"44.0", b"99.0"), "not_understood"),
        (b"{}", "not_understood"),
        (message(4, rule(dwell_s=44), node_id="edge-02"), "foreign"),
        (message(4, rule(dwell_s=44), camera_id="north"), "unknown_camera"),
        (message(2, rule(dwell_s=44)), "old"),
    ],
    ids=["another key", "altered", "not signed", "another node", "no such camera", "replayed"],
)
def test_what_is_not_the_centres_word_for_this_camera_now_changes_nothing(
    node: Fleet, payload: bytes, reason: str
) -> None:
    follower = node.begin(KEY)
    node.send(follower, message(3, rule(dwell_s=33)))
    node.send(follower, payload)
    assert node.running(follower) == [("lane", 33.0)]
    assert node.centre.counts[reason] == 1
    assert (node.centre.counts["received"], node.centre.counts["applied"]) == (2, 1)
    assert node.last().answer.version == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("payload", "where", "text"),
    [
        (message(5, rule(dwell_s=44, detector="night")), "rules.0", 'there is no detector "night"'),
        (message(5, settings=wanted(rule(dwell_s=-1))), "rules.0.dwell_s", "got -1"),
        (message(5, settings=wanted(rule(), rule())), "rules.1.rule_id", "used twice"),
        (message(5, settings=wanted(rule(dwel_s=5))), "rules.0.dwel_s", ""),
        (message(5, settings=wanted(rule(view="gate"))), "rules.0.view", 'no view "gate"'),
        (message(5, settings={"rules": 7}), "rules", ""),
    ],
    ids=["cannot run", "no such dwell", "an id twice", "a wrong key", "no such view", "nonsense"],
)
def test_refused_rules_leave_those_that_run_and_say_where_and_why(
    node: Fleet, payload: bytes, where: str, text: str
) -> None:
    follower = node.begin(KEY)
    node.send(follower, payload)
    answer = node.last().answer
    assert answer is not None
    assert (answer.version, answer.outcome) == (5, Outcome.REFUSED)
    assert answer.problems[0].where == where
    assert text in answer.problems[0].text
    assert node.main_path.taken == []
    assert node.story() == [(1, "file")]
    node.begin(KEY)
    assert node.last().answer == answer  # kept over a restart


def test_an_older_version_stays_refused_after_a_restart_and_without_the_kept_answers(node: Fleet) -> None:
    node.send(node.begin(KEY), message(7, rule(dwell_s=77)))
    follower = node.begin(KEY)
    node.send(follower, message(6, rule(dwell_s=66)))
    (node.folder / "data" / FOLDER / "centre.json").write_text("torn {")
    follower = node.begin(KEY)
    node.send(follower, message(6, rule(dwell_s=66)))
    assert node.running(follower) == [("lane", 77.0)]
    assert node.centre.counts["old"] == 1
    node.write(camera("east", rule(dwell_s=55)), camera("west"))
    node.polls(follower)
    follower = node.begin(KEY)
    node.send(follower, message(6, rule(dwell_s=66)))
    assert node.running(follower) == [("lane", 55.0)]  # its version is not the last any more, and is remembered
    assert node.centre.counts["old"] == 1


def test_sent_again_it_is_answered_again_and_done_once(node: Fleet) -> None:
    follower = node.begin(KEY)
    node.send(follower, message(4, rule(dwell_s=44)))
    said = len(node.link.said)
    node.send(follower, message(4, rule(dwell_s=44)))
    assert len(node.main_path.taken) == 1
    assert len(node.link.said) == said + 1
    assert node.last().running.settings is not None
    assert node.centre.counts["repeated"] == 1


def test_killed_before_it_could_answer_it_answers_when_asked_again(node: Fleet) -> None:
    node.send(node.begin(KEY), message(4, rule(dwell_s=44)))
    (node.folder / "data" / FOLDER / "centre.json").unlink()  # the version was on the disk, the answer not yet
    follower = node.begin(KEY)
    answer = node.last().answer
    assert answer is not None
    assert (answer.version, answer.outcome) == (4, Outcome.APPLIED)
    node.send(follower, message(4, rule(dwell_s=44)))
    assert node.story() == [(1, "file"), (2, "centre")]
    node.write(camera("east", rule(dwell_s=55)), camera("west"))
    node.polls(follower)
    node.send(follower, message(4, rule(dwell_s=44)))
    assert node.running(follower) == [("lane", 55.0)], "it was taken once, and is not taken again over a later change"


def test_a_change_of_the_file_after_it_is_said_as_what_runs(node: Fleet) -> None:
    follower = node.begin(KEY)
    node.send(follower, message(4, rule(dwell_s=44)))
    node.write(camera("east", rule(dwell_s=55)), camera("west"))
    node.polls(follower)
    told = node.last()
    assert (told.running.source, told.running.version) == ("file", 3)
    assert told.running.digest != CameraRules.model_validate(wanted(rule(dwell_s=44))).digest
    assert told.answer is not None
    assert told.answer.version == 4
    node.send(follower, message(4, rule(dwell_s=44)))
    assert node.running(follower) == [("lane", 55.0)]  # the same version does not undo it: only a newer one does
    node.send(follower, message(5, rule(dwell_s=44)))
    assert node.running(follower) == [("lane", 44.0)]


def test_without_a_key_nothing_is_taken_and_what_runs_is_said(node: Fleet) -> None:
    node.begin()
    assert node.link.handlers == {}
    assert [one.takes_rules for one in node.link.said] == [False, False]


def test_what_is_said_waits_for_the_broker_and_is_said_again_after_a_loss(node: Fleet) -> None:
    follower = node.begin(KEY)
    node.link.said.clear()
    node.link.generation = 0
    node.send(follower, message(4, rule(dwell_s=44)))
    assert node.link.said == []
    node.link.generation, node.link.is_acknowledging = 2, False
    follower.follow_centre()
    assert [(one.camera_id, one.running.settings is None) for one in node.link.said] == [
        ("east", False),
        ("west", True),
    ]
    follower.follow_centre()
    assert len(node.link.said) == 2  # the broker has not taken them yet
    node.link.generation, node.link.is_acknowledging = 3, True
    follower.follow_centre()
    assert [one.running.settings is None for one in node.link.said[2:]] == [False, True]
    node.now_s += SAID_AGAIN_S
    follower.follow_centre()
    assert [one.running.settings is None for one in node.link.said[4:]] == [False, False]


def test_an_answer_goes_before_what_a_start_says_of_all_cameras(node: Fleet) -> None:
    node.write(camera("east"), *(camera(f"cam-{number}") for number in range(3 * REPORTS_AT_ONCE)))
    follower = node.begin(KEY)
    node.link.generation = 2
    node.send(follower, message(4, rule(dwell_s=44)))
    answered = [one.answer is not None for one in node.link.said]
    assert answered.index(True) < 2 * REPORTS_AT_ONCE + REPORTS_AT_ONCE
    for _ in range(5):
        follower.follow_centre()
    assert {one.camera_id for one in node.link.said} == set(follower.versions)


def test_a_full_disk_is_an_answer_and_no_last_word(node: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = node.begin(KEY)
    with no_room(monkeypatch, follower):
        node.send(follower, message(4, rule(dwell_s=44)))
    answer = node.last().answer
    assert answer is not None
    assert answer.outcome is Outcome.REFUSED
    assert "the version cannot be kept" in answer.problems[0].text
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)]
    west = wanted(rule(dwell_s=33)) | {"camera_id": "west"}
    node.send(follower, message(2, camera_id="west", settings=west))  # another camera's answer does not keep it
    follower = node.begin(KEY)
    east = [one for one in node.link.said if one.camera_id == "east"][-1]
    assert east.answer is None  # so that the centre sends it again
    node.send(follower, message(3, rule(dwell_s=33)))
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)], "older than what it has had"
    node.send(follower, message(4, rule(dwell_s=44)))
    assert node.running(follower) == [("lane", 44.0)]


@contextmanager
def no_room(monkeypatch: pytest.MonkeyPatch, follower: RulesFollower) -> Iterator[None]:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(follower._files, "add", full)
        yield


def test_a_flood_is_bounded_and_what_found_no_room_is_not_acknowledged(node: Fleet) -> None:
    follower = node.begin(KEY)
    for _ in range(WAITING_AT_MOST + 3):
        node.link.bring(b"{}")
    assert (node.link.acknowledged, node.centre.counts["no_room"]) == (WAITING_AT_MOST, 3)
    node.send(follower, message(4, rule(dwell_s=44)))
    assert node.centre.counts["no_room"] == 4
    node.send(follower, message(4, rule(dwell_s=44)))
    assert node.running(follower) == [("lane", 44.0)]


def test_news_wakes_the_follower_between_two_polls(node: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xueliang_edge.hot_rules.following.POLL_S", 60.0)
    follower = node.begin(KEY)
    follower._mono = system_mono
    follower.start()
    try:
        node.link.bring(message(4, rule(dwell_s=44)))
        wait_until(lambda: node.last().answer is not None, what="the answer, long before the next poll", timeout_s=20)
    finally:
        follower.stop()
        follower._thread.join(10)
    assert not follower._thread.is_alive()

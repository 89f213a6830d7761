"""Rules that change while a node runs: what is taken, what is refused and with which words, versions, commands."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.edge.test_rules_not_running import knows
from xueliang_configs.cameras import CameraConfig, CameraRules
from xueliang_configs.loading import load_node, read_node
from xueliang_edge.detection import OpenedModel
from xueliang_edge.hot_rules import comparing
from xueliang_edge.hot_rules.comparing import NEEDS_RESTART, SAYS_NOTHING, TAKEN_HOT, digest_of
from xueliang_edge.hot_rules.following import DISK_AGAIN_S, RulesFollower
from xueliang_edge.hot_rules.orders import VALID_S, Answer, OrderFiles, new_order
from xueliang_edge.hot_rules.starting import rules_at_start, running_of, with_rules_of
from xueliang_edge.hot_rules.versions import FOLDER, KEPT, Source, VersionFiles, version_of
from xueliang_edge.pipeline import RulesChange
from xueliang_edge.reporting import rules_not_running
from xueliang_edge.watched_camera import WatchedRules

START = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
ZONE = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9], [0.1, 0.9]]
MODELS = {"objects": knows("person", "car", "truck", "bus", "bicycle", "motorcycle")}


def rule(rule_id: str = "lane", **settings: Any) -> dict[str, Any]:
    return {"rule_id": rule_id, "hazard": "illegal_parking", "zone": ZONE, "dwell_s": 20} | settings


def camera(camera_id: str = "east", *rules: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {
        "camera_id": camera_id,
        "name": "东巷",
        "url": f"rtsp://10.0.0.9/{camera_id}",
        "rules": list(rules) or [rule(), rule("exit")],
    } | settings


class MainPath:
    """Takes what it is given, at once."""

    def __init__(self) -> None:
        self.taken: list[WatchedRules] = []
        self.problem: str | None = None

    def change(self, rules: WatchedRules) -> RulesChange:
        change = RulesChange(rules, problem=self.problem)
        if self.problem is None:
            self.taken.append(rules)
        change.is_done.set()
        return change


class Started:
    """A node as far as its rules go: its settings file, its folder, its main path."""

    def __init__(self, folder: Path, models: dict[str, OpenedModel] | None = None) -> None:
        self.folder, self.path = folder, folder / "node.yaml"
        self.models = MODELS if models is None else models
        self.now_s = 0.0
        self.main_path = MainPath()
        self.orders = OrderFiles(folder / "data" / FOLDER)
        self.files = VersionFiles(folder / "data" / FOLDER)

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.now_s)

    def write(self, *cameras: dict[str, Any], **top: Any) -> None:
        value = {"node": {"node_id": "edge-01", "data_dir": "data"}, "cameras": list(cameras)} | top
        self.write_text(json.dumps(value, ensure_ascii=False, indent=1))  # JSON is YAML, without anchors

    def write_text(self, text: str) -> None:
        before = self.path.stat().st_mtime_ns if self.path.exists() else 0
        self.path.write_text(text)
        os.utime(self.path, ns=(before + 10_000_000, before + 10_000_000))

    def start(self) -> RulesFollower:
        """As Node does it."""
        config = load_node(self.path)
        starts = rules_at_start(config, self.files, self.wall())
        not_running = rules_not_running(with_rules_of(config, starts).cameras, self.models)
        follower = RulesFollower(
            self.path,
            config,
            {name: (running_of(start, not_running), start.version) for name, start in starts.items()},
            self.files,
            self.orders,
            self.models,
            self.main_path.change,
            unkept=[start.version for start in starts.values() if start.is_new],
            wall=self.wall,
            mono=lambda: self.now_s,
        )
        follower.poll()
        follower.poll()
        return follower

    def polls(self, follower: RulesFollower) -> None:
        """Long enough for a change to be noticed and taken."""
        for _ in range(2):
            self.now_s += 1
            follower.poll()

    def command(self, follower: RulesFollower, *cameras: dict[str, Any] | None, note: str = "") -> Answer:
        """`rules apply`; without cameras: what the file says."""
        parts = tuple(CameraRules.model_validate(one) for one in cameras) if cameras else None
        order = new_order(parts, self.wall(), note=note, by="lin")
        self.orders.give(order)
        follower.poll()
        answer = self.orders.answer(order.order_id)
        assert answer is not None
        return answer

    def running(self, follower: RulesFollower, camera_id: str = "east") -> list[tuple[str, float]]:
        return [(one.rule_id, getattr(one, "dwell_s", 0.0)) for one in follower.running[camera_id].configured.rules]

    def story(self, camera_id: str = "east") -> list[tuple[int, str]]:
        return [(one.version, one.source.value) for one in self.files.all(camera_id)]


@pytest.fixture
def node(tmp_path: Path) -> Started:
    one = Started(tmp_path)
    one.write(camera("east"), camera("west"))
    return one


def said(follower: RulesFollower) -> list[str]:
    """What is refused, without the folder and the hint's line."""
    return [str(one.problem).replace(f"{one.problem.path.parent}/", "") for one in follower.refused]


def test_every_field_of_a_camera_is_taken_hot_or_needs_a_restart_or_says_nothing() -> None:
    """A new field of a camera must be decided upon."""
    fields = [*TAKEN_HOT, *NEEDS_RESTART, *SAYS_NOTHING]
    assert sorted(fields) == sorted(CameraConfig.model_fields)
    assert set(CameraRules.model_fields) == {*TAKEN_HOT, "camera_id"}


# The file.


def test_a_changed_rule_is_taken_for_its_camera_alone(node: Started) -> None:
    follower = node.start()
    assert node.main_path.taken == []
    node.write(camera("east", rule(dwell_s=40, version=2), rule("exit")), camera("west"))
    node.polls(follower)
    (taken,) = node.main_path.taken
    assert taken.config.camera_id == "east"
    assert node.running(follower) == [("lane", 40.0), ("exit", 20.0)]
    assert follower.refused == ()
    assert node.story() == [(1, "file"), (2, "file")]
    assert node.story("west") == [(1, "file")]


def test_a_file_is_read_only_once_it_has_not_changed_for_a_poll(node: Started) -> None:
    follower = node.start()
    text = node.path.read_text()
    node.write(camera("east"))  # an editor has written the first half
    follower.poll()
    node.write_text(text.replace('"dwell_s": 20', '"dwell_s": 30', 1))
    follower.poll()
    assert (node.main_path.taken, follower.refused) == ([], ())
    follower.poll()
    assert node.running(follower) == [("lane", 30.0), ("exit", 20.0)]
    assert follower.refused == ()


def test_a_touched_file_changes_nothing(node: Started) -> None:
    follower = node.start()
    node.write_text("# a comment\n" + node.path.read_text())
    node.polls(follower)
    assert node.main_path.taken == []
    assert node.story() == [(1, "file")]


def test_broken_yaml_is_refused_with_its_line_and_the_running_rules_go_on(node: Started) -> None:
    follower = node.start()
    good = node.path.read_text()
    node.write_text(good.replace('"dwell_s": 20', '"dwell_s": [20', 1))
    node.polls(follower)
    (refused,) = follower.refused
    assert refused.problem.line is not None
    assert refused.problem.text.startswith("not YAML")
    assert refused.since == START + timedelta(seconds=2)
    node.polls(follower)
    assert follower.refused == (refused,)  # and since when stays
    assert follower.counts["refused_file"] == 1
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)]
    node.write_text(good)
    node.polls(follower)
    assert follower.refused == ()
    assert node.main_path.taken == []


def test_a_file_that_is_away_is_said_and_the_rules_go_on(node: Started) -> None:
    follower = node.start()
    node.path.unlink()
    node.polls(follower)
    assert said(follower) == [
        "node.yaml: cannot be read: No such file or directory\n  hint: check the path and its permissions"
    ]
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)]


RESTARTS: list[tuple[str, Callable[[Started], None], str]] = [
    (
        "url",
        lambda node: node.write(camera("east", rule(dwell_s=40), url="rtsp://10.0.0.8/x"), camera("west")),
        "node.yaml:10: cameras.0.url: url of east is another one, none of it is taken",
    ),
    (
        "privacy",
        lambda node: node.write(camera("east", rule(dwell_s=40), privacy_zones=[ZONE]), camera("west")),
        "cameras.0.privacy_zones: privacy_zones of east is another one, none of it is taken",
    ),
    (
        "new_camera",
        lambda node: node.write(camera("east"), camera("west"), camera("north")),
        "cameras.2: camera north is new",
    ),
    (
        "gone_camera",
        lambda node: node.write(camera("east")),
        "cameras: camera west is not in the file any more and goes on",
    ),
    (
        "node",
        lambda node: node.write(
            camera("east"), camera("west"), node={"node_id": "edge-01", "data_dir": "data", "health": {"port": 9}}
        ),
        "node.yaml:5: node.health: is another one than at the start",
    ),
    (
        "detector",
        lambda node: node.write(
            camera("east"), camera("west"), detectors={"objects": {"model": "embedded", "score": 0.9}}
        ),
        "detectors.objects: is another one than at the start",
    ),
]


@pytest.mark.parametrize(("change", "words"), [one[1:] for one in RESTARTS], ids=[one[0] for one in RESTARTS])
def test_what_needs_a_restart_is_said_by_its_field(
    node: Started, change: Callable[[Started], None], words: str
) -> None:
    follower = node.start()
    change(node)
    node.polls(follower)
    (problem,) = said(follower)
    assert words in problem
    assert problem.endswith("hint: restart the node for this")
    assert node.main_path.taken == []
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)]


def test_one_cameras_refusal_keeps_no_other_back(node: Started) -> None:
    follower = node.start()
    node.write(camera("east", rule(dwell_s=40), url="rtsp://10.0.0.8/x"), camera("west", rule(dwell_s=50)))
    node.polls(follower)
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)]
    assert node.running(follower, "west") == [("lane", 50.0)]
    assert len(follower.refused) == 1


def test_a_rule_that_cannot_run_is_refused_with_its_line_and_keeps_out_its_whole_camera(node: Started) -> None:
    follower = node.start()
    fire = {"rule_id": "fire", "hazard": "fire_smoke", "zone": ZONE}
    node.write(camera("east", rule(dwell_s=40), fire), camera("west"))
    node.polls(follower)
    (refused,) = follower.refused
    assert refused.problem.key == "cameras.0.rules.1"
    assert refused.problem.line is not None
    assert '"rule_id": "fire"' in node.path.read_text().splitlines()[refused.problem.line]  # the rule begins above it
    assert "rule fire (fire_smoke) cannot run: the model of detector" in refused.problem.text
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)]


def test_a_rule_that_this_machine_can_never_look_often_enough_for_is_refused(tmp_path: Path) -> None:
    node = Started(tmp_path, {"objects": knows("person", "car", warm_ms=2000.0)})
    node.write(camera("east", rule(), look_every_s=5))
    follower = node.start()
    node.write(camera("east", rule(), look_every_s=0.1))
    node.polls(follower)
    (problem,) = said(follower)
    assert "cannot run" in problem
    assert "larger gap" in problem
    assert node.main_path.taken == []


def test_a_rule_that_did_not_run_before_keeps_no_other_change_out(tmp_path: Path) -> None:
    node = Started(tmp_path)
    fire = {"rule_id": "fire", "hazard": "fire_smoke", "zone": ZONE}
    node.write(camera("east", rule(), fire))
    follower = node.start()
    assert [one.rule_id for one in follower.not_running] == ["fire"]
    node.write(camera("east", rule(dwell_s=40), fire))
    node.polls(follower)
    assert follower.refused == ()
    (taken,) = node.main_path.taken
    assert [one.rule_id for one in taken.config.rules] == ["lane"]  # an empty answer is not "no fire"
    assert [one.rule_id for one in follower.not_running] == ["fire"]
    node.write(camera("east", rule(dwell_s=40)))
    node.polls(follower)
    assert follower.not_running == ()


def test_a_rule_through_a_detector_that_only_the_file_has_waits_for_the_restart(node: Started) -> None:
    follower = node.start()
    node.write(
        camera("east", rule(detector="own")),
        camera("west"),
        detectors={"objects": {"model": "embedded"}, "own": {"model": "own.onnx"}},
    )
    node.polls(follower)
    assert [one.problem.key for one in follower.refused] == ["detectors.own", "cameras.0.rules.0.detector"]
    assert "rule lane: detector own is new; none of east is taken" in said(follower)[1]


def test_severity_by_place_follows_the_place_class(node: Started) -> None:
    by_place = rule(severity=3, severity_by_place={"school": 1})
    node.write(camera("east", by_place))
    follower = node.start()
    node.write(camera("east", by_place, place_class="school"))
    node.polls(follower)
    (taken,) = node.main_path.taken
    assert taken.config.rules[0].severity == 1


# Versions and restarts.


def test_versions_are_kept_fifty_deep_and_numbers_are_never_given_twice(node: Started) -> None:
    follower = node.start()
    for number in range(KEPT + 5):
        node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=100 + number)]})
    ran = node.files.all("east")
    assert [one.version for one in ran] == list(range(KEPT + 6 - KEPT + 1, KEPT + 7))
    assert len(ran) == KEPT
    assert (node.folder / "data" / FOLDER / "east.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_restart_goes_on_with_the_commands_rules_until_the_file_changes(node: Started) -> None:
    follower = node.start()
    node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=99)]}, note="a try")
    follower = node.start()
    assert node.running(follower) == [("lane", 99.0)]
    assert (follower.versions["east"].version, follower.versions["east"].source) == (2, Source.COMMAND)
    assert follower.differs_from_file("east")
    node.write(camera("east"), camera("west", rule(dwell_s=7)))  # another camera's part
    follower = node.start()
    assert node.running(follower) == [("lane", 99.0)]
    node.write(camera("east", rule(dwell_s=11)), camera("west"))
    follower = node.start()
    assert node.running(follower) == [("lane", 11.0)]
    assert node.story() == [(1, "file"), (2, "command"), (3, "file")]


def test_the_file_is_in_charge_again_when_it_changes_or_is_asked_for(node: Started) -> None:
    follower = node.start()
    node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=99)]})
    node.polls(follower)
    assert node.running(follower) == [("lane", 99.0)]
    answer = node.command(follower)
    assert [(one.camera_id, one.outcome, one.version) for one in answer.cameras if one.outcome != "unchanged"] == [
        ("east", "applied", 3)
    ]
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)]
    assert not follower.differs_from_file("east")


def test_a_command_given_after_a_refused_file_survives_a_restart_with_that_file(node: Started) -> None:
    """The file has not changed since the command: what it says was there when the command was given."""
    follower = node.start()
    node.write(camera("east", rule(dwell_s=40), {"rule_id": "f", "hazard": "fire_smoke", "zone": ZONE}), camera("west"))
    node.polls(follower)
    assert follower.refused
    node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=99)]})
    assert node.running(node.start()) == [("lane", 99.0)]


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "stopped"])
def test_a_file_that_has_come_to_say_what_the_command_said_is_in_charge_again(node: Started, is_running: bool) -> None:
    def edit(follower: RulesFollower, *cameras: dict[str, Any]) -> RulesFollower:
        node.write(*cameras)
        if not is_running:
            return node.start()
        node.polls(follower)
        return follower

    follower = node.start()
    node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=99)]})
    taken = len(node.main_path.taken)
    follower = edit(follower, camera("east", rule(dwell_s=99)), camera("west"))
    assert (follower.versions["east"].source, follower.versions["east"].version) == (Source.FILE, 3)
    assert len(node.main_path.taken) == taken  # nothing changed for the looks
    follower = edit(follower, camera("east"), camera("west"))  # and back to what it said before the command
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)]
    assert node.story() == [(1, "file"), (2, "command"), (3, "file"), (4, "file")]


def test_a_file_that_is_set_back_from_what_was_refused_wins_over_a_command_between(node: Started) -> None:
    follower = node.start()
    node.write(camera("east", {"rule_id": "f", "hazard": "fire_smoke", "zone": ZONE}), camera("west"))
    node.polls(follower)
    node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=99)]})
    node.write(camera("east"), camera("west"))
    node.polls(follower)
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)]


def test_a_version_that_this_release_cannot_use_gives_way_to_the_file(node: Started) -> None:
    follower = node.start()
    node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=99)]})
    path = node.folder / "data" / FOLDER / "east.jsonl"
    path.write_text(path.read_text().replace('"dwell_s": 99.0', '"dwell_s": 99.0, "of_the_future": 1'))
    follower = node.start()
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)]
    assert follower.versions["east"].version == 3
    assert "version 2 cannot be used" in follower.versions["east"].note


def test_a_damaged_line_is_counted_and_the_others_are_read(node: Started) -> None:
    follower = node.start()
    node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=99)]})
    path = node.folder / "data" / FOLDER / "east.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0][:40], lines[1]]) + "\n")
    files = VersionFiles(path.parent)
    assert [one.version for one in files.all("east")] == [2]
    assert files.counts["versions_unreadable"] == 1


def test_the_digest_is_of_what_is_written_and_not_of_defaults() -> None:
    one, same = (CameraConfig.model_validate(camera("east", rule())) for _ in range(2))
    other = CameraConfig.model_validate(camera("east", rule(zone=[*ZONE[1:], ZONE[0]])))
    renamed = CameraConfig.model_validate(camera("east", rule(), name="other", url="rtsp://10.0.0.1/9"))
    assert digest_of(one) == digest_of(same) == digest_of(renamed)
    assert digest_of(one) != digest_of(other)
    assert "clear_after_s" not in json.dumps(version_of(one, 1, "", START, Source.FILE).settings)


# Commands.


def test_a_command_changes_one_camera_and_says_which_version(node: Started) -> None:
    follower = node.start()
    answer = node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=99), rule("new")]}, note="a try")
    (one,) = answer.cameras
    assert (one.outcome, one.version) == ("applied", 2)
    assert one.notes == ("rule lane changed and keeps version 1: raise it, so that alerts say which",)
    assert not answer.is_refused
    last = node.files.last("east")
    assert last is not None
    assert (last.note, last.by, last.source) == ("a try", "lin", Source.COMMAND)
    again = node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=99), rule("new")]})
    assert [(one.outcome, one.version) for one in again.cameras] == [("unchanged", 2)]


def test_what_a_command_leaves_out_stays_as_it_is(node: Started) -> None:
    node.write(camera("east", look_every_s=3, place_class="school"), camera("west"))
    follower = node.start()
    node.command(follower, {"camera_id": "east", "rules": [rule()]})
    now = follower.running["east"].configured
    assert (now.look_every_s, now.place_class) == (3.0, "school")
    node.command(follower, {"camera_id": "east", "rules": [rule()], "look_every_s": None})
    assert follower.running["east"].configured.look_every_s is None


def test_a_refused_command_leaves_the_running_rules_and_says_where_and_why(node: Started) -> None:
    follower = node.start()
    fire = {"rule_id": "fire", "hazard": "fire_smoke", "zone": ZONE}
    answer = node.command(
        follower,
        {"camera_id": "east", "rules": [rule(), fire]},
        {"camera_id": "nowhere", "rules": []},
        {"camera_id": "west", "rules": [rule(dwell_s=5)]},
    )
    east, nowhere, west = answer.cameras
    assert (east.outcome, east.version) == ("refused", 1)
    assert east.problems[0].startswith("cameras.0.rules.1: rule fire (fire_smoke) cannot run: ")
    assert nowhere.problems == ("this node has no camera nowhere; it has east, west",)
    assert west.outcome == "applied"
    assert answer.is_refused
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)]
    assert follower.counts["refused_command"] == 2


def test_a_rule_id_twice_is_refused_by_the_node_too(node: Started) -> None:
    follower = node.start()
    (one,) = node.command(follower, {"camera_id": "east", "rules": [rule(), rule(dwell_s=9)]}).cameras
    assert one.problems == ("cameras.0.rules.1.rule_id: rule_id lane is used twice",)


def test_an_order_that_is_none_is_answered_and_put_away(node: Started) -> None:
    follower = node.start()
    folder = node.folder / "data" / FOLDER
    (folder / "desired.json").write_text("{")
    follower.poll()
    assert not (folder / "desired.json").exists()
    assert not (folder / "taken.json").exists()
    assert follower.counts["refused_command"] == 1


def test_an_old_order_is_refused_nobody_expects_it_any_more(node: Started) -> None:
    follower = node.start()
    order = new_order((CameraRules.model_validate({"camera_id": "east", "rules": []}),), node.wall())
    node.orders.give(order)
    node.now_s += VALID_S + 1
    follower.poll()
    answer = node.orders.answer(order.order_id)
    assert answer is not None
    assert answer.problems[0].endswith("give it again")
    assert node.main_path.taken == []


def test_a_withdrawn_order_is_never_taken_and_a_taken_one_cannot_be_withdrawn(node: Started) -> None:
    follower = node.start()
    order = new_order((CameraRules.model_validate({"camera_id": "east", "rules": []}),), node.wall())
    node.orders.give(order)
    with pytest.raises(FileExistsError):
        node.orders.give(new_order(None, node.wall()))
    assert node.orders.withdraw(order)
    follower.poll()
    assert node.main_path.taken == []
    node.orders.give(order)
    assert node.orders.take() == order
    assert not node.orders.withdraw(order)


# Kills and disks.


def test_killed_after_the_version_was_kept_the_next_start_runs_it_and_answers(node: Started) -> None:
    follower = node.start()
    order = new_order((CameraRules.model_validate({"camera_id": "east", "rules": [rule(dwell_s=99)]}),), node.wall())
    node.orders.give(order)

    def die(rules: WatchedRules) -> RulesChange:
        raise KeyboardInterrupt  # what no handler of ours catches

    follower._change = die
    with pytest.raises(KeyboardInterrupt):
        follower.poll()
    assert node.orders.answer(order.order_id) is None
    after = node.start()
    answer = node.orders.answer(order.order_id)
    assert answer is not None
    assert [(one.outcome, one.version) for one in answer.cameras] == [("applied", 2)]
    assert node.running(after) == [("lane", 99.0)]
    assert node.story() == [(1, "file"), (2, "command")]


def test_killed_before_the_version_was_kept_the_next_start_takes_the_order(
    node: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = node.start()
    order = new_order((CameraRules.model_validate({"camera_id": "east", "rules": [rule(dwell_s=99)]}),), node.wall())
    node.orders.give(order)

    def die(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(node.files, "add", die)
        with pytest.raises(KeyboardInterrupt):
            follower.poll()
    after = node.start()
    assert node.orders.answer(order.order_id) is not None
    assert node.running(after) == [("lane", 99.0)]
    assert node.story() == [(1, "file"), (2, "command")]


def test_a_disk_that_refuses_a_version_keeps_the_running_rules_and_is_tried_again(
    node: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = node.start()

    def refuse(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(node.files, "add", refuse)
        node.write(camera("east", rule(dwell_s=40)), camera("west"))
        node.polls(follower)
        assert node.main_path.taken == []
        assert follower.disk_problem == "No space left on device"
        assert follower.counts["not_kept"] == 1
        (one,) = node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=77)]}).cameras
        assert one.problems == ("the version cannot be kept: No space left on device",)
    node.now_s += DISK_AGAIN_S
    node.polls(follower)
    assert node.running(follower) == [("lane", 40.0)]
    assert follower.disk_problem is None


def test_a_disk_that_refuses_at_the_start_keeps_no_node_from_watching_and_is_tried_again(
    node: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(node.files, "add", refuse)
        follower = node.start()
        assert follower.disk_problem == "No space left on device"
    node.now_s += DISK_AGAIN_S
    node.polls(follower)
    assert follower.disk_problem is None
    assert node.story() == node.story("west") == [(1, "file")]


def test_a_file_that_a_defect_keeps_out_is_said_once_and_not_tried_over_and_over(node: Started) -> None:
    follower = node.start()
    node.main_path.problem = "ZeroDivisionError: "
    node.write(camera("east", rule(dwell_s=40)), camera("west"))
    for _ in range(10):
        node.polls(follower)
    assert said(follower) == ["node.yaml: cameras: east: a defect kept it out, see the log: ZeroDivisionError: "]
    assert follower.counts["refused_file"] == 1
    assert node.story() == [(1, "file")]


def test_rules_that_a_defect_keeps_out_leave_no_version(node: Started) -> None:
    follower = node.start()
    node.main_path.problem = "ZeroDivisionError: "
    (one,) = node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=77)]}).cameras
    assert one.problems == ("a defect kept it out, see the log: ZeroDivisionError: ",)
    assert node.running(follower) == [("lane", 20.0), ("exit", 20.0)]
    assert node.story() == [(1, "file")]


def test_a_defect_is_an_answer_and_the_file_is_followed_on(node: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = node.start()

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("xueliang_edge.hot_rules.following.compare_camera", fail)
        answer = node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=77)]})
    assert answer.problems == ("a defect, see the log: ZeroDivisionError",)
    node.write(camera("east", rule(dwell_s=40)), camera("west"))
    node.polls(follower)
    assert node.running(follower) == [("lane", 40.0)]


def test_hot_part_of_a_file_roundtrips_through_a_version(node: Started) -> None:
    """What `rules show` prints is what `rules apply` takes."""
    file = read_node(node.path)
    (east, _) = file.config.cameras
    kept = version_of(east, 1, "", START, Source.FILE)
    part = CameraRules.model_validate(yaml.safe_load(yaml.safe_dump(dict(kept.settings))))
    assert comparing.with_hot_part(east, part) == east
    assert digest_of(comparing.with_hot_part(east, part)) == digest_of(east)

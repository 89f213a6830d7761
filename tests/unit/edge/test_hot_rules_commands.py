"""Rules that change by command while a node runs; kills and disks that refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.unit.edge.hot_node import START, ZONE, Started, camera, rule, said
from xueliang_configs.cameras import CameraRules
from xueliang_configs.loading import read_node
from xueliang_edge.hot_rules import comparing
from xueliang_edge.hot_rules.comparing import digest_of
from xueliang_edge.hot_rules.following import DISK_AGAIN_S
from xueliang_edge.hot_rules.orders import VALID_S, new_order
from xueliang_edge.hot_rules.versions import FOLDER, Source, version_of
from xueliang_edge.pipeline import RulesChange
from xueliang_edge.rules_commands import version_before
from xueliang_edge.watched_camera import WatchedRules


@pytest.fixture
def node(tmp_path: Path) -> Started:
    one = Started(tmp_path)
    one.write(camera("east"), camera("west"))
    return one


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


def test_back_goes_to_the_version_before_that_says_something_else(node: Started) -> None:
    """A version may repeat the last: the file has come to say what a command said."""
    follower = node.start()
    node.command(follower, {"camera_id": "east", "rules": [rule(dwell_s=77)]})
    node.write(camera("east", rule(dwell_s=77)), camera("west"))
    node.polls(follower)
    assert [number for number, _ in node.story()] == [1, 2, 3]
    assert version_before(node.files.all("east")) == 1
    assert version_before(node.files.all("east")[:1]) is None


# Kills and disks.


def disk_full(_: object) -> None:
    raise OSError(28, "No space left on device")


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
    with monkeypatch.context() as patched:
        patched.setattr(node.files, "add", disk_full)
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


def test_a_file_that_is_set_back_after_the_disk_refused_it_leaves_no_problem_and_is_not_read_again(
    node: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = node.start()
    with monkeypatch.context() as full:
        full.setattr(node.files, "add", disk_full)
        node.write(camera("east", rule(dwell_s=60)), camera("west"))
        node.polls(follower)
        assert follower.disk_problem is not None
    node.write(camera("east"), camera("west"))
    node.now_s += DISK_AGAIN_S
    node.polls(follower)
    assert follower.disk_problem is None
    read_at = follower.read_at
    node.now_s += DISK_AGAIN_S
    node.polls(follower)
    assert follower.read_at == read_at


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

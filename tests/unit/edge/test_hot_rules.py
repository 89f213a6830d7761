"""Rules that change in the file while a node runs: what is taken, what is refused with which words, versions."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.edge.hot_node import START, ZONE, Started, camera, rule, said
from tests.unit.edge.test_rules_not_running import knows
from xueliang_configs.cameras import CameraConfig, CameraRules
from xueliang_edge.capture.orders import RenewView
from xueliang_edge.hot_rules.comparing import NEEDS_RESTART, SAYS_NOTHING, TAKEN_HOT, digest_of, hot_part
from xueliang_edge.hot_rules.following import RulesFollower
from xueliang_edge.hot_rules.orders import ViewAsked, new_order
from xueliang_edge.hot_rules.realigning import ProposalFiles
from xueliang_edge.hot_rules.versions import FOLDER, KEPT, Source, VersionFiles, version_of
from xueliang_edge.looks import KnownView


@pytest.fixture
def node(tmp_path: Path) -> Started:
    one = Started(tmp_path)
    one.write(camera("east"), camera("west"))
    return one


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


def test_a_ground_is_taken_and_taken_away_without_a_restart_and_not_said_where_there_is_none(node: Started) -> None:
    points = (([0.3, 0.56], [0, 0]), ([0.7, 0.56], [4, 0]), ([0.63, 0.13], [4, 6]), ([0.37, 0.13], [0, 6]))
    ground = {"points": [{"picture": picture, "metres": metres} for picture, metres in points]}
    follower = node.start()
    before = digest_of(follower.running["east"].configured)
    node.write(camera("east", ground=ground), camera("west"))
    node.polls(follower)
    (taken,) = node.main_path.taken
    assert taken.config.ground is not None
    assert digest_of(taken.config) != before
    node.write(camera("east"), camera("west"))
    node.polls(follower)
    assert node.main_path.taken[-1].config.ground is None
    assert digest_of(node.main_path.taken[-1].config) == before
    assert "ground" not in hot_part(node.main_path.taken[-1].config).as_written  # centres of before know no such word


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


VIEWS = [{"view_id": "gate", "name": "Gate"}, {"view_id": "yard", "name": "Yard"}]
RENAMED = [VIEWS[0], {"view_id": "court", "name": "Yard"}]


@pytest.mark.parametrize(
    ("view", "before", "after", "in_file"),
    [("yard", VIEWS, RENAMED, "gate"), ("yard", VIEWS, VIEWS[:1], "gate"), (None, [], VIEWS, None)],
    ids=["renamed", "gone", "added"],
)
def test_a_commands_rules_that_do_not_fit_changed_views_give_way_to_the_file(
    node: Started, view: str | None, before: list[Any], after: list[Any], in_file: str | None
) -> None:
    fault = {"rule_id": "view", "hazard": "camera_fault", "fault": "view"}
    in_view = {} if in_file is None else {"view": in_file}
    filed = [fault] if in_file is None else [rule(**in_view), fault]
    node.write(camera("east", *filed, views=before))
    follower = node.start()
    commanded = rule(dwell_s=99) | ({} if view is None else {"view": view})
    assert node.command(follower, {"camera_id": "east", "rules": [commanded]}).cameras[0].outcome == "applied"
    node.write(camera("east", *filed, views=after))
    follower = node.start()
    assert [one.rule_id for one in follower.running["east"].configured.rules] == [one["rule_id"] for one in filed]
    assert follower.versions["east"].source is Source.FILE
    assert "version 2 cannot be used with the file's views: rule lane: " in follower.versions["east"].note


def test_a_renewal_whose_answer_was_lost_is_ordered_again(node: Started) -> None:
    node.write(camera("east", rule(view="gate"), views=VIEWS))
    follower = node.start()
    part = CameraRules.model_validate({"camera_id": "east", "rules": [rule(view="gate", dwell_s=99)]})
    asked = ViewAsked(camera_id="east", view_id="gate", act="renew", shift_xyn=(0.05, 0.0))
    order = new_order((part,), node.wall(), views=(asked,))
    for _ in range(2):  # killed between its version and its answer
        node.orders.give(order)
        follower.poll()
        follower = node.start()
    assert node.view_orders == [RenewView("east", "gate", (0.05, 0.0), order.order_id)] * 2
    assert node.story() == [(1, "file"), (2, "command")]


def test_a_proposal_that_cannot_be_written_is_said_until_one_can(
    node: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.write(camera("east", rule(view="gate"), views=VIEWS))
    follower = node.start()
    node.views = (KnownView("gate", "known", shift_xyn=(0.05, 0.0)), KnownView("yard", "known"))
    with monkeypatch.context() as full:
        full.setattr(ProposalFiles, "write", refuse)
        node.polls(follower)
        assert follower.proposals_problem == "No space left on device"
        assert follower.disk_problem is None, "versions are kept"
    node.polls(follower)
    assert not follower.proposals_problem
    assert len(follower.proposing.current) == 1
    node.views = ()
    node.write(camera("east"))
    node.start()
    assert not list(follower.proposing.files.all()), "no camera has views any more"


def refuse(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


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

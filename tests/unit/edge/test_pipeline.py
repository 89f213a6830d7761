"""The main path with scripted neighbours: unknown is never nothing, faults stay where they are, handles come back."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pytest

from tests.unit.edge.pipeline_world import STILL, World, camera, seen, shown
from xueliang_alerts.contract import EndReason
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.attention.levels import Level
from xueliang_edge.detection import CUT_SCORE, Unknown, joined
from xueliang_edge.evidence.masking import PERSON_SCORE
from xueliang_edge.looks import GOOD_VIEW, ViewSign
from xueliang_edge.observations import ViewFault, ViewState
from xueliang_edge.pipeline import DETECT_TIMEOUT_S, KEPT_SCORE
from xueliang_edge.watched_camera import WatchedCamera, WatchedRules


def test_the_rules_get_boxes_from_a_tenth_up_and_the_scene_leaves_out_people_from_a_twentieth() -> None:
    lane = camera("lane")
    world = World(lane)
    world.pass_time(0.05)
    (observation,) = shown(lane)
    assert observation.view is ViewState.GOOD
    assert observation.class_names == ("car", "car")
    assert observation.track_ids[0] != -1
    assert not observation.is_carried
    (release,) = world.capture.released
    assert release.excluded_xyxyn is not None
    assert np.allclose(release.excluded_xyxyn, [[0.0, 0.1, 0.1, 0.3], [0.2, 0.1, 0.3, 0.3]])
    assert release.seen_xyxyn is not None
    assert len(release.seen_xyxyn) == 3


def test_while_nothing_moves_an_answer_is_carried_and_refreshed_and_teaches_nothing() -> None:
    lane = camera("lane", look_every_s=2)
    world = World(lane)
    world.detection.answer = seen()
    world.capture.moved = STILL
    world.pass_time(60.0)
    carried = [one for one in shown(lane) if one.is_carried]
    looked = [one for one in shown(lane) if not one.is_carried]
    assert len(carried) >= 3 * len(looked) > 3
    assert all(one.is_good for one in carried)
    assert len(world.detection.asked) == len(looked)
    taught = [release for release in world.capture.released if release.excluded_xyxyn is not None]
    assert len(taught) == len(looked)


def test_movement_in_a_zone_is_looked_at_by_the_detector_and_watched_closely() -> None:
    lane = camera("lane", look_every_s=2, sub_url="rtsp://10.0.0.9/small")
    world = World(lane)
    world.capture.moved = STILL
    world.detection.answer = seen()
    world.pass_time(5.0)
    assert lane.attention.level is Level.IDLE
    assert world.capture.paces["lane"].gap_s == 2.0
    moved = STILL.copy()
    moved[9, 16] = 1.0
    world.capture.moved = moved
    world.pass_time(3.0)
    assert lane.attention.level is Level.WATCH
    assert world.capture.paces["lane"].gap_s == 1.0
    assert not shown(lane)[-1].is_carried
    world.capture.moved = STILL
    world.pass_time(60.0)
    assert lane.attention.level is Level.IDLE


def test_a_second_detector_keeps_its_own_rate_while_the_first_one_s_rule_is_counting() -> None:
    zone = [[0, 0], [1, 0], [1, 1], [0, 1]]
    rules = [
        {"rule_id": "lane", "hazard": "fire_lane_obstruction", "zone": zone, "dwell_s": 60},
        {"rule_id": "fire", "hazard": "fire_smoke", "zone": zone, "detector": "fire"},
    ]
    lane = camera("lane", look_every_s=0.5, rules=rules)
    world = World(lane)
    world.pass_time(5.0)
    world.capture.moved = STILL
    world.pass_time(20.0)
    assert lane.attention.level is Level.WATCH
    late = [one for one in shown(lane) if one.observed_mono_s > world.began_mono_s + 6.0]
    asked = Counter(one.detector for one in late if not one.is_carried)
    assert asked["objects"] >= 36, "a car stands there: at every look"
    assert 16 <= asked["fire"] <= 24, "nothing burns: every second, as its rule needs"
    assert lane.detect_ms is not None
    assert lane.concerned == {"objects"}
    lane.take(WatchedRules.of(lane.config))
    assert lane.concerned == frozenset(), "whose rules they were is not known any more"


def test_a_detector_without_an_answer_is_unknown_counted_and_teaches_nothing() -> None:
    lane = camera("lane")
    world = World(lane)
    world.detection.answer = Unknown("detector_died")
    world.pass_time(10.0)
    assert {observation.view for observation in shown(lane)} == {ViewState.UNKNOWN}
    assert lane.unknown["detector_died"] == lane.looks > 3
    assert all(release.excluded_xyxyn is None for release in world.capture.released)


def test_a_detector_that_hangs_is_unknown_by_its_deadline_and_the_picture_comes_back() -> None:
    lane = camera("lane")
    world = World(lane)
    world.detection.holds = True
    world.pass_time(DETECT_TIMEOUT_S + 2.0)
    assert shown(lane)[0].view is ViewState.UNKNOWN
    assert lane.unknown["detector_late"] >= 1
    assert len(world.capture.released) >= 1


def test_with_no_detector_alive_looks_are_unknown_and_counted_never_silence() -> None:
    lane = camera("lane")
    world = World(lane)
    world.detection.workers = 0
    world.pass_time(6.0)
    assert {observation.view for observation in shown(lane)} == {ViewState.UNKNOWN}
    assert lane.unknown["no_idle_detector"] == len(shown(lane)) >= 3
    world.detection.workers = 1
    world.pass_time(3.0)
    assert shown(lane)[-1].is_good


def test_an_old_answer_is_not_carried_over_one_that_failed() -> None:
    """After a failed look the next one asks again: what came in between is not known."""
    lane = camera("lane", look_every_s=2)
    world = World(lane)
    world.capture.moved = None
    world.pass_time(1.0)
    world.detection.answer = Unknown("detector_died")
    world.pass_time(3.0)
    assert shown(lane)[-1].view is ViewState.UNKNOWN
    world.capture.moved = STILL
    world.detection.answer = seen()
    world.pass_time(2.5)
    assert shown(lane)[-1].is_good
    assert not shown(lane)[-1].is_carried


def test_a_camera_without_pictures_is_offline_after_a_while_and_the_others_go_on() -> None:
    lane, gone = camera("lane"), camera("gone")
    world = World(lane, gone)
    world.capture.away = {"gone"}
    world.pass_time(1.5)
    assert shown(gone) == []
    world.pass_time(20)
    first, *later = shown(gone)
    assert (first.view, first.observed_mono_s) == (ViewState.UNKNOWN, world.began_mono_s), "not watched before"
    assert {observation.view for observation in later} == {ViewState.OFFLINE}
    pace_s = gone.need.largest_gap_s
    assert 0.4 * 14 / pace_s <= len(shown(gone)) <= 1.2 * 20 / pace_s, "at the pace of a look, not of the polling"
    assert lane.looks >= 9
    world.capture.away = set()
    world.pass_time(3.0)
    assert shown(gone)[-1].view is ViewState.GOOD


def test_a_camera_that_sends_while_we_have_no_time_is_unknown_never_offline() -> None:
    lane, slow = camera("lane"), camera("slow")
    world = World(lane, slow)
    world.pass_time(1.0)
    world.capture.paces.pop("slow")  # its pictures come, and are never decoded
    world.pass_time(20.0)
    late = [one for one in shown(slow) if not one.is_good]
    assert late
    assert {observation.view for observation in late} == {ViewState.UNKNOWN}
    assert slow.unknown["look_overdue"] == len(late)


def test_a_fault_in_one_camera_does_not_end_the_watch_of_the_others_and_gives_its_picture_back() -> None:
    lane, broken = camera("lane"), camera("lane-broken")
    world = World(lane, broken)
    world.pass_time(10.0)
    assert lane.looks >= 4
    assert world.pipeline.counts.faults["look_failed"] > 1
    assert world.capture.out == {}
    seen_by_onlooker = {(name, look is None, view) for name, look, view in world.onlooker.judged_looks}
    assert seen_by_onlooker == {("lane", False, ViewState.GOOD), ("lane-broken", True, ViewState.UNKNOWN)}


def test_under_overload_the_newest_look_of_a_camera_waits_and_the_older_one_goes_back() -> None:
    lane, yard = camera("lane"), camera("yard")
    world = World(lane, yard)
    world.detection.holds = True
    world.pass_time(0.15)
    assert world.pipeline.in_hand == 1
    assert world.pipeline.schedule.waiting_count == 1
    waiting = next(handle for handle in world.capture.out if handle.camera_id == "yard")
    newer = world.capture._look("yard", world.clock.now_s)
    world.pipeline._arrived(newer)
    assert waiting in [release.handle for release in world.capture.released]
    assert world.pipeline.schedule.drops("yard")["replaced"] == 1


def test_lag_that_lasts_takes_the_declared_steps_and_says_so() -> None:
    lane = camera("lane", look_every_s=2)
    world = World(lane)
    world.capture.lag_s = 3.0
    world.pass_time(60.0)
    assert world.pipeline.overload.degradation.words
    assert world.pipeline.overload.degradation >= 3
    assert not world.capture.paces["lane"].may_decode_all
    world.capture.lag_s = 0.0
    world.pass_time(900.0)
    assert world.pipeline.overload.degradation == 0
    assert world.capture.paces["lane"].may_decode_all


def test_a_camera_whose_rules_need_no_boxes_costs_no_detector() -> None:
    door = camera("door", offline_only=True)
    world = World(door)
    world.pass_time(12.0)
    assert world.detection.asked == []
    assert shown(door)[0].is_good
    assert shown(door)[0].detector != "objects", "rules that need boxes must not read this as empty"


def test_a_picture_that_does_not_show_its_place_is_unknown_to_every_rule_and_seen_by_no_detector() -> None:
    lane, door = camera("lane"), camera("door", offline_only=True)
    world = World(lane, door)
    world.pass_time(5.0)
    asked, judged = len(world.detection.asked), len(shown(lane))
    world.capture.released.clear()
    for view in (ViewSign(is_doubtful=True), ViewSign(ViewFault.COVERED, figure=0.9)):
        world.capture.view = view
        world.pass_time(12.0)  # the door is looked at every ten seconds
    assert len(world.detection.asked) == asked
    assert {one.view for one in shown(lane)[judged:]} == {ViewState.UNKNOWN}
    assert shown(lane)[judged].view_fault is None
    for one in (lane, door):
        assert (shown(one)[-1].view_fault, shown(one)[-1].view_figure) == (ViewFault.COVERED, 0.9)
        assert one.view_words == "covered"
        assert min(one.unknown["view_doubtful"], one.unknown["view_covered"]) > 0
    assert world.onlooker.judged_looks[-1][1:] == (None, ViewState.UNKNOWN), "whoever looks on is told, without picture"
    assert not world.capture.out, "every picture comes back"
    assert all(release.seen_xyxyn is None for release in world.capture.released), "and teaches nothing"
    world.capture.view = GOOD_VIEW
    world.pass_time(3.0)
    assert shown(lane)[-1].is_good
    assert (lane.view_words, lane.unknown["look_overdue"]) == ("good", 0)


def test_it_stops_when_told_and_when_nothing_is_left_to_watch() -> None:
    stop = threading.Event()
    stop.set()
    world = World(camera("lane"))
    world.pipeline.run(stop)
    assert world.capture.looks_given == 0
    world.pipeline.schedule.retire("lane")
    world.capture.is_ended = True
    world.pipeline.run(threading.Event(), until_ended=True)


def test_what_a_closer_look_adds_is_merged_and_one_thing_is_said_once() -> None:
    whole, part = seen(("car", 0.5)), seen(("car", 0.8), ("person", 0.4))
    merged = joined(whole, part, (0.0, 0.0, 0.5, 0.5))
    assert merged.class_names == ("car", "person")
    assert merged.scores[0] == np.float32(0.8)


def test_who_is_cut_by_the_edge_of_a_part_is_nobody_who_counts_and_stays_out_of_the_scene() -> None:
    whole, part = seen(), seen(("person", 0.9), ("person", 0.8), ("person", 0.7))  # from 0.0, 0.1 and 0.2 to the right
    merged = joined(whole, part, (0.0, 0.0, 0.3, 0.5))
    assert merged.scores.tolist() == [np.float32(0.9), np.float32(0.8), np.float32(CUT_SCORE)]
    assert PERSON_SCORE < CUT_SCORE < KEPT_SCORE
    merged = joined(whole, part, (0.1, 0.0, 1.0, 1.0))
    assert merged.scores.tolist() == [np.float32(0.7), np.float32(CUT_SCORE), np.float32(CUT_SCORE)]
    assert joined(seen(("person", 0.6)), part, (0.0, 0.0, 0.1, 0.5)).scores[0] == np.float32(0.6), "seen in the whole"


def with_rules(one: WatchedCamera, *rules: dict[str, object]) -> WatchedRules:
    """The camera's own rules, and instead of or beside them these."""
    kept = [rule for rule in one.config.rules if rule.rule_id not in {new["rule_id"] for new in rules}]
    value = one.config.model_dump() | {"rules": [*kept, *rules], "url": "rtsp://10.0.0.9/lane"}
    return WatchedRules.of(CameraConfig.model_validate(value))


def parking(rule_id: str = "lane", dwell_s: float = 5, **settings: object) -> dict[str, object]:
    zone = [[0, 0], [1, 0], [1, 1], [0, 1]]
    return {"rule_id": rule_id, "hazard": "illegal_parking", "zone": zone, "dwell_s": dwell_s} | settings


def test_rules_change_between_two_looks_and_what_did_not_change_goes_on() -> None:
    lane = camera("lane")
    world = World(lane)
    world.pipeline.change(with_rules(lane, parking("kept"), parking("changed")))
    world.pass_time(12)
    assert lane.judge.open_rules == {"kept", "changed"}
    world.teller.told.clear()
    before = lane.judge.episodes["kept"].open
    change = world.pipeline.change(with_rules(lane, parking("changed", dwell_s=90)))
    world.pass_time(0.1)
    assert change.is_done.is_set()
    assert change.problem is None
    (end,) = world.teller.told
    assert (end.rule.rule_id, end.decision.end_reason) == ("changed", EndReason.RULE_CHANGED)
    after = lane.judge.episodes["kept"].open
    assert before is not None
    assert after is not None
    assert (after.began, lane.judge.open_rules) == (before.began, {"kept"})


def test_new_rules_are_looked_at_as_often_as_they_need_and_first_at_once() -> None:
    lane = camera("lane", offline_only=True)
    world = World(lane)
    world.pass_time(5)
    assert world.detection.asked == []
    slow_s = world.capture.paces["lane"].gap_s
    world.pipeline.change(
        with_rules(lane, {"rule_id": "yard", "hazard": "intrusion", "zone": [[0, 0], [1, 0], [1, 1]]})
    )
    world.pass_time(0.1)
    assert world.capture.paces["lane"].gap_s < slow_s
    assert lane.need.largest_gap_s == pytest.approx(world.capture.paces["lane"].gap_s)
    world.pass_time(3)
    assert world.detection.asked
    assert shown(lane)[-1].detector == "objects"


def test_answers_of_a_detector_are_not_carried_over_a_change() -> None:
    lane = camera("lane")
    world = World(lane)
    world.detection.answer = seen()
    world.capture.moved = STILL
    world.pass_time(5)
    asked = len(world.detection.asked)
    world.pass_time(2.5)
    assert len(world.detection.asked) == asked  # nothing moved: carried
    world.pipeline.change(with_rules(lane, parking()))
    world.pass_time(2.5)
    assert len(world.detection.asked) == asked + 1


def test_an_answer_that_was_asked_for_before_a_change_judges_its_look_and_is_not_carried_on() -> None:
    lane = camera("lane")
    world = World(lane)
    world.detection.answer = seen()
    world.detection.holds = True
    world.pass_time(0.5)
    (ticket,) = world.detection.held
    world.pipeline.change(with_rules(lane, parking()))
    world.pass_time(0.1)
    del world.detection.held[ticket]
    world.detection._ready.append((ticket, seen()))
    world.pass_time(0.1)
    assert shown(lane)[-1].is_good
    assert lane.last_seen == {}


def test_rules_that_a_defect_keeps_out_leave_the_running_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = camera("lane")
    world = World(lane)
    world.pipeline.change(with_rules(lane, parking()))
    world.pass_time(12)
    running, rules = lane.judge.episodes, lane.config.rules

    def fail(rule: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("xueliang_edge.rules.judge._started", fail)
    change = world.pipeline.change(with_rules(lane, parking(dwell_s=90), parking("new")))
    world.pass_time(0.1)
    assert change.is_done.is_set()
    assert change.problem == "ZeroDivisionError: "
    assert world.pipeline.counts.faults["rules_not_changed"] == 1
    assert lane.config.rules == rules
    assert lane.judge.open_rules == {"lane"}
    looks = lane.looks
    world.pass_time(5)
    assert lane.looks > looks
    assert lane.judge.episodes["lane"].open is not None
    assert running["lane"].open is not None
    assert lane.judge.episodes["lane"].open.began == running["lane"].open.began

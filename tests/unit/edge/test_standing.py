"""Something stands in a zone. Each story is told by what stands where, and when."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.edge.observing import CAR, START, Thing, after_s, camera, judged, lane_rule, seen, times, told
from xueliang_alerts.contract import EndReason, Phase
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules import standing
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge

TRUCK: Thing = ("truck", 0.7, (0.55, 0.4, 0.8, 0.85))
WALKER: Thing = ("person", 0.9, (0.4, 0.5, 0.45, 0.75))


def story(*looks: Observation, **settings: object) -> list[Decision]:
    return judged(CameraJudge(camera(lane_rule(**settings))), looks)


def stands(start_s: float, end_s: float, thing: Thing = CAR, until_s: float | None = None) -> list[Observation]:
    """The thing is there in [start, end); looks every half second from 0 on."""
    until_s = end_s + 10 if until_s is None else until_s
    return [seen(t, [thing] if start_s <= t < end_s else []) for t in times(until_s)]


def moving(box_at_0: tuple[float, float, float, float], per_s: float, t: float, name: str = "car") -> Thing:
    left, top, right, bottom = box_at_0
    return (name, 0.8, (left + per_s * t, top, right + per_s * t, bottom))


def grid(*changed_cells: tuple[int, int], value: float = 1.0) -> np.ndarray:  # type: ignore[type-arg]
    """A change grid 18 x 32 (row, column); the lane covers rows 9 to 16 and columns 3 to 28."""
    cells = np.zeros((18, 32), dtype=np.float32)
    for row, column in changed_cells:
        cells[row, column] = value
    return cells


PALLET = grid(*[(row, column) for row in range(10, 14) for column in range(8, 14)])


def test_a_vehicle_raises_after_its_dwell_and_clears_when_the_lane_is_seen_clear() -> None:
    raised, cleared = story(*stands(5, 40))
    assert (raised.phase, after_s(raised)) == (Phase.RAISED, 15.0)
    assert raised.began.mono_s - 1000 == 4.75  # half-way between the last look without it and the first with it
    assert (raised.began.at - START).total_seconds() == 4.75
    assert raised.reason.code == "lane_blocked"
    assert raised.reason.text == "fire lane 12% covered by car for 10 s >= 10 s"
    assert raised.reason.about == {"objects": "car", "place": "fire lane"}
    assert raised.measures["seconds"] == (10.25, "s")
    assert raised.boxes_xyxyn == (pytest.approx(CAR[2]),)
    assert raised.model_digest == "a" * 64
    assert (cleared.phase, cleared.end_reason, after_s(cleared)) == (Phase.CLEARED, EndReason.SEEN_CLEAR, 43.0)
    assert cleared.ended is not None
    assert cleared.ended.mono_s - 1000 == 39.5  # the last look that saw it
    assert cleared.reason.code == "lane_clear"


def test_what_stood_there_at_the_start_counts_from_the_first_look() -> None:
    (raised,) = story(*stands(0, 20, until_s=20))
    assert (raised.began.mono_s - 1000, after_s(raised)) == (0.0, 10.0)


def test_dwell_counts_from_when_it_stands_not_from_when_it_appears() -> None:
    def thing(t: float) -> list[Thing]:
        return [moving((0.1, 0.4, 0.3, 0.8), 0.05, min(t, 6.0))]  # rolls for six seconds, then stands

    raised = story(*[seen(t, thing(t)) for t in times(20)])[0]
    assert 5.0 <= raised.began.mono_s - 1000 <= 6.5


@pytest.mark.parametrize("every_s", [0.1, 0.25, 1.0, 2.0, 4.0])
def test_the_dwell_is_the_same_at_any_look_rate(every_s: float) -> None:
    looks = [seen(t, [CAR] if t < 60 else []) for t in times(80, every_s)]
    raised, cleared = story(*looks, dwell_s=30)
    assert 30 <= after_s(raised) <= 30 + every_s
    assert 60 + 3 <= after_s(cleared) <= 60 + 3 + 2 * every_s


@pytest.mark.parametrize("speed", [0.03, 0.1, 0.3])
def test_traffic_that_passes_never_raises(speed: float) -> None:
    def cars(t: float) -> list[Thing]:
        return [moving((start, 0.5, start + 0.2, 0.8), speed, t % (2.5 / speed)) for start in (-0.4, -0.67, -1.2, -1.5)]

    looks = []
    for t in times(120, 0.25):
        inside = [(name, score, box) for name, score, box in cars(t) if box[0] >= 0 and box[2] <= 1]
        looks.append(seen(t, inside))
    assert story(*looks) == []


def test_a_vehicle_beside_the_lane_does_not_count() -> None:
    beside: Thing = ("truck", 0.9, (0.3, 0.1, 0.5, 0.55))  # its ground ends where the lane begins
    assert story(*stands(0, 60, beside)) == []


def test_people_standing_in_the_lane_are_no_obstruction() -> None:
    assert story(*stands(0, 60, ("person", 0.9, CAR[2]))) == []


def test_a_small_thing_below_the_wanted_cover_does_not_count() -> None:
    bicycle: Thing = ("bicycle", 0.9, (0.5, 0.6, 0.53, 0.66))
    assert story(*stands(0, 60, bicycle), min_cover=0.05) == []


def test_one_vehicle_reported_as_car_and_truck_is_one_thing_and_one_episode() -> None:
    left, top, right, bottom = CAR[2]
    looks = []
    for t in times(30):
        double: Thing = ("truck", 0.6, (left + 0.01, top, right, bottom + 0.01))
        looks.append(seen(t, [CAR, double] if int(t) % 2 else [double]))
    (raised,) = story(*looks)
    assert raised.measures["objects"] == (1.0, "objects")


def test_a_weak_detector_that_sees_it_steadily_is_believed() -> None:
    assert story(*stands(0, 30, ("car", 0.31, CAR[2])))[0].phase is Phase.RAISED


def test_a_faint_ghost_is_not_believed_however_long_it_stays() -> None:
    assert story(*stands(0, 300, ("car", 0.2, CAR[2]))) == []


def test_single_missed_detections_neither_restart_nor_clear() -> None:
    looks = [seen(t, [] if index % 4 == 3 else [CAR]) for index, t in enumerate(times(60))]
    (raised,) = story(*looks)
    assert raised.began.mono_s - 1000 == 0.0


def test_turns_taken_by_vehicles_are_one_blockage_of_a_lane() -> None:
    looks = [seen(t, ([CAR] if t < 8 else []) + ([TRUCK] if 5 <= t < 30 else [])) for t in times(30)]
    (raised, *_) = story(*looks, dwell_s=20)
    assert (raised.began.mono_s - 1000, after_s(raised)) == (0.0, 20.0)


def test_a_queue_that_moves_on_is_no_parking() -> None:
    looks = [seen(t, ([CAR] if t < 8 else []) + ([TRUCK] if 5 <= t < 24 else [])) for t in times(30)]
    rule = {"hazard": "illegal_parking", "dwell_s": 20}
    assert judged(CameraJudge(camera(rule)), looks) == []


def test_a_vehicle_hidden_by_another_is_neither_gone_nor_cleared() -> None:
    lorry: Thing = ("truck", 0.9, (0.2, 0.3, 0.6, 0.98))  # passes in front, outside the lane's middle
    looks = [seen(t, [lorry] if 20 <= t < 32 else [CAR]) for t in times(50)]
    assert [d.phase for d in story(*looks)] == [Phase.RAISED]


@pytest.mark.parametrize("away", [1, -1], ids=["away", "towards"])
def test_a_queue_that_rolls_through_never_raises(away: int) -> None:
    """Bumper to bumper at a third of a length; each spot is always under some car."""

    def queue(t: float) -> list[Thing]:
        places = [(index * 0.2 + 0.06 * t) % 1.6 for index in range(8)]
        tops = [0.9 - place * away if away > 0 else place - 0.4 for place in places]
        return [("car", 0.8, (0.4, top, 0.55, top + 0.15)) for top in tops if 0 <= top <= 0.85]

    looks = [seen(t, queue(t)) for t in times(240, 0.5)]
    assert story(*looks, zone=[[0.3, 0.2], [0.7, 0.2], [0.7, 1], [0.3, 1]]) == []


def test_what_stays_hidden_ends_as_view_lost_not_as_clear() -> None:
    lorry: Thing = ("truck", 0.9, (0.2, 0.3, 0.6, 0.98))
    rule = {"zone": [[0.1, 0.5], [0.9, 0.5], [0.9, 0.82], [0.1, 0.82]]}
    looks = [seen(t, [CAR] if t < 20 else [lorry] if int(t) % 2 else []) for t in times(30)]
    assert [d.phase for d in story(*looks, **rule)] == [Phase.RAISED, Phase.CLEARED]
    bus: Thing = ("person", 0.9, (0.2, 0.3, 0.6, 0.98))
    looks = [seen(t, [CAR] if t < 20 else [bus]) for t in times(640)]
    assert [d.end_reason for d in story(*looks, **rule)] == [None, EndReason.VIEW_LOST]


def test_an_object_without_a_name_is_seen_by_what_stays_changed() -> None:
    looks = [seen(t, change=PALLET if 5 <= t < 40 else grid()) for t in times(50)]
    raised, cleared = story(*looks)
    assert (raised.began.mono_s - 1000, after_s(raised)) == (4.75, 15.0)
    assert raised.reason.about["objects"] == "something"
    assert "covered by something" in raised.reason.text
    assert raised.boxes_xyxyn == (pytest.approx((8 / 32, 10 / 18, 14 / 32, 14 / 18)),)
    assert 40 + 3 <= after_s(cleared) <= 44


def test_changed_cells_under_people_do_not_count() -> None:
    crowd: Thing = ("person", 0.6, (0.2, 0.5, 0.5, 0.85))
    looks = [seen(t, [crowd], change=PALLET) for t in times(60)]
    assert story(*looks) == []


def test_people_passing_in_front_of_an_object_do_not_restart_its_dwell() -> None:
    passer: Thing = ("person", 0.6, (0.2, 0.5, 0.5, 0.85))
    looks = [seen(t, [passer] if int(t) % 5 == 4 else [], change=PALLET) for t in times(20)]
    raised = story(*looks)[0]
    assert (raised.began.mono_s - 1000, after_s(raised) <= 11.5) == (0.0, True)


@pytest.mark.parametrize("unknown", [None, np.full((18, 32), np.nan, np.float32)], ids=["light", "scene_forgotten"])
def test_nothing_to_compare_with_is_not_an_object_that_left(unknown: np.ndarray | None) -> None:  # type: ignore[type-arg]
    looks = [seen(t, change=unknown if 20 <= t < 40 else PALLET if t < 50 else grid()) for t in times(60)]
    raised, cleared = story(*looks)
    assert (raised.phase, after_s(raised)) == (Phase.RAISED, 10.0)
    assert cleared.end_reason is EndReason.SEEN_CLEAR
    assert after_s(cleared) >= 53


@pytest.mark.parametrize("unknown", [None, np.full((18, 32), np.nan, np.float32)], ids=["light", "scene_forgotten"])
def test_nothing_to_compare_with_raises_no_object(unknown: np.ndarray | None) -> None:  # type: ignore[type-arg]
    assert story(*[seen(t, change=PALLET if t < 8 else unknown) for t in times(30)]) == []


def test_changes_can_be_left_out_of_the_judgement() -> None:
    assert story(*[seen(t, change=PALLET) for t in times(60)], any_object=False) == []


def test_what_the_background_has_learnt_leaves_no_ghost_behind() -> None:
    """It stood there when the background was learnt: when it leaves, the bare ground is what differs."""
    ghost = grid(*[(row, column) for row in range(9, 15) for column in range(9, 16)])
    looks = [seen(t, [CAR] if t < 30 else [], change=grid() if t < 30 else ghost) for t in times(120)]
    assert [d.phase for d in story(*looks)] == [Phase.RAISED, Phase.CLEARED]


def test_a_change_grid_bridges_what_the_detector_loses_for_a_while() -> None:
    under_car = grid(*[(row, column) for row in range(9, 15) for column in range(9, 16)])
    looks = [seen(t, [] if 20 <= t < 40 else [CAR], change=under_car) for t in times(60)]
    assert [d.phase for d in story(*looks, any_object=False)] == [Phase.RAISED]


def test_a_queue_that_moves_on_by_a_place_is_not_one_vehicle() -> None:
    """Another stops where one stood; at two looks in between it was seen half-way."""

    def at(x: float) -> Thing:
        return ("car", 0.8, (x, 0.5, x + 0.2, 0.8))

    looks = [seen(t, [at(0.3 if t % 6 < 4.5 else 0.2), at(0.55 if t % 6 < 4.5 else 0.45)]) for t in times(60)]
    assert story(*looks, any_object=False) == []


BESIDE: Thing = ("car", 0.8, (0.46, 0.4, 0.66, 0.8))
"""On one line with `CAR`, 0.8 of its width away."""


@pytest.mark.parametrize(
    ("beside_from_s", "lost_shows", "under"),
    [
        (8.0, [], None),
        (10.0, [], grid(*[(row, column) for row in range(9, 15) for column in range(9, 16)])),
        (10.0, [("person", 0.9, (0.28, 0.3, 0.52, 0.95))], None),
    ],
    ids=["stood_beside_it", "its_ground_stays_changed", "hidden"],
)
def test_a_parked_car_that_is_lost_for_a_while_has_not_given_its_ground_to_a_neighbour(
    beside_from_s: float,
    lost_shows: list[Thing],
    under: np.ndarray | None,  # type: ignore[type-arg]
) -> None:
    def shown(t: float) -> list[Thing]:
        return (lost_shows if 10 <= t < 13 else [CAR]) + ([BESIDE] if t >= beside_from_s else [])

    rule = {"hazard": "illegal_parking", "dwell_s": 20, "clear_after_s": 4, "any_object": False}
    looks = [seen(t, shown(t), change=under) for t in times(24)]
    (raised,) = judged(CameraJudge(camera(rule)), looks)
    assert (raised.began.mono_s - 1000, after_s(raised)) == (0.0, 20.0)


def test_a_place_just_taken_is_not_forgotten_while_its_ground_stays_changed() -> None:
    """The detector loses it for two looks in its first seconds; the scene shows that it has not left."""
    under = grid(*[(row, column) for row in range(9, 15) for column in range(10, 16)])
    looks = [seen(t, [] if 1 <= t < 2.5 else [CAR], change=under) for t in times(12)]
    (raised,) = story(*looks, any_object=False)
    assert (raised.began.mono_s - 1000, after_s(raised)) == (0.0, 10.0)


UNDER_CAR = grid(*[(row, column) for row in range(9, 15) for column in range(9, 16)])


@pytest.mark.parametrize(
    ("missed", "rule", "began_s"),
    [
        (UNDER_CAR, {}, 9.0),
        (grid(*[(row, column) for row in range(9, 15) for column in range(9, 12)]), {}, 11.0),
        (grid(), {}, 11.0),
        (UNDER_CAR, {"any_object": False}, 11.0),
        (UNDER_CAR, {"clear_after_s": 1.5}, 11.0),
    ],
    ids=["all_of_its_ground", "a_part", "none", "changes_left_out", "longer_than_a_lane_takes_to_be_clear"],
)
def test_the_onset_lies_before_a_look_that_missed_what_stood_there(
    missed: np.ndarray,  # type: ignore[type-arg]
    rule: dict[str, object],
    began_s: float,
) -> None:
    looks = [seen(t, [], change=grid()) for t in times(8, 2.0)] + [seen(10, [], change=missed)]
    looks += [seen(t, [CAR], change=UNDER_CAR) for t in times(24, 2.0, 12)]
    (raised,) = story(*looks, **rule)
    assert (raised.began.mono_s - 1000, after_s(raised)) == (began_s, 22.0), "the dwell counts from the first box"


PARKING = {"hazard": "illegal_parking", "dwell_s": 10, "clear_after_s": 3}


@pytest.mark.parametrize(("rolled", "began_s"), [(0.02, 10.0), (0.003, 8.0)], ids=["rolled_still", "stood"])
def test_what_still_rolled_at_its_first_look_did_not_stand_before_it(rolled: float, began_s: float) -> None:
    name, score, (left, top, right, bottom) = CAR
    first: Thing = (name, score, (left - rolled, top, right - rolled, bottom))
    looks = [seen(2, []), seen(6, []), seen(10, [first])]
    looks += [seen(t, [CAR]) for t in times(40, 4.0, 14)]
    (raised,) = judged(CameraJudge(camera(PARKING)), looks)
    assert (raised.began.mono_s - 1000, after_s(raised)) == (began_s, 22.0), "the dwell counts from the first box"


BUS_BEFORE: Thing = ("bus", 0.9, (0.2, 0.35, 0.75, 1.0))
"""Its lower half lies before the zone."""


@pytest.mark.parametrize(
    ("bus", "hides_s", "change", "began_s"),
    [
        (BUS_BEFORE, (4, 6), grid(), 5.0),
        (("bus", 0.9, (0.6, 0.35, 0.95, 1.0)), (4, 6), grid(), 7.0),
        (("bus", 0.2, BUS_BEFORE[2]), (4, 6), grid(), 7.0),
        (BUS_BEFORE, (4, 4), grid(), 7.0),
        (BUS_BEFORE, (4, 6), None, 7.0),
    ],
    ids=["hidden", "beside_it", "not_believed", "gone_before_it_came", "no_cells"],
)
def test_what_came_behind_a_bus_began_since_its_ground_was_last_seen(
    bus: Thing,
    hides_s: tuple[float, float],
    change: np.ndarray | None,  # type: ignore[type-arg]
    began_s: float,
) -> None:
    def shown(t: float) -> list[Thing]:
        return [CAR] if t >= 8 else [bus] if hides_s[0] <= t <= hides_s[1] else []

    rule = PARKING | {"zone": [[0.1, 0.5], [0.9, 0.5], [0.9, 0.75], [0.1, 0.75]]}
    (raised,) = judged(CameraJudge(camera(rule)), [seen(t, shown(t), change=change) for t in times(24, 2.0)])
    assert (raised.began.mono_s - 1000, after_s(raised)) == (began_s, 18.0), "the dwell counts from the first box"


def test_what_was_hidden_for_long_began_when_it_was_seen() -> None:
    """A van parked before the lane hides it for minutes: the middle of that time says nothing."""
    rule = PARKING | {"zone": [[0.1, 0.5], [0.9, 0.5], [0.9, 0.75], [0.1, 0.75]]}
    looks = [seen(t, [CAR] if t >= 40 else [BUS_BEFORE] if t >= 4 else [], change=grid()) for t in times(60, 2.0)]
    (raised,) = judged(CameraJudge(camera(rule)), looks)
    assert (raised.began.mono_s - 1000, after_s(raised)) == (39.0, 50.0)


def test_a_lorry_that_comes_in_over_the_pictures_edge_is_held_by_all_that_came_in() -> None:
    """Cut off while it brakes; at later looks one that passes behind makes its box wider."""

    def lorry(right: float) -> Thing:
        return ("truck", 0.8, (0.0, 0.4, right, 0.85))

    looks = [seen(t, [lorry({5.0: 0.3, 5.5: 0.38}.get(t, 0.4 if t < 9 else 0.52))]) for t in times(20, start_s=5)]
    (raised,) = judged(CameraJudge(camera(PARKING)), looks)
    assert (raised.began.mono_s - 1000, after_s(raised)) == (5.0, 15.0)


def test_what_goes_on_coming_in_over_the_pictures_edge_does_not_stand() -> None:
    looks = [seen(t, [("bus", 0.8, (0.0, 0.4, 0.1 + 0.03 * t, 0.85))]) for t in times(30)]
    assert judged(CameraJudge(camera(PARKING | {"dwell_s": 15})), looks) == []


def test_cells_that_one_look_saw_changed_hold_no_alert_open() -> None:
    """Somebody stands in a lane that is free again, and the detector missed them once."""
    about = grid(*[(row, column) for row in range(10, 14) for column in range(13, 15)])
    looks = [seen(t, [CAR], change=about) for t in times(20)]
    looks += [seen(20.5, [], change=about)]
    looks += [seen(t, [WALKER], change=about) for t in times(40, start_s=21)]
    cleared = story(*looks)[-1]
    assert (cleared.phase, cleared.end_reason) == (Phase.CLEARED, EndReason.SEEN_CLEAR)
    assert after_s(cleared) <= 26


def test_a_vehicle_at_the_zones_edge_does_not_hide_its_own_place() -> None:
    """Its box jitters: at one look in five a little more of it is inside than it takes."""
    beside, inside = ("car", 0.8, (0.3, 0.13, 0.5, 0.53)), ("car", 0.8, (0.3, 0.17, 0.5, 0.57))
    assert story(*[seen(t, [inside if index % 5 == 0 else beside]) for index, t in enumerate(times(60))]) == []


@pytest.mark.parametrize("view", [ViewState.OFFLINE, ViewState.UNKNOWN])
def test_blind_looks_never_clear_and_never_raise(view: ViewState) -> None:
    looks = [*stands(0, 15, until_s=14.5), *[seen(t, view=view) for t in times(300, 0.5, 15)]]
    assert [d.phase for d in story(*looks)] == [Phase.RAISED]


def test_a_blind_stretch_within_the_tolerance_does_not_matter() -> None:
    looks = [seen(t, [CAR], view=ViewState.GOOD) for t in times(30) if not 4 < t < 9]
    assert told(story(*looks)) == [("raised", 10.0)]


def test_a_longer_blind_stretch_does_not_count_as_dwell() -> None:
    looks = [seen(t, [CAR]) for t in [*times(5), *times(60, 0.5, 40)]]
    ((phase, at_s),) = told(story(*looks))
    assert (phase, at_s) == ("raised", 45.0)  # 5 s before and 5 s after it were watched


def test_too_long_blind_ends_as_view_lost_and_is_never_called_clear() -> None:
    looks = [*stands(0, 15, until_s=14.5), *[seen(t, view=ViewState.OFFLINE) for t in times(700, 5, 15)]]
    raised, lost = story(*looks)
    assert (lost.phase, lost.end_reason) == (Phase.CLEARED, EndReason.VIEW_LOST)
    assert lost.ended is not None
    assert lost.ended.mono_s - 1000 == 14.5
    assert lost.reason.code == "view_lost"
    assert lost.began == raised.began


def test_after_view_lost_it_is_seen_anew() -> None:
    looks = [*stands(0, 15, until_s=14.5), *[seen(t, [CAR]) for t in times(830, 0.5, 800)]]
    phases = [(d.phase, d.end_reason) for d in story(*looks)]
    assert phases == [(Phase.RAISED, None), (Phase.CLEARED, EndReason.VIEW_LOST), (Phase.RAISED, None)]


def test_what_comes_back_after_it_was_clear_starts_anew() -> None:
    looks = [seen(t, [CAR] if t < 20 or t >= 25 else []) for t in times(60)]
    _, cleared, second = story(*looks)
    assert after_s(cleared) == 23.0
    assert (second.began.mono_s - 1000, after_s(second)) == (24.75, 35.0)


def test_a_second_vehicle_is_worth_an_update_and_silence_is_broken_now_and_then() -> None:
    looks = [seen(t, [CAR, TRUCK] if t >= 200 else [CAR]) for t in times(900)]
    phases = story(*looks)
    assert [d.phase for d in phases] == [Phase.RAISED, Phase.UPDATED, Phase.UPDATED]
    assert (after_s(phases[1]), phases[1].reason.about["objects"]) == (202.0, "car, truck")
    assert after_s(phases[2]) == 802.0
    assert phases[1].reason.code == "lane_still_blocked"


def test_a_repeated_or_older_look_changes_nothing() -> None:
    judge = CameraJudge(camera(lane_rule()))
    judged(judge, stands(0, 9, until_s=8.5))
    before = judge.snapshot()["rules"]
    judged(judge, [seen(8.5, []), seen(2.0, [])])
    assert judge.snapshot()["rules"] == before


def test_a_batch_is_measured_like_single_looks() -> None:
    rule = camera(lane_rule()).rules[0]
    assert isinstance(rule, standing.StandingRule)
    looks = [seen(t, [CAR, TRUCK, WALKER], change=PALLET) for t in times(5)]
    batch = standing.measure(looks, rule)
    assert len(batch) == len(looks)
    for whole, single in zip(batch, (standing.measure([look], rule)[0] for look in looks), strict=True):
        assert whole.class_names == single.class_names
        np.testing.assert_array_equal(whole.boxes, single.boxes)


# Properties: random scenes, the truth known from how they were made.

"""Standing rules over whole columns: every look is measured as it is measured live, and a snapshot names cells."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.support.street_life import BUSY, RUSH_HOUR, Street, looks
from tests.unit.edge.backtesting import RULES, days, part_of
from tests.unit.edge.observing import camera, seen
from xueliang_alerts.contract import Phase
from xueliang_edge.backtest.replaying import Replay
from xueliang_edge.backtest.skipping import SKIPPING
from xueliang_edge.backtest.standing_batch import StandingBatch
from xueliang_edge.backtest.standing_free import pass_while_free
from xueliang_edge.backtest.timeline import timeline_of
from xueliang_edge.observation_log.encoding import as_logged
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.rules import standing
from xueliang_edge.rules.geometry import is_same, outline_of
from xueliang_edge.rules.judge import CameraJudge
from xueliang_edge.rules.standing import StandingState
from xueliang_edge.rules.standing_measure import MERGED, StandingMeasure, is_concerned, surest_of

STANDING = ("fire_lane", "fire_lane_excluding", "exit", "parking")


def told(measured: StandingMeasure) -> dict[str, Any]:
    """All that a step may ask."""
    plain = {name: value for name, value in vars(measured).items() if name not in ("picture", "grid")}
    change, picture = measured.change, measured.picture
    sets = None if change is None else (change.known, change.still, change.changed, change.values().tolist())
    return plain | {
        "believed": list(picture.believed),
        "under_box": measured.under_box,
        "has_changed": measured.has_changed,
        "change": repr(sets),
    }


def columns_and_live(name: str, part: LoggedLooks) -> int:
    """Compares every known look; how many boxes stood in the zone."""
    (rule,) = camera(RULES[name]).as_judged.rules
    assert isinstance(rule, standing.StandingRule)
    timeline = timeline_of(part, rule, 0.0, None)
    batch = SKIPPING[rule.hazard].begin(part, timeline, rule)
    assert isinstance(batch, StandingBatch)
    boxes = 0
    for index in range(len(timeline)):
        live = standing.measure([part.observation(int(timeline.rows[index]))], rule)[0]
        measured = batch.measure(index)
        assert told(measured) == told(live) or not live.is_known
        assert (measured.is_known, measured.mono_s, measured.at) == (live.is_known, live.mono_s, live.at)
        boxes += len(live.boxes)
    return boxes


@pytest.mark.parametrize("name", STANDING)
@pytest.mark.parametrize("street", [BUSY, RUSH_HOUR], ids=["busy", "rush hour"])
def test_columns_are_measured_as_looks_are(name: str, street: Any) -> None:
    assert columns_and_live(name, part_of(looks(street, 120, seed=3))) > 10


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(STANDING))
def test_so_are_days_with_carried_answers_and_blind_looks(seed: int, name: str) -> None:
    one_detector = [one for one in days(seed, 100) if one.detector == "objects"]  # each has a score of its own
    columns_and_live(name, part_of(one_detector))


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_what_is_taken_once_is_what_merging_all_of_it_leaves(seed: int) -> None:
    (seen,) = looks(RUSH_HOUR, 1, seed=seed)
    rows = as_logged(seen).rows
    (rule,) = camera(RULES["fire_lane"]).as_judged.rules
    assert isinstance(rule, standing.StandingRule)
    counted = list(range(len(rows)))
    kept: list[int] = []
    for one in sorted(counted, key=lambda index: -rows[index][1]):
        if not any(is_same(rows[one][0], rows[other][0], *MERGED) for other in kept):
            kept.append(one)
    concerned = [one for one in counted if is_concerned(rows[one][0], outline_of(rule.zone))]
    assert surest_of(rows, concerned, counted) == [one for one in kept if one in concerned]


# Runs of looks at which what stands there is seen to stand there.

LOT = Street(parked=7, passing=0.1, weak=0.5, looks_per_s=0.5, refresh_every=4, flicker=4.0)
EVERY_LOOK = replace(LOT, parked=4, refresh_every=1)


def alone_and_live(street: Street, name: str, seed: int, count: int = 400, **settings: Any) -> tuple[int, list[Phase]]:
    """How many of these looks were gone through one by one, and what both ways said."""
    (rule,) = camera(RULES[name] | settings).as_judged.rules
    replay, judge = Replay(rule), CameraJudge(camera(RULES[name] | settings))
    part = part_of(looks(street, count, seed=seed))
    said = list(replay.take(part))
    assert said == [one.decision for look in part.observations() for one in judge.look(look)]
    adapter = TypeAdapter(StandingState)
    quick = adapter.dump_python(replay.state, mode="json")
    live = judge.snapshot()["rules"][rule.rule_id]["state"]
    for kept_for_an_open_one in ("absent_s", "absent_looks", "was_absent", "last"):  # at rest they are not kept up
        quick["episode"].pop(kept_for_an_open_one), live["episode"].pop(kept_for_an_open_one)
    assert quick == live
    return replay.judged_alone, [one.phase for one in said]


@pytest.mark.parametrize("street", [LOT, EVERY_LOOK], ids=["carried answers", "every look detects"])
@pytest.mark.parametrize("name", ["fire_lane", "parking"])
def test_hours_of_parked_cars_are_gone_through_by_their_numbers(street: Street, name: str) -> None:
    found = [alone_and_live(street, name, seed, dwell_s=60) for seed in range(4)]
    assert sum(alone for alone, _ in found) < 0.6 * 400 * len(found)
    assert {Phase.RAISED, Phase.UPDATED} <= {phase for _, phases in found for phase in phases}


@settings(max_examples=8, deadline=None)
@given(st.integers(10, 10_000), st.sampled_from(STANDING), st.sampled_from([LOT, EVERY_LOOK, BUSY]))
def test_and_any_lot_gives_what_the_live_rule_gives(seed: int, name: str, street: Street) -> None:
    alone_and_live(street, name, seed, min_scores={"car": 0.7})


STRIP = [[0.02, 0.45], [0.27, 0.45], [0.27, 0.6], [0.02, 0.6]]
PASSING_ONLY = replace(BUSY, parked=0, weak=3.0)


@settings(max_examples=8, deadline=None)
@given(st.integers(10, 10_000), st.sampled_from([BUSY, RUSH_HOUR, PASSING_ONLY, replace(BUSY, looks_per_s=0.4)]))
def test_what_only_passes_leaves_what_the_live_rule_remembers(seed: int, street: Street) -> None:
    alone_and_live(street, "fire_lane", seed, zone=STRIP)


def test_cells_that_were_hidden_seen_and_hidden_again_are_hidden_since_the_second_time() -> None:
    """Over looks that are not gone through one by one."""
    alone_and_live(replace(BUSY, looks_per_s=0.4), "fire_lane_excluding", 699_742, 360, dwell_s=20)


@pytest.mark.parametrize("name", ["fire_lane", "parking"])
def test_while_a_lane_stays_free_the_ground_is_remembered_as_the_rule_does(name: str) -> None:
    (rule,) = camera(RULES[name]).as_judged.rules
    assert isinstance(rule, standing.StandingRule)
    part = part_of(looks(replace(BUSY, parked=0), 400, seed=2))
    timeline = timeline_of(part, rule, 0.0, None)
    batch = SKIPPING[rule.hazard].begin(part, timeline, rule)
    assert isinstance(batch, StandingBatch)
    live, state = [], StandingState()
    for index in range(len(timeline)):
        state, said = standing.step(state, batch.measure(index), rule)
        live.append((state, said))
    state, index, passed = StandingState(), 0, 0
    while index < len(timeline):
        state, said = standing.step(state, batch.measure(index), rule)
        assert (state, said) == live[index]
        begun = index = index + 1
        if said is None:
            state, index = pass_while_free(state, batch, index, rule)
            assert state == live[index - 1][0]
            assert all(one is None for _, one in live[begun:index])
        passed += index - begun
    assert passed > 50


def test_what_a_car_that_left_had_taught_the_scene_is_forgotten_in_a_run_too() -> None:
    """Its cells were not known when it left, and are as always when they are: the other car stands all the time."""
    stays, leaves = ("car", 0.8, (0.4, 0.55, 0.55, 0.7)), ("car", 0.8, (0.2, 0.55, 0.35, 0.7))
    known, unknown = np.zeros((18, 32), np.float32), np.zeros((18, 32), np.float32)
    unknown[:, :12] = np.nan
    part = part_of(
        seen(float(at_s), [stays, leaves] if at_s < 20 else [stays], change=unknown if 20 <= at_s < 40 else known)
        for at_s in range(60)
    )
    (rule,) = camera(RULES["fire_lane"] | {"dwell_s": 200}).as_judged.rules
    assert isinstance(rule, standing.StandingRule)
    replay, state, absorbed = Replay(rule), StandingState(), []
    assert not list(replay.take(part))
    for look in part.observations():
        state, _ = standing.step(state, standing.measure([look], rule)[0], rule)
        absorbed.append(state.ground.absorbed)
    assert 0 < replay.judged_alone < 30
    assert absorbed[39] != absorbed[41]
    assert replay.state.ground == state.ground


# What a snapshot holds.


def test_a_snapshot_names_cells_one_by_one_and_gives_them_back() -> None:
    adapter = TypeAdapter(StandingState)
    (rule,) = camera(RULES["fire_lane"]).as_judged.rules
    assert isinstance(rule, standing.StandingRule)
    state, seen_cells, seen_absorbed = StandingState(), 0, 0
    for look in map(as_logged, days(3, 200)):
        state, _ = standing.step(state, standing.measure([look], rule)[0], rule)
        written = json.loads(json.dumps(adapter.dump_python(state, mode="json")))
        cells = [cell["index"] for cell in written["ground"]["cells"]]
        assert cells == sorted(set(cells))
        assert adapter.dump_python(adapter.validate_python(written), mode="json") == written
        seen_cells, seen_absorbed = seen_cells + len(cells), seen_absorbed + len(written["ground"]["absorbed"])
    assert min(seen_cells, seen_absorbed) > 0, "these days leave nothing to write"


@pytest.mark.parametrize("wrong", [[-1], [1 << 40], ["a"], 3])
def test_a_snapshot_with_cells_that_cannot_be_is_refused(wrong: Any) -> None:
    written = TypeAdapter(StandingState).dump_python(StandingState(), mode="json")
    written["ground"]["absorbed"] = wrong
    with pytest.raises(ValidationError):
        TypeAdapter(StandingState).validate_python(written)

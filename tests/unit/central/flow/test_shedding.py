"""Which alerts are held in a collective incident, with whom, and when they leave: a table of cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from xueliang_central.incidents.folding import Arrival, Fold, FoldingRule
from xueliang_central.incidents.shedding import (
    Collective,
    Held,
    Holding,
    Past,
    SheddingRule,
    hold,
    is_loaded,
    leaves,
    of_camera,
    stays_open_s,
)
from xueliang_central.incidents.states import State

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
RULE = FoldingRule(radius_m=50, confirm_s=300, flap_count=5, flap_window_s=3_600, places_at_once=2)
FAR = 1 / 1_000  # degrees: more than the radius
ARRIVAL = Arrival("a1", "cam-1", "370102003005007", "intrusion", False, NOON, 117.0, 36.0, False)
ONE, TWO = Collective("i1", "20261123-0001", "~held-1"), Collective("i2", "20261123-0002", "~held-2")
STORM = Collective("i9", "20261123-0009", "~storm")


def _held(camera_id: str = "cam-2", into: Collective = ONE, *, ago_s: float = 60, gone_s: float | None = None) -> Held:
    """Raised `ago_s` ago; gone `gone_s` ago, or present. Far from every other camera."""
    seen_at = NOON - timedelta(seconds=gone_s or 0)
    raised_at = NOON - timedelta(seconds=ago_s)
    latitude = 36.0 + FAR * int(camera_id.split("-")[1])
    place = (117.0, latitude)
    return Held(
        f"of-{camera_id}-{ago_s:g}",
        into.incident_id,
        into.place_key,
        camera_id,
        "edge-1",
        ARRIVAL.area_code,
        2,
        *place,
        raised_at,
        raised_at,
        seen_at,
        gone_s is None,
    )


def _hold(
    held: list[Held],
    collectives: tuple[Collective, ...] = (ONE,),
    arrival: Arrival = ARRIVAL,
    *,
    severity: int = 2,
    past: Past = Past(),
) -> Holding | None:
    return hold(arrival, severity, collectives, held, past, NOON, RULE)


def test_what_is_never_held() -> None:
    assert _hold([], severity=1) is None
    assert _hold([], arrival=replace(ARRIVAL, hazard="fire_smoke")) is None
    assert _hold([], arrival=replace(ARRIVAL, drill=True)) is None
    assert _hold([], arrival=replace(ARRIVAL, is_gone=True)) is None
    assert _hold([], arrival=replace(ARRIVAL, began_at=NOON - timedelta(seconds=601))) is None, "it has outlasted"
    assert _hold([]) is not None


def test_a_county_sheds_above_its_limit_only_and_never_without_one() -> None:
    assert not is_loaded(10_000, SheddingRule())
    assert not is_loaded(60, SheddingRule(above_per_hour=60))
    assert is_loaded(61, SheddingRule(above_per_hour=60))


STORMY = [_held("cam-2", STORM), _held("cam-3", STORM)]
PLACES = {
    "the first collective": ([], (), Fold.OPEN, None, "~held-1", "held"),
    "one that is free": ([], (ONE,), Fold.JOIN, "i1", None, "held"),
    "another place is there": ([_held()], (ONE,), Fold.OPEN, None, "~held-2", "held"),
    "another place is there, the second is free": ([_held()], (ONE, TWO), Fold.JOIN, "i2", None, "held"),
    "it went lately: it may only flap": ([_held(gone_s=119)], (ONE,), Fold.OPEN, None, "~held-2", "held"),
    "it went": ([_held(ago_s=300, gone_s=121)], (ONE,), Fold.JOIN, "i1", None, "held"),
    "all are taken": ([_held(), _held("cam-3", TWO)], (ONE, TWO), Fold.OPEN, None, "~storm", "storm"),
    "the storm goes on": (STORMY, (ONE, TWO, STORM), Fold.JOIN, "i9", None, "storm"),
    "the storm has passed": (STORMY[:1], (ONE, TWO, STORM), Fold.JOIN, "i1", None, "held"),
}


@pytest.mark.parametrize(("held", "open_", "fold", "into", "key", "code"), PLACES.values(), ids=PLACES.keys())
def test_two_places_never_share_a_collective_but_in_a_storm(
    held: list[Held], open_: tuple[Collective, ...], fold: Fold, into: str | None, key: str | None, code: str
) -> None:
    found = _hold(held, open_)
    assert found is not None
    assert (found.decision.fold, found.decision.incident_id, found.place_key) == (fold, into, key)
    assert found.decision.why["code"] == code
    assert found.decision.why["text"]


def test_a_camera_goes_back_to_the_collective_it_was_in() -> None:
    found = _hold([], (ONE, TWO), past=Past(1, frozenset({"i2"})))
    assert found is not None
    assert found.decision.incident_id == "i2"


def test_a_second_camera_takes_the_first_along() -> None:
    near = replace(_held(), latitude=36.0)
    found = _hold([near, _held("cam-3", TWO)], (ONE, TWO))
    assert found is not None
    assert (found.decision.fold, found.place_key, found.takes_along) == (Fold.OPEN, None, (near.alert_id,))
    assert found.decision.why["code"] == "more_cameras"
    gone = replace(near, is_present=False, last_seen_at=NOON - timedelta(seconds=10))
    again = _hold([gone], (ONE,))
    assert again is not None
    assert again.place_key == "~held-2", "seen after each other is not seen at once"


def test_a_camera_of_another_area_confirms_nothing() -> None:
    """Folding never lets alerts of two areas meet, so the two would stay two."""
    over_the_border = replace(_held(), latitude=36.0, area_code="370102003005008")
    assert _hold([over_the_border]).place_key == "~held-2"  # type: ignore[union-attr]
    assert _hold([replace(over_the_border, area_code=None)]).place_key == "~held-2"  # type: ignore[union-attr]


@pytest.mark.parametrize("cameras", [0, 1])
def test_one_camera_does_not_confirm_itself(cameras: int) -> None:
    found = hold(ARRIVAL, 2, (ONE,), [], Past(), NOON, replace(RULE, confirm_cameras=cameras))
    assert found is not None
    assert found.decision.why["code"] == "held"


@pytest.mark.parametrize("state", sorted(set(State) - {State.OPEN, State.CLOSED}))
def test_what_somebody_has_judged_takes_nothing_in_and_its_key_stays_taken(state: State) -> None:
    found = _hold([], (replace(ONE, state=state),))
    assert found is not None
    assert (found.decision.fold, found.place_key) == (Fold.OPEN, "~held-2")
    assert _hold(STORMY, (ONE, TWO, replace(STORM, state=state))) is None, "it stands for itself"


def test_what_is_in_hand_lets_nothing_go() -> None:
    kept = replace(_held(ago_s=900), may_leave=False)
    assert _code(kept) is None
    found = _hold([replace(kept, latitude=36.0)])
    assert found is not None
    assert (found.decision.why["code"], found.takes_along) == ("more_cameras", ())


def test_a_flapping_camera_gets_one_incident_of_its_own_with_all_that_is_held_of_it() -> None:
    before = _held("cam-1", gone_s=30)
    assert _hold([before], past=Past(3, frozenset({"i1"}))).decision.why["code"] == "held"  # type: ignore[union-attr]
    found = _hold([before], past=Past(4, frozenset({"i1"})))
    assert found is not None
    assert (found.decision.why["code"], found.place_key, found.takes_along) == ("flapping", None, (before.alert_id,))


def _code(one: Held, *others: Held) -> object:
    why = leaves(one, [one, *others], NOON, RULE)
    return why["code"] if why else None


def test_what_stays_leaves_and_its_flaps_count_together() -> None:
    assert _code(_held(ago_s=299)) is None
    assert _code(_held(ago_s=300)) == "outlasted"
    assert _code(_held(ago_s=500, gone_s=1)) is None, "gone"
    now, before = _held(ago_s=200), _held(ago_s=400, gone_s=250)
    assert _code(now, before) == "outlasted"
    assert _code(now, replace(before, camera_id="cam-3")) is None
    flicker = [_held(ago_s=at_s, gone_s=at_s - 20) for at_s in range(100, 600, 100)]
    assert _code(_held(ago_s=20), *flicker) is None
    assert _code(replace(_held(ago_s=1), severity=1)) == "severity"


def test_in_a_storm_only_what_outlasts_it_leaves() -> None:
    storm = [_held("cam-3", STORM), _held("cam-4", STORM)]
    assert _code(_held(ago_s=539), *storm) is None
    assert _code(_held(ago_s=540), *storm) == "outlasted"


def test_how_long_an_incident_settles() -> None:
    rule, shedding = FoldingRule(settle_s=300, window_s=900), SheddingRule(quiet_s=7_200)
    keys = ("cam-1", "~held-1", "~storm", "~node:edge-1")
    assert [stays_open_s(key, rule, shedding) for key in keys] == [300, 7_200, 900, 900]
    assert {stays_open_s(key, rule, shedding, takes_in=False) for key in keys} == {300}


FULL = replace(ONE, alert_count=1_000)
OLD = replace(ONE, opened_at=NOON - timedelta(days=1))


@pytest.mark.parametrize("full", [FULL, OLD], ids=["1,000 alerts", "a day old"])
def test_a_full_collective_takes_nothing_in_and_is_followed_by_one_that_names_it(full: Collective) -> None:
    assert replace(full, alert_count=999, opened_at=NOON - timedelta(seconds=86_399)).takes_in(NOON)
    found = _hold([], (full,))
    assert found is not None
    assert (found.decision.fold, found.place_key) == (Fold.OPEN, "~held-2")
    assert found.decision.why["about"] == {"camera_id": "cam-1", "follows": full.number}
    assert full.number in str(found.decision.why["text"])
    assert _hold([], (full, TWO)).decision.incident_id == "i2"  # type: ignore[union-attr]


def test_full_ones_do_not_count_as_places_of_a_storm() -> None:
    third = _hold([_held(), _held("cam-3", TWO)], (FULL, TWO))
    assert third is not None
    assert (third.place_key, "follows" in third.decision.why["about"]) == ("~held-3", False)  # type: ignore[operator]


def test_a_storm_that_is_full_is_followed_by_another() -> None:
    storm = replace(STORM, alert_count=1_000)
    found = _hold(STORMY, (ONE, TWO, storm))
    assert found is not None
    assert (found.place_key, found.decision.why["about"]["follows"]) == ("~storm~2", storm.number)  # type: ignore[index]
    second = Collective("i10", "20261123-0010", "~storm~2")
    joined = _hold([replace(one, incident_id="i10", place_key="~storm~2") for one in STORMY], (ONE, TWO, storm, second))
    assert joined is not None
    assert joined.decision.incident_id == "i10"


def test_what_ended_before_a_break_does_not_leave_with_what_came_after() -> None:
    now, flap, before = _held(ago_s=60), _held(ago_s=300, gone_s=170), _held(ago_s=900, gone_s=421)
    held = [before, now, flap, _held("cam-3", ago_s=60)]
    assert of_camera("cam-2", held, NOON) == tuple(sorted([now.alert_id, flap.alert_id]))


def test_a_third_cameras_flap_goes_with_the_hazard_that_two_others_see() -> None:
    """Else it would stand in the collective for a hazard that has an incident of its own."""
    here = {"longitude": ARRIVAL.longitude, "latitude": ARRIVAL.latitude}
    second, flap = replace(_held(ago_s=20), **here), replace(_held("cam-3", TWO, ago_s=60, gone_s=40), **here)  # type: ignore[arg-type]
    found = _hold([second, flap, _held("cam-4", TWO)], (ONE, TWO))
    assert found is not None
    assert (found.place_key, found.takes_along) == (None, tuple(sorted([second.alert_id, flap.alert_id])))
    long_ago = replace(flap, last_seen_at=NOON - timedelta(seconds=121))
    assert _hold([second, long_ago], (ONE, TWO)).takes_along == (second.alert_id,)  # type: ignore[union-attr]
    assert _hold([flap], (ONE, TWO)) != found, "what has gone confirms nothing"

"""What every rule can be told: when it may raise, how soon again, what counts, how severe it is, and where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.edge.observing import CAR, START, Thing, after_s, camera, judged, lane_rule, seen, times, told
from xueliang_alerts.contract import EndReason, Phase, Severity
from xueliang_configs.values import PlaceClass
from xueliang_edge.observations import Observation
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge

WALKER: Thing = ("person", 0.8, (0.4, 0.4, 0.45, 0.7))
INTRUSION: dict[str, Any] = {"hazard": "intrusion", "dwell_s": 5, "clear_after_s": 3}
CROWD: dict[str, Any] = {"hazard": "crowd", "raise_at_count": 1, "clear_at_count": 0, "dwell_s": 5, "smooth_s": 0}
LANE = lane_rule(dwell_s=5)
BOTH: list[Thing] = [CAR, WALKER]
EVERY = pytest.mark.parametrize("rule", [INTRUSION, CROWD, LANE], ids=["intrusion", "crowd", "fire_lane"])


def story(rule: dict[str, Any], looks: list[Observation], **settings: Any) -> list[Decision]:
    return judged(CameraJudge(camera(rule | settings)), looks)


def from_minute(minute: int, until: str = "23:59") -> dict[str, Any]:
    """A schedule that begins so many minutes after START, which is 16:00 in the default zone."""
    return {"schedule": {"bands": [{"start": f"16:{minute:02d}", "until": until}]}}


@EVERY
def test_outside_its_schedule_a_rule_raises_nothing_and_inside_the_dwell_begins(rule: dict[str, Any]) -> None:
    looks = [seen(t, BOTH) for t in times(200)]
    (raised,) = story(rule, looks, **from_minute(2))
    assert (raised.phase, after_s(raised), raised.began.mono_s - 1000) == (Phase.RAISED, 125.0, 120.0)
    assert story(rule, looks, **from_minute(10)) == []


@EVERY
def test_what_is_raised_is_watched_to_its_end_also_outside(rule: dict[str, Any]) -> None:
    looks = [seen(t, BOTH if t < 300 else []) for t in times(600)]
    raised, *_, cleared = story(rule, looks, **from_minute(0, "16:01"))
    assert after_s(raised) == 5.0
    assert cleared.end_reason is EndReason.SEEN_CLEAR
    assert after_s(cleared) >= 300


@EVERY
def test_after_an_end_the_cooldown_holds_the_next_back_and_what_still_holds_is_raised_then(
    rule: dict[str, Any],
) -> None:
    looks = [seen(t, [] if 20 <= t < 40 else BOTH) for t in times(200)]
    plain = [at_s for phase, at_s in told(story(rule, looks)) if phase == "raised"]
    assert plain == [5.0, 45.0]
    cooled = story(rule, looks, cooldown_s=60)
    ended_s = next(after_s(d) for d in cooled if d.phase is Phase.CLEARED)
    (_, again) = [d for d in cooled if d.phase is Phase.RAISED]
    assert ended_s + 60 <= after_s(again) <= ended_s + 60.5
    assert again.began.mono_s - 1000 in (39.75, 40.0)  # half-way back, where the rule tells it so


@EVERY
def test_a_part_left_out_does_not_count(rule: dict[str, Any]) -> None:
    out = [[0.2, 0.5], [0.6, 0.5], [0.6, 0.95], [0.2, 0.95]]
    assert story(rule, [seen(t, BOTH) for t in times(60)], exclude_zones=[out]) == []


@pytest.mark.parametrize(("rule", "name"), [(INTRUSION, "person"), (CROWD, "person"), (LANE, "car")])
def test_a_class_can_have_a_score_of_its_own(rule: dict[str, Any], name: str) -> None:
    faint = [seen(t, [(name, 0.2, (0.4, 0.5, 0.5, 0.8))]) for t in times(60)]
    assert story(rule, faint) == []
    assert story(rule, faint, min_scores={name: 0.15})[0].phase is Phase.RAISED
    sure = [seen(t, [(name, 0.5, (0.4, 0.5, 0.5, 0.8))]) for t in times(60)]
    assert story(rule, sure)[0].phase is Phase.RAISED
    assert story(rule, sure, min_scores={name: 0.9}) == []


def test_a_box_below_the_least_height_does_not_count() -> None:
    looks = [seen(t, [WALKER]) for t in times(60)]
    assert story(INTRUSION, looks, min_height=0.29)[0].phase is Phase.RAISED
    assert story(INTRUSION, looks, min_height=0.31) == []


@pytest.mark.parametrize(
    ("bottom", "height", "counts"),
    [
        (0.9, 0.3, True),
        (0.9, 0.1, False),
        (0.55, 0.1, True),
        (0.55, 0.3, False),
        (0.72, 0.19, True),
        (0.9, 0.7, False),
    ],
)
def test_a_size_is_judged_by_where_it_stands(bottom: float, height: float, counts: bool) -> None:
    """0.3 high at 0.9, 0.1 at 0.55: half as high again, or half, is still a person."""
    heights = {"near": {"y": 0.9, "height": 0.3}, "far": {"y": 0.55, "height": 0.1}, "most_factor": 1.8}
    zone = [[0, 0], [1, 0], [1, 1], [0, 1]]
    looks = [seen(t, [("person", 0.8, (0.4, bottom - height, 0.45, bottom))]) for t in times(10)]
    assert bool(story(INTRUSION, looks, heights=heights, zone=zone)) == counts


def test_the_severity_is_that_of_the_place_class() -> None:
    rule = LANE | {"severity_by_place": {"hospital": 1}}
    config = camera(rule)
    looks = [seen(t, BOTH) for t in times(10)]
    assert judged(CameraJudge(config), looks)[0].severity is Severity.ORANGE
    hospital = config.model_copy(update={"place_class": PlaceClass.HOSPITAL})
    judge = CameraJudge(hospital)
    assert judged(judge, looks)[0].severity is Severity.RED
    assert judge.change(hospital) == [], "the same settings change nothing"
    assert [one.decision.end_reason for one in judge.change(config)] == [EndReason.RULE_CHANGED]


@EVERY
def test_a_wall_clock_that_is_set_changes_no_story(rule: dict[str, Any]) -> None:
    plain = [seen(t, BOTH if t < 40 else []) for t in times(60)]
    stepped = [
        seen(t, BOTH if t < 40 else [], wall_start=START + timedelta(hours=-9 if t > 3 else 0)) for t in times(60)
    ]
    assert told(story(rule, plain)) == told(story(rule, stepped))


@EVERY
def test_a_time_that_does_not_advance_changes_nothing(rule: dict[str, Any]) -> None:
    looks = [seen(t, BOTH) for t in times(10)]
    again = [seen(t, []) for t in [*times(10), *[10.0] * 50]]
    assert told(story(rule, looks + again)) == told(story(rule, looks))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 100)), min_size=1, max_size=8),
    st.integers(1, 4),
    st.sampled_from([0, 20]),
)
def test_within_a_schedule_and_a_cooldown_no_alert_begins_too_soon(
    runs: list[tuple[bool, int]], first_minute: int, cooldown_s: int
) -> None:
    is_there = [present for present, length in runs for _ in range(length)]
    looks = [seen(0.5 * i, [WALKER] if present else []) for i, present in enumerate(is_there)]
    ended_s = -1e9
    for decision in story(INTRUSION, looks, cooldown_s=cooldown_s, **from_minute(first_minute)):
        if decision.phase is Phase.RAISED:
            began_s = decision.began.mono_s - 1000
            assert began_s >= 60 * first_minute
            assert after_s(decision) - began_s >= 5
            assert after_s(decision) - ended_s >= cooldown_s
        elif decision.phase is Phase.CLEARED:
            ended_s = after_s(decision)

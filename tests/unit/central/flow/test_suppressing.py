"""What may be silenced and what is held back, as a table of cases; which event permitted closings suggest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_central.incidents.proposing import Closing, suggest
from xueliang_central.incidents.suppressing import (
    Asked,
    Kind,
    Silence,
    SilencingRule,
    Subject,
    choose,
    is_in_force,
    problems_of,
    takes,
    weekly_share,
    why_let_out,
)
from xueliang_configs.schedules import Schedule

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)  # a Monday, noon in Shanghai
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RULE = SilencingRule()
VILLAGE = "3701/370102/370102003/370102003005"
GRID = f"{VILLAGE}/370102003005007"
SILENCE = Silence(
    silence_id="a",
    kind=Kind.SILENCE,
    area_path=VILLAGE,
    camera_id=None,
    node_id=None,
    hazard=None,
    rule_id=None,
    severities=(2, 3, 4),
    reason="works",
    owner_name="Li",
    starts_at=NOW - HOUR,
    ends_at=NOW + HOUR,
)
SUBJECT = Subject("lane-east", "edge-01", "crowd", "many", 3, False, GRID)
EVENT = Asked(Kind.EVENT, "market", NOW + 30 * DAY, area_code="3701", hazard="crowd")


def weekly(*bands: dict[str, Any], **more: Any) -> Schedule:
    return Schedule.model_validate({"bands": list(bands), **more})


@pytest.mark.parametrize(
    ("silence", "subject", "meant"),
    [
        ({}, {}, True),
        ({"area_path": GRID}, {}, True),
        ({"area_path": f"{VILLAGE}/370102003005008"}, {}, False),
        ({"area_path": VILLAGE[:-1]}, {}, False),
        ({"camera_id": "lane-east"}, {}, True),
        ({"camera_id": "lane-west"}, {}, False),
        ({"camera_id": "lane-east", "area_path": "3701/370103"}, {}, False),
        ({"node_id": "edge-02"}, {}, False),
        ({"hazard": "intrusion"}, {}, False),
        ({"rule_id": "few"}, {}, False),
        ({"severities": (4,)}, {}, False),
        ({"kind": Kind.MAINTENANCE}, {}, False),
        ({"kind": Kind.MAINTENANCE}, {"hazard": "camera_fault"}, True),
        ({}, {"severity": 1}, False),
        ({}, {"hazard": "fire_smoke", "severity": 4}, False),
        ({}, {"drill": True}, False),
    ],
)
def test_what_a_silence_means(silence: dict[str, Any], subject: dict[str, Any], meant: bool) -> None:
    assert takes(replace(SILENCE, **silence), replace(SUBJECT, **subject)) is meant


@given(
    st.sampled_from(["fire_smoke", "crowd", "camera_fault"]),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(Kind),
    st.sampled_from([None, "fire_smoke", "crowd", "camera_fault"]),
)
def test_no_silence_means_fire_severity_1_or_a_drill(
    hazard: str, severity: int, drill: bool, kind: Kind, of: str | None
) -> None:
    subject = replace(SUBJECT, hazard=hazard, severity=severity, drill=drill)
    if hazard == "fire_smoke" or severity == 1 or drill:
        assert not takes(replace(SILENCE, kind=kind, hazard=of, severities=(1, 2, 3, 4)), subject)


def test_it_holds_from_its_start_to_before_its_end() -> None:
    moments = (SILENCE.starts_at - HOUR, SILENCE.starts_at, NOW, SILENCE.ends_at - DAY / 86_400, SILENCE.ends_at)
    assert [is_in_force(SILENCE, at) for at in moments] == [False, True, True, True, False]
    assert not is_in_force(replace(SILENCE, closed_at=NOW), NOW)


def test_weekly_bands_hold_in_local_time_within_start_and_end() -> None:
    night = weekly({"days": ["mon"], "start": "22:00", "until": "02:00"})
    event = replace(SILENCE, kind=Kind.EVENT, weekly=night, ends_at=NOW + 10 * DAY)
    hours = [hour for hour in range(7 * 24) if is_in_force(event, NOW + hour * HOUR)]
    assert hours == [10, 11, 12, 13], "22:00 to 02:00 of Monday, Shanghai: seen from Monday noon"
    assert not is_in_force(replace(event, ends_at=NOW + 12 * HOUR), NOW + 12 * HOUR)


def test_of_several_the_one_that_hides_it_stays_else_the_longest() -> None:
    longer = replace(SILENCE, silence_id="b", ends_at=NOW + 2 * HOUR)
    assert choose(SUBJECT, [SILENCE, longer], NOW) is longer
    assert choose(SUBJECT, [SILENCE, longer], NOW, hidden_by="a") is SILENCE
    assert choose(SUBJECT, [SILENCE, longer], NOW + HOUR, hidden_by="a") is longer
    assert choose(SUBJECT, [SILENCE, longer], NOW + 2 * HOUR) is None


@pytest.mark.parametrize(
    ("silence", "subject", "code"),
    [
        ({}, {"severity": 1}, "severity_breaks_through"),
        ({"severities": (4,)}, {}, "no_longer_meant"),
        ({"ends_at": NOW}, {}, "silence_over"),
        ({}, {}, "place_is_open"),
    ],
)
def test_why_it_is_let_out(silence: dict[str, Any], subject: dict[str, Any], code: str) -> None:
    why = why_let_out(replace(SILENCE, **silence), replace(SUBJECT, **subject), NOW)
    assert why["code"] == code
    assert why["about"]["silence_id"] == "a"  # type: ignore[index]


def test_a_whole_one_has_no_problem_up_to_the_longest() -> None:
    asked = Asked(Kind.SILENCE, "works", NOW + timedelta(seconds=RULE.longest_s), area_code="3701")
    assert problems_of(asked, RULE, NOW) == ()
    late = replace(asked, ends_at=asked.ends_at + DAY / 86_400)
    (problem,) = problems_of(late, RULE, NOW)
    assert problem.where == "ends_at"
    assert problem.expected == "expected at most 7 days, until 2026-11-30T04:00:00Z, got 2026-11-30T04:00:01Z"
    assert problems_of(replace(asked, starts_at=NOW - timedelta(minutes=4)), RULE, NOW) == ()


def test_only_bands_make_a_long_event_and_they_leave_part_of_the_week() -> None:
    (problem,) = problems_of(EVENT, RULE, NOW)
    assert problem.where == "ends_at"
    market = replace(EVENT, weekly=weekly({"days": ["sat"], "start": "06:00", "until": "12:00"}))
    assert problems_of(market, RULE, NOW) == ()
    always = replace(EVENT, weekly=weekly({"start": "00:00", "until": "24:00"}))
    (problem,) = problems_of(always, RULE, NOW)
    assert problem.expected == "expected bands of at most 75% of the week, got 100%: change the rule"
    assert [one.where for one in problems_of(replace(market, kind=Kind.SILENCE), RULE, NOW)] == ["weekly"]
    assert weekly_share(weekly({"days": ["mon"], "start": "22:00", "until": "04:00"})) == pytest.approx(6 / 168)


def closing(number: int, began_at: datetime, minutes: float = 20) -> Closing:
    over = began_at + timedelta(minutes=minutes)
    return Closing(f"id-{number}", f"n{number}", began_at, over, over)


def local(day: int, clock: str) -> datetime:
    """November 2026, Shanghai."""
    return datetime.fromisoformat(f"2026-11-{day:02d}T{clock}:00+08:00").astimezone(UTC)


@pytest.mark.parametrize(
    ("onsets", "bands"),
    [
        (["10 07:10", "17 07:40", "24 08:05"], [(("tue",), "06:45", "08:45")]),
        (["10 07:10", "17 07:40"], None),  # two are none
        (["10 07:10", "17 07:40", "24 19:00"], None),  # another time of day
        (["10 07:10", "17 13:00", "18 07:40", "24 08:05"], [(("tue", "wed"), "06:45", "08:45")]),
        (["10 23:50", "12 00:20", "18 00:40"], [(("tue", "wed"), "23:30", "01:15")]),  # nights of 10, 11 and 17
        (["10 06:00", "17 07:59", "24 09:30"], None),  # neighbours are near, the ends are not
        (["24 07:00", "24 07:30", "24 08:00"], [(("tue",), "06:45", "08:45")]),
    ],
)
def test_what_permitted_closings_suggest(onsets: list[str], bands: list[tuple[Any, ...]] | None) -> None:
    closings = [closing(number, local(int(one[:2]), one[3:])) for number, one in enumerate(onsets)]
    found = suggest(closings[-1], closings[:-1], RULE)
    if bands is None:
        assert found is None
        return
    assert found is not None
    shown = found.weekly.model_dump(mode="json")["bands"]
    assert [(tuple(band["days"]), band["start"], band["until"]) for band in shown] == bands
    assert closings[-1] in found.closings
    assert all(found.weekly.is_active(one.began_at) for one in found.closings)


@given(st.lists(st.tuples(st.integers(0, 29 * 1440), st.integers(0, 900)), min_size=3, max_size=8))
def test_a_suggestion_holds_at_every_onset_behind_it_and_for_half_a_day_at_most(places: list[tuple[int, int]]) -> None:
    closings = [closing(n, NOW + timedelta(minutes=at), minutes) for n, (at, minutes) in enumerate(places)]
    found = suggest(closings[-1], closings[:-1], RULE)
    if found is not None:
        assert all(found.weekly.is_active(one.began_at) for one in found.closings)
        assert weekly_share(found.weekly) <= 7 * 12 / 168


def test_never_where_the_policy_says_so() -> None:
    closings = [closing(number, local(10 + 7 * number, "07:00")) for number in range(3)]
    assert suggest(closings[-1], closings[:-1], replace(RULE, propose_after=0)) is None

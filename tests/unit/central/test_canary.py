"""Which cameras a change is tried on, and when it leaves its band."""

from __future__ import annotations

from typing import Any

import pytest

from xueliang_central.camera_rules.canary import Band, Figures, Plan, breaches, chosen


def figures(**values: Any) -> Figures:
    """Ten cameras that had one alert an hour between them, and so had the others; nothing is wrong."""
    steady: dict[str, Any] = {
        "watched_h": 10.0,
        "cameras": 10,
        "in_force": 10,
        "refused": 0,
        "faulty": 0,
        "slower": 0,
        "missing": 0,
        "alerts": 10,
        "before": 70,
        "others": 20,
        "others_before": 140,
    }
    return Figures(**(steady | values))


def codes(seen: Figures, **band: Any) -> list[str]:
    return [one.code for one in breaches(seen, Band(**band))]


def test_what_is_as_before_stays_in_the_band() -> None:
    assert (figures().expected, figures().trend) == (10.0, 1.0)
    assert codes(figures()) == []


@pytest.mark.parametrize(
    ("changed", "left"),
    [
        ({"alerts": 21}, ["more_alerts"]),
        ({"alerts": 20}, []),
        ({"alerts": 2}, ["fewer_alerts"]),
        ({"alerts": 3}, []),
        ({"alerts": 4, "before": 7}, []),  # four times as many, and still only three more
        ({"alerts": 21, "others": 40}, []),  # a busy night everywhere
        ({"alerts": 10, "others": 4, "others_before": 140}, ["more_alerts"]),  # a quiet one, and these are not
        ({"alerts": 21, "others": 0, "others_before": 9}, ["more_alerts"]),  # too few others to say anything
        ({"refused": 1}, ["refused"]),
        ({"faulty": 1}, []),
        ({"faulty": 2}, ["faulty"]),
        ({"slower": 3}, ["slower"]),
        ({"missing": 1}, ["missing"]),
        ({"alerts": 30, "refused": 10, "missing": 2}, ["more_alerts", "refused", "missing"]),
    ],
    ids=lambda one: ",".join(f"{name}={value}" for name, value in one.items()) if isinstance(one, dict) else None,
)
def test_what_leaves_the_band_is_named(changed: dict[str, int], left: list[str]) -> None:
    assert codes(figures(**changed)) == left


def test_a_breach_says_what_was_seen_and_the_limit() -> None:
    (one,) = breaches(figures(alerts=50), Band())
    assert one.as_json() == {"code": "more_alerts", "seen": 50, "limit": 20.0}


def test_a_camera_without_a_past_leaves_the_band_by_its_alerts_alone() -> None:
    assert codes(figures(alerts=4, before=0)) == []
    assert codes(figures(alerts=5, before=0)) == ["more_alerts"]


def test_who_wants_no_lower_bound_has_none() -> None:
    assert codes(figures(alerts=0), least_ratio=0.0) == []


def plan(**values: Any) -> Plan:
    return Plan(hours=1.0, promotes_itself=False, band=Band(), **values)


def test_a_share_is_drawn_by_its_seed_the_same_each_time_and_one_at_least() -> None:
    names = [f"cam-{number:03d}" for number in range(200)]
    one, again, other = (chosen(plan(share=0.1, seed=seed), names) for seed in ("a", "a", "b"))
    assert one == again
    assert len(one) == len(other) == 20
    assert one != other
    assert len(chosen(plan(share=0.001, seed="a"), names)) == 1
    assert chosen(plan(share=0.5, seed="a"), []) == ()


def test_by_hand_only_what_changes_is_taken() -> None:
    assert chosen(plan(camera_ids=("b", "x", "a", "b")), ["a", "b", "c"]) == ("a", "b")

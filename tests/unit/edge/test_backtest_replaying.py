"""The quick way through the log says what going look by look says: every hazard, over gaps and restarts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.edge.backtesting import RULES, days, part_of
from tests.unit.edge.observing import camera, judged, seen, told
from xueliang_alerts.contract import Hazard, Phase
from xueliang_edge.backtest.replaying import Replay
from xueliang_edge.backtest.skipping import SKIPPING
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observations import Observation
from xueliang_edge.rules.episodes import Decision, Moment
from xueliang_edge.rules.judge import CameraJudge

CUTS = (0, 1, 90, 91, 240)
"""Where a part ends and another begins."""


def quick(name: str, parts: Iterable[LoggedLooks]) -> tuple[list[Decision], Replay]:
    (rule,) = camera(RULES[name]).as_judged.rules
    replay = Replay(rule)
    return [decision for part in parts for decision in replay.take(part)], replay


def slow(name: str, parts: Iterable[LoggedLooks]) -> list[Decision]:
    """As a node does it: every look, and a restart wherever another run begins."""
    lane = camera(RULES[name])
    judge, run_id, said = CameraJudge(lane), None, []
    for part in parts:
        if run_id not in (None, part.run_id):
            moment = {"mono_s": float(part.mono_s[0]), "at": part.first_at}
            judge, ends = CameraJudge.restore(lane, judge.snapshot(), **moment)  # type: ignore[arg-type]
            assert not ends
        run_id = part.run_id
        said += [one.decision for look in part.observations() for one in judge.look(look)]
    return said


def without_boot(said: list[Decision]) -> list[Decision]:
    """Decisions without the monotonic seconds, which begin anew with each boot."""

    def timeless(moment: Moment | None) -> Moment | None:
        return None if moment is None else replace(moment, mono_s=0.0)

    changed = [
        {name: timeless(getattr(one, name)) for name in ("began", "raised", "observed", "ended")} for one in said
    ]
    return [replace(one, **moments) for one, moments in zip(said, changed, strict=True)]  # type: ignore[arg-type]


def in_parts(looks: list[Observation]) -> list[LoggedLooks]:
    edges = [*(cut for cut in CUTS if cut < len(looks)), len(looks)]
    return [part_of(looks[a:b], first=a + 1) for a, b in pairwise(edges)]


def with_restarts(looks: list[Observation]) -> list[LoggedLooks]:
    """Another run, with a clock of its own, a while after the first; and looks that were lost."""
    half = len(looks) // 2
    later = [
        replace(one, observed_mono_s=one.observed_mono_s - 1500.25, observed_at=one.observed_at + timedelta(seconds=20))
        for one in looks[half + 30 :]
    ]
    return [part_of(looks[: half - 40]), part_of(looks[half : half + 30], first=half), part_of(later, run_id="run-2")]


def test_every_hazard_has_a_way_of_its_own() -> None:
    judged = set(Hazard) - {Hazard.GEO_HAZARD}  # stations tell it
    assert {rule["hazard"] for rule in RULES.values()} == judged
    assert set(SKIPPING) == judged


@pytest.mark.parametrize("name", RULES)
def test_the_quick_way_says_what_look_by_look_says(name: str) -> None:
    looks, alone, raised = 0, 0, 0
    for seed in (1, 2):
        parts = in_parts(days(seed, 260))
        said, replay = quick(name, parts)
        assert said == slow(name, parts)
        looks, alone = looks + replay.looks, alone + replay.judged_alone
        raised += sum(one.phase is Phase.RAISED for one in said)
    assert raised, "these days have nothing to compare"
    assert alone < looks


@pytest.mark.parametrize("name", RULES)
def test_so_it_does_over_lost_looks_and_restarts(name: str) -> None:
    parts = with_restarts(days(7, 220))
    said, _ = quick(name, parts)
    assert without_boot(said) == without_boot(slow(name, parts))


# Days on which a mistake in what is remembered over quiet looks would show.

PERSON = ("person", 0.8)
CROWD = {"hazard": "crowd", "raise_at_count": 2, "clear_at_count": 0, "dwell_s": 0, "smooth_s": 1.5}
WATER = {"hazard": "water_level", "dwell_s": 5, "clear_after_s": 4}
LINE = {"hazard": "line_crossing"}


def crowd_of(*counts: int) -> list[Observation]:
    boxes = [(0.15 + 0.12 * n, 0.5, 0.2 + 0.12 * n, 0.8) for n in range(6)]
    return [seen(float(at_s), [(*PERSON, box) for box in boxes[:count]]) for at_s, count in enumerate(counts)]


def stained(end_s: int, *stretches: tuple[int, int]) -> list[Observation]:
    stain = np.zeros((18, 32), np.float32)
    stain[9:17, 3:29] = 0.8
    is_stained = [any(a <= at_s < b for a, b in stretches) for at_s in range(end_s)]
    return [seen(float(at_s), change=stain * one) for at_s, one in enumerate(is_stained)]


def compared(rule: dict[str, Any], looks: list[Observation]) -> list[tuple[str, float]]:
    """What both ways say."""
    part, (one,) = part_of(looks), camera(rule).as_judged.rules
    said = list(Replay(one).take(part))
    assert said == judged(CameraJudge(camera(rule)), part.observations())
    return told(said)


def test_a_crowd_goes_on_over_a_look_that_alone_is_none() -> None:
    assert compared(CROWD, crowd_of(0, 0, 0, 0, 3, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))[0] == ("raised", 6.0)
    assert compared(CROWD, crowd_of(0, 0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)) == []


@pytest.mark.parametrize("before", [5, 30])
def test_a_crowd_began_with_those_who_came_at_looks_that_were_passed_over(before: int) -> None:
    rule = CROWD | {"raise_at_count": 4, "dwell_s": 3}
    assert compared(rule, crowd_of(*[0] * before, 1, 3, 2, 2, 3, 4, 4, 4, 4, 4)) == [("raised", before + 8.0)]


def test_water_that_went_has_no_part_in_water_that_comes_later() -> None:
    said = compared(WATER, stained(100, (10, 12), (60, 80)))
    assert [phase for phase, _ in said] == ["raised", "cleared"]
    assert said[0][1] >= 65


def test_a_track_is_not_followed_over_a_blind_stretch_that_ended_quietly() -> None:
    left, right = ("car", 0.8, (0.2, 0.5, 0.3, 0.6)), ("car", 0.8, (0.7, 0.5, 0.8, 0.6))
    looks = [seen(at_s, [left], track_ids=[1]) for at_s in (0.0, 0.5, 1.0)] + [seen(8.0)]
    assert compared(LINE, [*looks, seen(9.0, [right], track_ids=[1])]) == []
    assert compared(LINE, [*looks[:3], seen(2.0), seen(3.0, [right], track_ids=[1])]) == [("raised", 3.0)]


@settings(max_examples=12, deadline=None)
@given(st.integers(100, 10_000), st.sampled_from(sorted(RULES)), st.integers(5, 60))
def test_any_day_gives_the_same(seed: int, name: str, count: int) -> None:
    parts = [part_of(days(seed, count))]
    assert quick(name, parts)[0] == slow(name, parts)


# Cameras that turn.


def turning(looks: list[Observation], seed: int) -> list[Observation]:
    """The same day of a camera that shows its views in turns, some looks long."""
    random = np.random.default_rng(seed)
    shown, left, found = "gate", 0, []
    for one in looks:
        if left == 0:
            shown, left = str(random.choice(["gate", "yard"])), int(random.integers(1, 40))
        left -= 1
        found.append(replace(one, view_id=shown) if one.is_good else one)
    return found


def in_view(name: str) -> dict[str, Any]:
    rule = RULES[name]
    return rule if rule["hazard"] == Hazard.CAMERA_FAULT else rule | {"view": "gate"}


@pytest.mark.parametrize("name", RULES)
def test_both_ways_agree_on_a_camera_that_turns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, name, in_view(name))
    judged_alone = 0
    for seed in (1, 2, 3):
        looks = turning(days(seed, 260), seed)
        said, replay = quick(name, in_parts(looks))
        judged_alone += replay.judged_alone
        assert said == slow(name, in_parts(looks))
        assert without_boot(quick(name, with_restarts(looks))[0]) == without_boot(slow(name, with_restarts(looks)))
    assert judged_alone


def test_what_another_view_shows_raises_nothing_and_clears_nothing() -> None:
    rule = {"hazard": "intrusion", "view": "gate", "needed_looks": 1, "of_looks": 1, "clear_after_s": 3}
    rule |= {"view_lost_after_s": 60}
    person = (*PERSON, (0.4, 0.5, 0.5, 0.8))

    def day(*stretches: tuple[str, bool, int]) -> list[Observation]:
        each = [(view, is_there) for view, is_there, seconds in stretches for _ in range(seconds)]
        return [
            replace(seen(float(at_s), [person] if is_there else []), view_id=view)
            for at_s, (view, is_there) in enumerate(each)
        ]

    assert compared(rule, day(("yard", True, 30))) == []
    assert compared(rule, day(("gate", True, 5), ("yard", False, 40), ("gate", True, 5)))[1:] == []
    (_, (phase, at_s)) = compared(rule, day(("gate", True, 5), ("yard", False, 40), ("gate", False, 9)))
    assert (phase, at_s >= 48) == ("cleared", True)
    said = compared(rule, day(("gate", True, 5), ("yard", False, 90)))
    assert [phase for phase, _ in said] == ["raised", "cleared"], "away for longer than the rule allows: view_lost"

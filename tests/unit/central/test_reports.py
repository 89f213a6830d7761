"""Roll-ups, the pure part: shifts, histograms, and what one incident adds."""

from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from xueliang_central.incidents.judging import JUDGEMENTS
from xueliang_central.reports import figures, histograms
from xueliang_central.reports.facts import COUNTS, facts_of
from xueliang_central.reports.figures import Sums, shown
from xueliang_central.reports.periods import Period, period_of

OPENED = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "day", "shift"),
    [
        (datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC), date(2026, 11, 22), 2),
        (datetime(2026, 11, 22, 16, 0, tzinfo=UTC), date(2026, 11, 23), 0),
        (datetime(2026, 11, 23, 0, 0, tzinfo=UTC), date(2026, 11, 23), 1),
        (datetime(2026, 11, 23, 8, 0, tzinfo=UTC), date(2026, 11, 23), 2),
    ],
    ids=["last second of a local day", "local midnight", "08:00", "16:00"],
)
def test_a_moment_lies_in_its_local_shift(at: datetime, day: date, shift: int) -> None:
    period = period_of(at)
    assert period == Period(day, shift)
    assert period.begins_at <= at < period.ends_at


def test_percentiles_of_added_rows_are_within_the_stated_error() -> None:
    """Against the sorted durations themselves, over rows that were packed, unpacked and added."""
    dice = random.Random(7)
    durations = [dice.lognormvariate(5, 2) for _ in range(4000)]
    rows = [
        histograms.pack(sum(histograms.one("taken", each) for each in durations[start : start + 40]))
        for start in range(0, len(durations), 40)
    ]
    counts = histograms.counts_of(histograms.added(rows), "taken")
    assert sum(counts) == len(durations)
    for share in (0.5, 0.9, 0.99):
        true = sorted(durations)[math.ceil(share * len(durations)) - 1]
        told = histograms.percentile_s(counts, share)
        assert told is not None
        assert abs(told - true) <= max(histograms.ABSOLUTE_ERROR_S, histograms.RELATIVE_ERROR * true * 1.000001)


def test_steps_do_not_mix_and_nothing_has_no_percentile() -> None:
    number = histograms.one("judged", 0.2) + histograms.one("closed", 1e9) + histograms.one("closed", -3)
    assert sum(histograms.counts_of(number, "judged")) == 1
    assert histograms.percentile_s(histograms.counts_of(number, "judged"), 0.9) == 0.5
    assert histograms.percentile_s(histograms.counts_of(number, "closed"), 0.9) == histograms.LONGEST_S
    assert histograms.percentile_s(histograms.counts_of(number, "taken"), 0.5) is None
    assert histograms.pack(0) is None


def _incident(**named: Any) -> dict[str, Any]:
    row = {"state": "closed", "close_reason": "verified", "opened_at": OPENED, "closed_at": OPENED, "alert_count": 3}
    return {**row, "review": None, **named}


def _entry(kind: str, after_s: float, actor: str = "user", **params: Any) -> dict[str, Any]:
    return {"kind": kind, "at": OPENED + timedelta(seconds=after_s), "actor_kind": actor, "params": params}


def _clock(kind: str, due_s: float, stopped_s: float | None, *, fired: bool = False) -> dict[str, Any]:
    stopped = None if stopped_s is None else OPENED + timedelta(seconds=stopped_s)
    breached = OPENED + timedelta(seconds=due_s) if fired else None
    due_at = OPENED + timedelta(seconds=due_s)
    return {"kind": kind, "due_at": due_at, "stopped_at": stopped, "breached_at": breached, "first_due_at": None}


@pytest.mark.parametrize(
    ("judgement", "incident", "entries"),
    [
        ("unjudged", {"state": "open", "close_reason": None, "closed_at": None}, []),
        ("unjudged", {"close_reason": "ended_by_itself"}, [_entry("dispatched", 0, "system")]),
        ("true_hazard", {"state": "dispatched", "close_reason": None}, [_entry("confirmed", 5)]),
        ("true_hazard", {}, [_entry("dispatched", 0, "system"), _entry("handled", 60)]),
        ("true_hazard", {}, [_entry("unit_told", 0, "system"), _entry("unit_done", 60, "unit")]),
        ("unjudged", {"close_reason": "ended_by_itself"}, [_entry("unit_told", 0, "system")]),
        ("nothing_here", {}, [_entry("confirmed", 5), _entry("handled", 60, reason_code="nothing_here")]),
        ("false_alarm", {"close_reason": "false_alarm"}, [_entry("closed", 5)]),
        ("permitted", {"close_reason": "permitted"}, [_entry("confirmed", 3), _entry("closed", 5)]),
        ("duplicate", {"close_reason": "duplicate"}, [_entry("closed", 5)]),
        ("unjudged", {"close_reason": "ended_by_itself", "review": "waiting"}, []),
        ("unjudged", {"close_reason": "ended_by_itself", "review": "no_answer"}, [_entry("reviewed", 9)]),
        ("false_alarm", {"close_reason": "ended_by_itself", "review": "false_alarm"}, [_entry("reviewed", 9)]),
        ("true_hazard", {"close_reason": "ended_by_itself", "review": "true_hazard"}, [_entry("reviewed", 9)]),
    ],
    ids=[
        "waits",
        "sent by policy, ended",
        "confirmed",
        "handled",
        "unit done",
        "unit silent",
        "saw nothing",
        "false",
        "permitted",
        "duplicate",
        "waits for its review",
        "reviewed, not to be told",
        "reviewed: false",
        "reviewed: true",
    ],
)
def test_each_incident_has_one_judgement(judgement: str, incident: Any, entries: Any) -> None:
    counts = facts_of(_incident(**incident), entries, []).counts
    assert [name for name in JUDGEMENTS if counts.get(name)] == [judgement]
    assert counts["incidents"] == 1
    assert (counts["alerts"], counts["folded"]) == (3, 2)


def test_closed_once_and_reopened_are_about_the_same_incidents() -> None:
    waits = facts_of(_incident(state="open", close_reason=None, closed_at=None), [], []).counts
    again = facts_of(_incident(state="open", close_reason=None, closed_at=None), [_entry("reopened", 9)], []).counts
    shut = facts_of(_incident(), [_entry("closed", 5)], []).counts
    told = [
        (each.get("closed", 0), each.get("closed_once", 0), each.get("reopened", 0)) for each in (waits, again, shut)
    ]
    assert told == [(0, 0, 0), (0, 1, 1), (1, 1, 0)]


@pytest.mark.parametrize(
    ("counted", "entries"),
    [
        ({"unit_told", "unit_cleared"}, [_entry("unit_clears", 9, "unit"), _entry("unit_done", 60, "unit")]),
        ({"unit_told", "unit_cannot"}, [_entry("unit_cannot", 9, "unit"), _entry("dispatched", 9, "system")]),
        ({"unit_told", "unit_given_up"}, [_entry("unit_given_up", 300, "system"), _entry("dispatched", 300, "system")]),
        ({"unit_told"}, [_entry("dispatched", 20)]),
    ],
    ids=["cleared", "cannot", "silent", "passed by"],
)
def test_what_a_unit_did_is_counted_once(counted: set[str], entries: Any) -> None:
    counts = facts_of(_incident(), [_entry("unit_told", 0, "system"), *entries], []).counts
    assert {name for name in COUNTS if name.startswith("unit_") and counts.get(name)} == counted


def test_a_merged_incident_counts_as_merged_only() -> None:
    facts = facts_of(_incident(close_reason="merged"), [_entry("closed", 4)], [_clock("judge", 60, 4)])
    assert (facts.counts, facts.durations) == ({"merged": 1}, 0)


@pytest.mark.parametrize(
    ("outcome", "clock"),
    [
        ("on_time", _clock("take", 60, 30)),
        ("late", _clock("take", 20, 30)),  # stopped after it was due, and no worker ran to see that
        ("late", _clock("take", 60, None, fired=True)),
        (None, _clock("take", 60, None)),
        (None, _clock("take", 60, 10)),  # something else stopped it: nobody took it
    ],
    ids=["taken in time", "taken late", "limit passed", "runs", "withdrawn"],
)
def test_a_limit_is_kept_only_by_what_it_waits_for(outcome: str | None, clock: Any) -> None:
    counts = facts_of(_incident(), [_entry("dispatched", 0, "system"), _entry("taken", 30)], [clock]).counts
    assert [name for name in ("take_on_time", "take_late") if counts.get(name)] == (
        [f"take_{outcome}"] if outcome else []
    )


def test_steps_are_counted_from_where_their_limit_runs() -> None:
    entries = [_entry("confirmed", 40), _entry("taken", 70), _entry("arrived", 240), _entry("handled", 640)]
    durations = facts_of(_incident(closed_at=OPENED + timedelta(seconds=900)), entries, []).durations
    for step, seconds in (("judged", 40), ("dispatched", 40), ("taken", 30), ("arrived", 200), ("closed", 900)):
        counts = histograms.counts_of(durations, step)
        assert [bucket for bucket, count in enumerate(counts) if count] == [histograms.bucket_of(seconds)], step


def test_what_policy_sends_was_judged_by_nobody() -> None:
    durations = facts_of(_incident(), [_entry("dispatched", 0, "system"), _entry("closed", 90)], []).durations
    assert sum(histograms.counts_of(durations, "judged")) == 0


def test_a_rate_of_nothing_is_null() -> None:
    view = shown(Sums())
    assert {rate["value"] for rate in view["rates"].values()} == {None}
    assert {step["p50_s"] for step in view["steps"].values()} == {None}
    some = Sums({**dict.fromkeys(COUNTS, 0), "true_hazard": 3, "false_alarm": 1, "permitted": 5})
    assert shown(some)["rates"]["false_alarm"] == {"numerator": 1, "denominator": 4, "value": 0.25}
    assert {part for name, parts in figures.RATES.values() for part in (name, *parts)} <= set(COUNTS)

"""What may be merged, whose task is kept, whose a place is: tables of cases, and what always holds."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_central.incidents.grouping import HandPlace, groups_of, once_reopened
from xueliang_central.incidents.regrouping import Kept, Refusal, kept_task, owners_of, why_not_merge

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
GRID, FAR_GRID = "370102003005007", "370103001001001"
COUNTIES = {GRID: "370102", FAR_GRID: "370103"}
Row = dict[str, Any]


def case(incident_id: str = "i1", **more: Any) -> Row:
    row = {
        "incident_id": incident_id,
        "number": f"20261123-{incident_id}",
        "hazard": "crowd",
        "severity": 2,
        "state": "open",
        "drill": False,
        "area_code": GRID,
        "place_key": f"cam-{incident_id}",
        "longitude": 117.0,
        "latitude": 36.0,
        "began_at": NOON,
        "last_observed_at": NOON,
        "closed_at": None,
        "close_reason": None,
        "review": None,
        "policy": {"reopen_window_s": 900},
    }
    row |= more
    if row["state"] == "closed":
        row["closed_at"] = NOON
    return row


FIRE, CRITICAL = {"hazard": "fire_smoke"}, {"severity": 1}
MERGES: dict[str, tuple[Row, Row, str | None]] = {
    "two alike": ({}, {}, None),
    "into what is on its way": ({"state": "taken"}, {}, None),
    "what is on its way into what waits": ({}, {"state": "arrived"}, None),
    "into what is handled": ({"state": "handled"}, {}, None),
    "into a closed one": ({"state": "closed"}, {}, "into_closed"),
    "a closed one": ({}, {"state": "closed"}, "other_closed"),
    "into a collective": ({"place_key": "~held-1"}, {}, "collective"),
    "a collective": ({}, {"place_key": "~storm"}, "collective"),
    "another hazard": ({}, {"hazard": "intrusion"}, "other_hazard"),
    "a drill": ({}, {"drill": True}, "drill"),
    "another county": ({}, {"area_code": FAR_GRID}, "other_county"),
    "two fires that wait": (FIRE, FIRE, None),
    "two fires on their way": ({**FIRE, "state": "taken"}, {**FIRE, "state": "dispatched"}, None),
    "a fire that waits into a judged one": ({**FIRE, "state": "dispatched"}, FIRE, "urgent_unjudged"),
    "a judged fire into one that waits": (FIRE, {**FIRE, "state": "dispatched"}, "urgent_unjudged"),
    "a judged fire into a handled one": (
        {**FIRE, "state": "handled"},
        {**FIRE, "state": "taken"},
        "urgent_into_handled",
    ),
    "severity 1 that waits into a judged one": ({"state": "taken"}, CRITICAL, "urgent_unjudged"),
    "severity 1 into one to check": ({"state": "to_check"}, {**CRITICAL, "state": "taken"}, "urgent_into_handled"),
    "severity 1 into one that waits": ({}, CRITICAL, None),
    "a judged one into severity 1 that waits": (CRITICAL, {"state": "taken"}, "urgent_unjudged"),
    "severity 1 into a closed one": ({"state": "closed"}, CRITICAL, "into_closed"),
}


@pytest.mark.parametrize(("into", "other", "code"), MERGES.values(), ids=MERGES)
def test_what_may_be_merged(into: Row, other: Row, code: str | None) -> None:
    refusal = why_not_merge(case("i1", **into), case("i2", **other), COUNTIES)
    assert (refusal and refusal.code) == code


def test_not_into_itself() -> None:
    refusal = why_not_merge(case(), case(), COUNTIES)
    assert refusal is not None
    assert refusal.code == "itself"


def task(task_id: str, state: str | None) -> Row | None:
    return None if state is None else {"task_id": task_id, "state": state}


TASKS: dict[str, tuple[str | None, str | None, str | None, Kept | str]] = {
    "none": (None, None, None, Kept(False)),
    "only here": ("taken", None, None, Kept(False)),
    "only there, under way": (None, "taken", None, Kept(True)),
    "only there, handled": (None, "handled", None, Kept(False)),
    "handled there": ("offered", "handled", None, Kept(False)),
    "both, none named": ("offered", "arrived", None, "two_tasks"),
    "both, handled here, none named": ("handled", "offered", None, "two_tasks"),
    "both, this one named": ("offered", "arrived", "here", Kept(False)),
    "both, that one named": ("offered", "arrived", "there", Kept(True)),
    "handled there and named": ("offered", "handled", "there", "task_done"),
    "another named": ("offered", "arrived", "elsewhere", "not_their_task"),
    "one that is not live": (None, "arrived", "here", "not_their_task"),
}


@pytest.mark.parametrize(("here", "there", "named", "answer"), TASKS.values(), ids=TASKS)
def test_whose_task_goes_on(here: str | None, there: str | None, named: str | None, answer: Kept | str) -> None:
    kept = kept_task(task("here", here), task("there", there), named)
    assert (kept.code if isinstance(kept, Refusal) else kept) == answer


@given(st.permutations(range(6)))
def test_a_camera_is_where_its_latest_alert_is_in_any_order(order: list[int]) -> None:
    found = [
        {
            "alert_id": f"a{n}",
            "camera_id": f"cam-{n % 2}",
            "incident_id": f"i{n}",
            "trusted_began_at": NOON + timedelta(seconds=n // 2),
        }
        for n in range(6)
    ]
    assert owners_of(found[n] for n in order) == {"cam-0": "i4", "cam-1": "i5"}


def hand(camera_id: str, incident_id: str) -> HandPlace:
    return HandPlace((GRID, "crowd", False, camera_id), incident_id, 117.1, 36.1, "20261123-before")


def places(rows: list[Row], by_hand: list[HandPlace]) -> dict[str, tuple[str, ...]]:
    """By camera, the incidents that would take its alerts in or come back by one."""
    found: dict[str, tuple[str, ...]] = {}
    for group in groups_of({row["incident_id"]: row for row in rows}, by_hand).values():
        found[group.place_key] = (*found.get(group.place_key, ()), group.incident_id)
    return found


def test_a_place_given_by_hand_counts_more_than_the_own_one_while_its_incident_is_open() -> None:
    own, other = case("i1"), case("i2", place_key="#2")
    assert places([own, other], [hand("cam-i1", "i2")]) == {"cam-i1": ("i2",)}
    closed = case("i2", place_key="#2", state="closed", close_reason="ended_by_itself")
    assert places([own, closed], [hand("cam-i1", "i2")]) == {"cam-i1": ("i1", "i2")}


def test_what_was_merged_has_no_place_and_what_has_none_takes_nothing() -> None:
    merged = case("i1", state="closed", close_reason="merged")
    assert places([merged, case("i2")], [hand("cam-i1", "i2")]) == {"cam-i1": ("i2",), "cam-i2": ("i2",)}
    assert places([case("i3", place_key="#3")], []) == {}
    assert places([merged], [hand("cam-9", "i1"), hand("cam-8", "unknown")]) == {}


def test_a_hand_place_says_where_it_came_from_and_where_it_is() -> None:
    [own, given_] = groups_of({"i1": case("i1")}, [hand("cam-9", "i1")]).values()
    assert (own.by_way_of, own.longitude) == (None, 117.0)
    assert (given_.by_way_of, given_.longitude, given_.number) == ("20261123-before", 117.1, "20261123-i1")


def test_reopened_every_place_of_it_is_open() -> None:
    closed = case("i1", state="closed", close_reason="verified")
    groups = groups_of({"i1": closed, "i2": case("i2")}, [hand("cam-9", "i1")])
    assert [group.closed_at for group in groups.values()].count(None) == 1
    assert all(group.closed_at is None for group in once_reopened(groups, "i1").values())


CASES = st.lists(
    st.tuples(st.sampled_from(["open", "taken", "closed"]), st.sampled_from(["cam-1", "cam-2", "#", "~held-1"])),
    max_size=6,
)
HANDS = st.dictionaries(st.sampled_from(["cam-1", "cam-2", "cam-3"]), st.integers(0, 6))


@given(CASES, HANDS)
def test_no_place_has_two_open_incidents_and_none_is_lost(found: list[tuple[str, str]], given_: dict[str, int]) -> None:
    """The database holds one open incident a key; whatever people have given away, a place has one that takes in."""
    rows: dict[str, Row] = {}
    open_keys: set[str] = set()
    for number, (state, key) in enumerate(found):
        place_key = f"#{number}" if key == "#" else key
        if state != "closed" and place_key in open_keys:
            continue
        open_keys |= {place_key} if state != "closed" else set()
        reason = "ended_by_itself" if state == "closed" else None
        rows[f"i{number}"] = case(f"i{number}", state=state, place_key=place_key, close_reason=reason)
    by_hand = [hand(camera_id, f"i{number}") for camera_id, number in given_.items()]
    groups = groups_of(rows, by_hand).values()
    taking = Counter(group.place_key for group in groups if group.closed_at is None)
    assert all(count == 1 for count in taking.values())
    assert {key for key in open_keys if not key.startswith("#")} <= set(taking)

"""Which cameras went offline with their node, and when one of them stands for itself again: a table of cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from xueliang_central.incidents.folding import Arrival, Fold, FoldingRule
from xueliang_central.incidents.node_failures import Presence, may_be_of_node, node_key, of_node, released
from xueliang_central.incidents.shedding import Collective, Held, Holding
from xueliang_central.incidents.states import State

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
RULE = FoldingRule(window_s=900, node_cameras=3)
FAULT = Arrival("a1", "cam-1", "370102003005007", "camera_fault", False, NOON, 117.0, 36.0, False, is_offline=True)
NODE = Collective("i7", "20261123-0007", "~node:edge-1")
HERE = Presence("edge-1", since=NOON - timedelta(days=1))


def _fault(
    camera_id: str, *, ago_s: float = 5, gone_s: float | None = None, into: str = "own", node_id: str = "edge-1"
) -> Held:
    """Offline since `ago_s`; back since `gone_s`, or not. Alone in an incident, or in the node's."""
    seen_at = NOON - timedelta(seconds=gone_s or 0)
    began_at = NOON - timedelta(seconds=ago_s)
    of_node = into == NODE.incident_id
    return Held(
        alert_id=f"of-{camera_id}",
        incident_id=into if of_node else f"of-{camera_id}-alone",
        place_key=NODE.place_key if of_node else camera_id,
        camera_id=camera_id,
        node_id=node_id,
        area_code=None,
        severity=4,
        longitude=None,
        latitude=None,
        began_at=began_at,
        raised_at=began_at,
        last_seen_at=seen_at,
        is_present=gone_s is None,
        is_offline=True,
    )


def _of_node(
    faults: list[Held], known: Collective | None = None, node: Presence = HERE, arrival: Arrival = FAULT
) -> Holding | None:
    return of_node(arrival, node, [known] if known else [], faults, NOON, RULE)


ALONE = [_fault("cam-2"), _fault("cam-3", ago_s=40)]
HELD_BY_NODE = [_fault(f"cam-{n}", ago_s=400, gone_s=300, into="i7") for n in (1, 2, 3)]
AWAY = Presence("edge-1", is_away=True, since=NOON)
CASES = {
    "it is the third within a minute": (ALONE, None, HERE, Fold.OPEN, "node_down", ("of-cam-2", "of-cam-3")),
    "only two": (ALONE[:1], None, HERE, None, None, ()),
    "they did not fail together": ([ALONE[0], _fault("cam-3", ago_s=61)], None, HERE, None, None, ()),
    "one is back already": ([ALONE[0], _fault("cam-3", gone_s=1)], None, HERE, None, None, ()),
    "one camera is not several": ([ALONE[0], _fault("cam-1")], None, HERE, None, None, ()),
    "the others are another node's": ([_fault(c, node_id="edge-2") for c in ("b", "c")], None, HERE, None, None, ()),
    "the node is away": ([], None, AWAY, Fold.OPEN, "node_away", ()),
    "the node went away after them": (ALONE[:1], None, AWAY, Fold.OPEN, "node_away", ("of-cam-2",)),
    "the node is down": ([_fault(f"cam-{n}", ago_s=9_000, into="i7") for n in (2, 3, 4)], NODE, HERE, Fold.JOIN,
                         "node_down", ()),
    "it flaps": (HELD_BY_NODE, NODE, HERE, Fold.JOIN, "node_down", ()),
    "it was back for longer than the window": (
        [replace(one, last_seen_at=NOON - timedelta(seconds=901)) for one in HELD_BY_NODE], NODE, HERE, None, None, ()
    ),
    "it fails again while one of its cameras is still away": (
        [*ALONE, _fault("cam-4", ago_s=9_000, into="i7")], NODE, HERE, Fold.JOIN, "node_down", ("of-cam-2", "of-cam-3")
    ),
}  # fmt: skip


@pytest.mark.parametrize(("faults", "known", "node", "fold", "code", "along"), CASES.values(), ids=CASES.keys())
def test_whose_failure_it_is(
    faults: list[Held],
    known: Collective | None,
    node: Presence,
    fold: Fold | None,
    code: str | None,
    along: tuple[str, ...],
) -> None:
    found = _of_node(faults, known, node)
    if fold is None:
        assert found is None
        return
    assert found is not None
    assert (found.decision.fold, found.decision.why["code"], found.takes_along) == (fold, code, along)
    assert found.decision.incident_id == (NODE.incident_id if fold is Fold.JOIN else None)
    assert found.place_key == (None if fold is Fold.JOIN else "~node:edge-1")
    assert found.decision.why["text"]


def test_what_somebody_has_judged_counts_and_stays_where_it_is() -> None:
    found = _of_node([ALONE[0], replace(ALONE[1], may_leave=False)])
    assert found is not None
    assert found.takes_along == ("of-cam-2",)


@pytest.mark.parametrize("state", sorted(set(State) - {State.CLOSED}))
def test_whoever_has_the_node_in_hand_has_its_cameras_too(state: State) -> None:
    found = _of_node(HELD_BY_NODE, replace(NODE, state=state))
    assert found is not None
    assert found.decision.incident_id == NODE.incident_id


def test_late_messages_are_compared_by_what_happened() -> None:
    """A node that was cut off tells all at once what failed over hours."""
    arrival = replace(FAULT, began_at=NOON - timedelta(hours=2))
    told_now = [replace(one, raised_at=NOON) for one in ALONE]
    assert _of_node(told_now, arrival=arrival) is None
    same = [replace(one, began_at=arrival.began_at) for one in told_now]
    assert _of_node(same, arrival=arrival) is not None


def test_what_is_never_its_nodes() -> None:
    assert may_be_of_node(FAULT, 4, RULE)
    for stands_alone in (
        replace(FAULT, is_offline=False),
        replace(FAULT, is_gone=True),
        replace(FAULT, drill=True),
    ):
        assert not may_be_of_node(stands_alone, 4, RULE)
    assert not may_be_of_node(FAULT, 1, RULE)
    assert not may_be_of_node(FAULT, 4, replace(RULE, node_cameras=0))


def test_a_nodes_incident_that_is_full_is_followed_by_another_and_the_two_are_one_node() -> None:
    down = [_fault(f"cam-{n}", ago_s=9_000, into="i7") for n in (2, 3, 4)]
    full = replace(NODE, opened_at=NOON - timedelta(days=1))
    found = _of_node(down, full)
    assert found is not None
    assert (found.decision.fold, found.place_key) == (Fold.OPEN, "~node:edge-1~2")
    assert found.decision.why["about"]["follows"] == full.number  # type: ignore[index]
    follower = Collective("i8", "20261123-0008", "~node:edge-1~2")
    joined = of_node(FAULT, HERE, [full, follower, replace(NODE, place_key="~node:edge-10")], down, NOON, RULE)
    assert joined is not None
    assert joined.decision.incident_id == "i8"
    one = replace(_fault("cam-1", ago_s=900), incident_id="i8", place_key="~node:edge-1~2")
    assert _code(one, *down) is None, "the node is down, whichever incident its cameras are in"


def _code(one: Held, *others: Held, node: Presence = HERE) -> object:
    why = released(one, [one, *others], {node.node_id: node}, NOON, RULE)
    return why["code"] if why else None


def test_a_camera_that_stays_offline_when_its_node_is_back_stands_for_itself() -> None:
    one = _fault("cam-1", ago_s=900, into="i7")
    down = [_fault(f"cam-{n}", ago_s=900, into="i7") for n in (2, 3)]
    assert _code(one, *down) is None, "the node is down"
    coming = [replace(other, is_present=False, last_seen_at=NOON - timedelta(seconds=179)) for other in down]
    assert _code(one, *coming) is None, "it may follow"
    back = [replace(other, last_seen_at=NOON - timedelta(seconds=180)) for other in coming]
    assert _code(one, *back) == "still_offline"
    assert _code(replace(one, is_present=False), *back) is None, "it is back"
    assert _code(replace(one, may_leave=False), *back) is None, "somebody has it in hand"
    assert _code(replace(one, severity=1), *down) == "severity"


def test_a_camera_waits_for_its_node_and_a_little_longer() -> None:
    one = _fault("cam-1", ago_s=900, into="i7")
    assert _code(one, node=AWAY) is None
    assert _code(one, node=replace(HERE, since=NOON - timedelta(seconds=179))) is None
    assert _code(one, node=replace(HERE, since=NOON - timedelta(seconds=180))) == "still_offline"
    assert _code(_fault("cam-1", ago_s=179, into="i7")) is None, "it has only just gone, while the node flapped"
    assert _code(one, node=Presence("edge-9")) == "still_offline", "a node that was never heard of is not away"


def test_the_key_of_a_node_fits_and_is_its_own() -> None:
    assert node_key("edge-1") == "~node:edge-1"
    long = ["n" * 62 + last for last in "ab"]
    keys = {node_key(node_id) for node_id in long}
    assert len(keys) == 2
    assert all(len(key) <= 64 and key.startswith("~node:nnn") for key in keys)

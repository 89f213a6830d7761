"""What a person has said of a severity goes along with merges, and back with their undoing, in whichever order."""

from __future__ import annotations

from typing import Any

import pytest

from xueliang_central.incidents.raised import as_raised, given_back, taken_over


def _said(severity: int) -> dict[str, Any]:
    return {"severity": severity, "before": 4, "by": "Chen"}


def _case(name: str, severity: int, raised: int | None = None) -> dict[str, Any]:
    return {"incident_id": name, "severity": severity, "raised": None if raised is None else _said(raised)}


def test_what_was_said_comes_along_also_where_the_survivors_alerts_say_as_much() -> None:
    into = _case("a", 2)
    into |= taken_over(into, _case("b", 2, raised=2))
    assert as_raised(into, 3) == 2, "the alert of severity 2 has left it again"
    assert given_back(into, "b") == {"raised": None}


@pytest.mark.parametrize("own", [1, 2])
def test_of_a_survivor_of_which_as_much_has_been_said_it_stays(own: int) -> None:
    into = _case("a", own, raised=own)
    assert taken_over(into, _case("b", 2, raised=2)) == {}
    assert given_back(into, "b") == {}


@pytest.mark.parametrize("order", ["bc", "cb"])
def test_two_merges_are_undone_in_any_order(order: str) -> None:
    into = _case("a", 4)
    for name, severity in (("b", 3), ("c", 1)):
        into |= taken_over(into, _case(name, severity, raised=severity))
    assert as_raised(into, 4) == 1
    left = []
    for name in order:
        into |= given_back(into, name)
        left.append(as_raised(into, 4))
    assert left == ([1, 4] if order == "bc" else [3, 4])
    assert into["raised"] is None

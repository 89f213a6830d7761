"""Which row of which seat an incident goes into, what waits, and for how long: a table of cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from xueliang_central.areas.tree import AreaBook
from xueliang_central.incidents.change import Rulebook
from xueliang_central.incidents.seating import Newcomer, Placement, Row, RowKind, SeatingRule, due, kind_of, place
from xueliang_configs.policies import PolicyTable

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
RULE = SeatingRule(batch_from_severity=3, gathers_s=900, sent_gathers_s=3_600, rows=2, rows_in_s=600, hold_s=60)
SEATS = ("gao", "qin")
DESK = "370102"
CROWD = Newcomer("i1", "crowd", 3, False, "370102003", DESK, NOON, judge_by=NOON + timedelta(seconds=300))


def _row(number: int, seat: str = "gao", *, ago_s: float = 60, shown: bool = True, **more: object) -> Row:
    """A row of another hazard; shown when it began, or waiting."""
    began_at = NOON - timedelta(seconds=ago_s)
    row = Row(
        row_id=f"r{number}",
        kind=RowKind.BATCH,
        desk=DESK,
        seat=seat,
        hazard="ebike_indoors",
        group="370102003",
        severity=3,
        began_at=began_at,
        show_by=began_at + timedelta(seconds=60),
        shown_at=began_at if shown else None,
    )
    return replace(row, **more)  # type: ignore[arg-type]


def _place(
    rows: list[Row], new: Newcomer = CROWD, seats: tuple[str, ...] = SEATS, rule: SeatingRule = RULE
) -> Placement:
    return place(new, DESK, seats, rows, rule)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({}, RowKind.BATCH),
        ({"severity": 2}, RowKind.ALONE),
        ({"severity": 1, "is_sent": True, "judge_by": None}, RowKind.ALONE),
        ({"severity": 2, "is_sent": True, "judge_by": None}, RowKind.SENT),
        ({"hazard": "fire_smoke", "severity": 4}, RowKind.ALONE),
        ({"drill": True}, RowKind.ALONE),
        ({"is_urgent": True}, RowKind.ALONE),
    ],
    ids=["mild", "severity 2", "sent, severity 1", "sent", "fire", "a drill", "a limit has passed"],
)
def test_which_kind_of_row(change: dict[str, object], kind: RowKind) -> None:
    assert kind_of(replace(CROWD, **change), RULE) is kind  # type: ignore[arg-type]


def test_like_ones_share_a_row_while_it_gathers_and_somebody_has_yet_to_judge_it() -> None:
    crowd = _row(1, hazard="crowd", ago_s=899)
    assert _place([crowd]).row_id == "r1"
    for other in (
        replace(crowd, began_at=NOON - timedelta(seconds=900)),
        replace(crowd, is_open=False),
        replace(crowd, group="370102004"),
        replace(crowd, hazard="ebike_indoors"),
        replace(crowd, kind=RowKind.SENT),
        replace(crowd, desk="370103"),
        replace(crowd, seat="who has gone home"),
    ):
        assert _place([other]).row_id is None, other


def test_what_joins_a_row_that_is_shown_is_shown_and_one_that_waits_waits_no_longer() -> None:
    shown = _row(1, hazard="crowd")
    assert _place([shown]).shown_at == NOON
    waiting = replace(shown, shown_at=None, show_by=NOON + timedelta(seconds=5))
    joined = _place([waiting])
    assert (joined.shown_at, joined.show_by) == (None, waiting.show_by)
    soon = replace(CROWD, judge_by=NOON + timedelta(seconds=4))
    assert _place([waiting], soon).show_by == NOON + timedelta(seconds=2)


def test_a_new_row_goes_to_the_seat_that_got_least_lately() -> None:
    assert _place([]).seat == "gao"
    assert _place([_row(1)]).seat == "qin"
    assert _place([_row(1), _row(2, "qin"), _row(3, "qin", ago_s=601)]).seat == "gao", "what came long ago counts less"
    assert _place([_row(1), _row(2, "qin", shown=False), _row(3, "qin", shown=False)]).seat == "gao", (
        "what waits counts"
    )


def test_mild_ones_wait_for_room_a_minute_at_most_and_half_of_their_limit() -> None:
    full = [_row(1), _row(2), _row(3, "qin"), _row(4, "qin")]
    waits = _place(full)
    assert (waits.shown_at, waits.show_by) == (None, NOON + timedelta(seconds=60))
    assert _place(full, replace(CROWD, judge_by=NOON + timedelta(seconds=60))).show_by == NOON + timedelta(seconds=30)
    assert _place(full[1:]).shown_at == NOON
    assert _place(full, replace(CROWD, severity=2)).shown_at == NOON, "severity 2 never waits to be judged"
    assert _place(full, replace(CROWD, hazard="fire_smoke")).shown_at == NOON


def test_what_waits_is_shown_when_there_is_room_the_most_severe_first() -> None:
    waiting = [_row(n, shown=False, ago_s=10, severity=severity) for n, severity in ((1, 4), (2, 3), (3, 3))]
    assert [row.row_id for row in due(waiting, NOON, RULE)] == ["r2", "r3"]
    assert [row.row_id for row in due([_row(9), *waiting], NOON, RULE)] == ["r2"]
    assert due([_row(8), _row(9), *waiting], NOON, RULE) == []
    assert due([_row(8, "qin"), _row(9, "qin"), *waiting], NOON, RULE) != [], "another seat's rows take no room"
    assert [row.row_id for row in due(waiting, NOON, RULE, {"gao": 1})] == ["r2"], "one more that is not among them"


def test_what_has_waited_long_enough_is_shown_without_room() -> None:
    waiting = [_row(1, shown=False, ago_s=60), _row(2, shown=False, ago_s=59)]
    assert [row.row_id for row in due([_row(8), _row(9), *waiting], NOON, RULE)] == ["r1"]


@pytest.mark.parametrize(
    ("said", "is_dealt", "unstaffed_after_s"),
    [
        ({}, False, 60.0),
        ({"seating": {}}, True, 60.0),
        ({"seating": {"unstaffed_after_s": 90}}, True, 90.0),
        ({"seating": {"deal": False, "unstaffed_after_s": None}}, False, None),
        ({"seating": {"deal": False}}, False, 60.0),
    ],
)
def test_dealing_and_listening_for_seats_are_two_things(
    said: dict[str, object], is_dealt: bool, unstaffed_after_s: float | None
) -> None:
    limits = {"judge_s": 60, "take_s": 60, "arrive_s": 60}
    book = Rulebook.of(AreaBook(), PolicyTable.model_validate({"policies": [limits], **said}))
    assert (book.seating is not None, book.unstaffed_after_s) == (is_dealt, unstaffed_after_s)

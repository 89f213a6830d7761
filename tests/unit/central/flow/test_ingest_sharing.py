"""How ingest processes share the shards, as a game of leases: who takes, who gives back, who waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from xueliang_alerts.topics import SHARDS
from xueliang_central.ingest.giving_back import FEW, WITHIN_S, GivingBack
from xueliang_central.ingest.sharing import GROUP_COUNT, GROUPS, PLACES, LeaseRow, Plan, plan, share_of

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
LASTS = timedelta(seconds=10)


class Table:
    """The leases, and processes that look at them one after the other as `lease.Leases` does."""

    def __init__(self) -> None:
        self.now = NOW
        self.rows = {name: LeaseRow("", NOW) for name in (*PLACES, *(group.name for group in GROUPS))}

    def look(self, me: str) -> Plan:
        mine = plan(me, self.rows, self.now)
        for name in [group.name for group in mine.holds] + ([mine.place] if mine.place else []):
            self.rows[name] = LeaseRow(me, self.now + LASTS)
        for group in mine.gives_back:
            self.rows[group.name] = LeaseRow("", self.now)
        return mine

    def settle(self, *names: str) -> dict[str, int]:
        """All look until nothing changes; how many groups each serves."""
        for _ in range(10):
            self.now += timedelta(seconds=1)
            plans = {me: self.look(me) for me in names}
        return {me: len(mine.holds) - len(mine.gives_back) for me, mine in plans.items()}

    def held_by(self) -> dict[str, str]:
        return {group.name: self.rows[group.name].holder for group in GROUPS}


def test_the_groups_are_all_shards_once() -> None:
    assert sorted(shard for group in GROUPS for shard in group.shards) == sorted(SHARDS)
    assert len(GROUPS) == GROUP_COUNT == len(PLACES)


@pytest.mark.parametrize("members", range(1, GROUP_COUNT + 1))
def test_shares_are_equal_and_leave_nothing_over(members: int) -> None:
    shares = [share_of(rank, members) for rank in range(members)]
    assert sum(shares) == GROUP_COUNT
    assert max(shares) - min(shares) <= 1
    assert min(shares) >= 1


def test_one_alone_serves_everything_and_gives_half_to_a_second() -> None:
    table = Table()
    assert table.settle("first") == {"first": 4}
    assert table.settle("first", "second") == {"first": 2, "second": 2}
    assert set(table.held_by().values()) == {"first", "second"}


def test_three_have_two_one_and_one() -> None:
    assert sorted(Table().settle("first", "second", "third").values()) == [1, 1, 2]


def test_a_fifth_waits_and_follows_whoever_ends() -> None:
    table = Table()
    five = table.settle("one", "two", "three", "four", "five")
    assert sorted(five.values()) == [0, 1, 1, 1, 1]
    waits = next(me for me, count in five.items() if count == 0)
    assert table.look(waits).place is None
    left = [me for me in five if me not in ("two", waits)]
    table.now += LASTS
    assert table.settle(*left, waits) == dict.fromkeys([*left, waits], 1)


def test_the_shards_of_one_that_died_are_taken_when_its_leases_have_lapsed() -> None:
    table = Table()
    table.settle("first", "second")
    before = table.held_by()
    table.look("first")
    assert table.held_by() == before, "it may still live"
    table.now += LASTS
    assert table.settle("first") == {"first": 4}
    assert set(table.held_by().values()) == {"first"}


def test_one_that_was_away_too_long_finds_its_shards_gone_and_takes_no_more_than_its_share() -> None:
    table = Table()
    table.settle("first", "second")
    table.now += LASTS
    table.settle("first")
    back = table.look("second")
    assert back.holds == ()
    assert back.share == 2
    assert table.settle("first", "second") == {"first": 2, "second": 2}


def test_nothing_is_given_back_while_it_is_due() -> None:
    table = Table()
    table.settle("first", "second")
    for _ in range(5):
        table.now += timedelta(seconds=1)
        for me in ("first", "second"):
            mine = table.look(me)
            assert mine.gives_back == ()
            assert mine.is_settled


@pytest.mark.parametrize("apart", range(6))
def test_of_two_that_start_together_none_has_to_give_back_what_it_has_begun(apart: int) -> None:
    """In whatever order they look within a look's time (bits of `apart`)."""
    table = Table()
    order = [("first", "second"), ("second", "first")]
    for step in range(5):
        table.now += timedelta(seconds=1)
        for me in order[apart >> step & 1]:
            assert table.look(me).gives_back == ()
    assert table.settle("first", "second") == {"first": 2, "second": 2}


def test_shards_are_given_back_when_their_backlog_is_taken_or_after_two_minutes() -> None:
    in_hand = {GROUPS[0].shards: FEW + 1, GROUPS[1].shards: FEW}
    now_s = [100.0]
    giving_back = GivingBack(lambda shards: in_hand[tuple(shards)], lambda: now_s[0])
    assert giving_back.ready(GROUPS[:2]) == [GROUPS[1]]
    now_s[0] += WITHIN_S - 1
    assert giving_back.ready(GROUPS[:1]) == []
    now_s[0] += 1
    assert giving_back.ready(GROUPS[:1]) == [GROUPS[0]]
    assert giving_back.ready([]) == []
    assert giving_back.ready(GROUPS[:1]) == [], "due anew"
    in_hand[GROUPS[0].shards] = 0
    assert giving_back.ready(GROUPS[:1]) == [GROUPS[0]]

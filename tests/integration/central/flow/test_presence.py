"""A seat of which no page tells counts as unstaffed: its queue rises, says why, and comes back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.integration.central.flow.stage import CHEN, LI, POLICIES, TOWNSHIP, VILLAGE, HandClock, Stage, build
from tests.integration.central.flow.test_seats import COUNTY, EVERYBODY, GAO, QIN, ROWS, Night, clock, roster
from xueliang_alerts.contract import Hazard
from xueliang_central.audit import chain
from xueliang_central.audit.tables import audit_records
from xueliang_central.centre import Settings
from xueliang_central.dispatch.staffing import Listener, presence_view, say_present, silent_desks
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.people import presence
from xueliang_central.people.tables import seat_presence
from xueliang_central.rights.scope import Actor
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events
from xueliang_central.worker import Worker
from xueliang_configs.policies import PolicyTable

__all__ = ["clock"]

LIMIT_S = 60.0
ALWAYS = {"bands": [{"start": "00:00", "until": "24:00"}]}
BY_DAY = {"bands": [{"start": "08:00", "until": "20:00"}]}


class Watch(Night):
    """A night whose seats tell, or are silent, while a worker listens."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.mono_s = 0.0
        self.limit_s = LIMIT_S
        self.listener = Listener(lambda: self.mono_s)

    async def tells(self, who: Actor, *, begins: bool = False) -> None:
        stage = self.stage
        await say_present(stage.database, stage.rulebook.tree, who, begins=begins, now=stage.clock())

    async def look(self) -> int:
        stage = self.stage
        return await self.listener.look(stage.database, stage.rulebook.tree, self.limit_s, stage.clock())

    async def passes(self, seconds: float, *telling: Actor) -> int:
        """So much time, looked at every 5 s and told of every 15 s by `telling`; returns how many seats changed."""
        changed = 0
        for second in range(5, int(seconds) + 1, 5):
            self.mono_s += 5
            self.stage.clock.forward(5)
            if second % 15 == 0:
                for who in telling:
                    await self.tells(who)
            changed += await self.look()
        return changed

    async def unstaffed(self) -> set[str]:
        return {row["user_id"] for row in await self.stage.rows(seat_presence) if row["unstaffed_since"]}

    async def open_rows(self) -> list[tuple[str, str]]:
        return [(row["desk_code"], row["seat_id"]) for row in await self.rows() if row["closed_at"] is None]

    async def recorded(self) -> list[tuple[str, str]]:
        async with self.stage.database.reading() as conn:
            assert (await chain.verify(conn)).is_whole
            query = select(audit_records.c.action, audit_records.c.actor).where(audit_records.c.object_kind == "seat")
            return [tuple(row) for row in await conn.execute(query.order_by(audit_records.c.position))]  # type: ignore[misc]


@pytest.fixture
async def watch(database: Database, clock: HandClock) -> Watch:
    """Li at the village's desk and Qin at the county's, by day and night; nobody at the township's."""
    stage = await build(database, clock, policies=ROWS, people=EVERYBODY)
    for who, weekly in ((LI, ALWAYS), (CHEN, BY_DAY), (QIN, ALWAYS), (GAO, BY_DAY)):
        await roster(stage, who, weekly)
    return Watch(stage)


async def test_a_silent_seats_queue_rises_after_the_limit_and_comes_back_when_it_tells_again(watch: Watch) -> None:
    await watch.tells(LI)
    await watch.tells(QIN)
    await watch.look()
    await watch.raises(Hazard.CROWD, "lane-east")
    await watch.deal()
    assert await watch.open_rows() == [(VILLAGE, LI.user_id)]
    assert await watch.passes(55, QIN) == 0
    assert await watch.deal() == 0
    assert await watch.passes(5, QIN) == 1
    assert await watch.unstaffed() == {LI.user_id}
    await watch.deal()
    await watch.deal()
    assert await watch.open_rows() == [(COUNTY, QIN.user_id)]
    risen = (await watch.told())[-1]
    assert risen["why"]["code"] == "desk_silent"
    assert [one["area_code"] for one in risen["passed_over"]] == [VILLAGE, TOWNSHIP]
    assert (await watch.stage.one_incident())["owner_level"] == "county"
    assert await watch.deal() == 0, "it is not dealt anew every second"

    assert await watch.passes(60, QIN, LI) == 0
    assert await watch.passes(15, QIN, LI) == 1
    await watch.deal()
    await watch.deal()
    assert await watch.open_rows() == [(VILLAGE, LI.user_id)]
    assert (await watch.told())[-1]["back"] is True
    assert (await watch.stage.one_incident())["owner_level"] == "county", "a level that has risen does not sink"
    assert await watch.deal() == 0
    assert await watch.recorded() == [("seat.unstaffed", "system"), ("seat.staffed", "system")]
    bodies = [row["body"]["seat"] for row in await watch.stage.rows(events) if row["kind"] == "seat"]
    assert [(one["desk"]["code"], one["unstaffed_since"] is None) for one in bodies] == [
        (VILLAGE, False),
        (VILLAGE, True),
    ]


async def test_without_a_word_on_seats_in_the_policies_a_silent_seat_is_unstaffed_after_a_minute(
    database: Database, clock: HandClock, tmp_path: Path
) -> None:
    stage = await build(database, clock)
    assert stage.rulebook.seating is None
    mono_s = 0.0
    settings, table = Settings(tmp_path), PolicyTable.model_validate(POLICIES)
    worker = Worker(centre_on(database, settings, table, wall=clock, mono=lambda: mono_s))
    await say_present(database, stage.rulebook.tree, LI, begins=True, now=clock())
    await worker.listen()
    changed = []
    for _ in range(12):
        mono_s += 5
        clock.forward(5)
        changed.append(await worker.listen())
    assert changed == [0] * 11 + [1]
    (row,) = await stage.rows(seat_presence)
    assert (row["user_id"], row["unstaffed_since"]) == (LI.user_id, clock())


async def test_a_short_limit_makes_no_seat_go_to_and_fro(watch: Watch) -> None:
    await watch.tells(LI)
    await watch.tells(QIN)
    await watch.look()
    assert await watch.passes(120, QIN, LI) == 0
    watch.limit_s = 30.0
    changed = await watch.passes(45, QIN)
    assert (changed, await watch.unstaffed()) == (1, {LI.user_id})
    assert await watch.recorded() == [("seat.unstaffed", "system")]


async def test_who_speaks_while_it_is_looked_is_not_called_away(watch: Watch) -> None:
    await watch.tells(LI)
    (row,) = await watch.stage.rows(seat_presence)
    async with watch.stage.database.transaction() as conn:
        await presence.write(conn, LI.user_id, row["told_at"] + timedelta(seconds=9))
        assert not await presence.mark(conn, LI.user_id, row["told_at"], row["told_at"])
    assert await watch.unstaffed() == set()


async def test_a_person_who_says_so_is_back_at_once_and_by_name(watch: Watch) -> None:
    await watch.tells(LI)
    await watch.tells(QIN)
    await watch.look()
    await watch.passes(60, QIN)
    assert await watch.unstaffed() == {LI.user_id}
    await watch.tells(LI, begins=True)
    assert await watch.unstaffed() == set()
    assert await watch.passes(30, QIN, LI) == 0
    assert await watch.recorded() == [("seat.unstaffed", "system"), ("seat.staffed", "li")]


async def test_what_was_judged_above_meanwhile_does_not_come_back(watch: Watch) -> None:
    await watch.tells(LI)
    await watch.tells(QIN)
    await watch.look()
    await watch.raises(Hazard.CROWD, "lane-east")
    await watch.passes(60, QIN)
    await watch.deal()
    incident = await watch.stage.one_incident()
    await watch.stage.judge(QIN, incident["incident_id"], "false_alarm", incident["version"], reason_code="shadow")
    await watch.tells(LI, begins=True)
    await watch.deal()
    assert await watch.open_rows() == []


async def test_a_console_that_tells_nothing_changes_nothing(watch: Watch) -> None:
    await watch.raises(Hazard.CROWD, "lane-east")
    await watch.deal()
    assert await watch.passes(3_600) == 0
    assert await watch.deal() == 0
    assert await watch.open_rows() == [(VILLAGE, LI.user_id)]


async def test_a_worker_that_starts_anew_and_a_database_that_was_away_call_nobody_away(watch: Watch) -> None:
    await watch.tells(LI)
    await watch.look()
    await watch.passes(50)
    watch.listener = Listener(lambda: watch.mono_s)
    assert await watch.passes(55) == 0
    watch.mono_s += 3_600  # no look in all this time: nothing could be heard
    watch.stage.clock.forward(3_600)
    watch.listener.known.clear()
    await watch.tells(LI)
    assert await watch.look() == 0
    watch.mono_s += 3_600
    watch.stage.clock.forward(7_200)
    assert await watch.look() == 0
    assert await watch.unstaffed() == set()


async def test_where_all_desks_are_silent_nothing_rises(watch: Watch) -> None:
    """The line to the centre is cut for everybody: the nearest desk keeps its queue."""
    await roster(watch.stage, EVERYBODY[-1], BY_DAY)
    await watch.tells(LI)
    await watch.tells(QIN)
    await watch.look()
    await watch.raises(Hazard.CROWD, "lane-east")
    await watch.deal()
    assert await watch.passes(295) == 0, "several at once: the centre may be deaf"
    assert await watch.passes(30) == 2
    assert await watch.deal() == 0
    assert await watch.open_rows() == [(VILLAGE, LI.user_id)]
    await watch.raises(Hazard.WATER_LEVEL, "far-gate")
    await watch.deal()
    assert set(await watch.open_rows()) == {(VILLAGE, LI.user_id)}


async def test_whoever_goes_off_duty_is_forgotten_and_has_a_whole_limit_at_the_next_shift(watch: Watch) -> None:
    await watch.tells(GAO)
    assert await watch.stage.count(seat_presence) == 0, "off duty: nothing is kept"
    watch.stage.clock.forward(5 * 3600)  # 08:00: on duty
    await watch.tells(GAO)
    await watch.tells(QIN)
    watch.stage.clock.forward(13 * 3600)
    assert await watch.passes(300, QIN) == 0, "off duty: nobody listens for this seat"
    watch.stage.clock.forward(11 * 3600)
    assert await watch.passes(60, QIN) == 0, "listened for since the first look of the shift"
    assert await watch.passes(5, QIN) == 1
    watch.stage.clock.forward(12 * 3600)
    assert await watch.passes(5, QIN) == 1
    assert await watch.unstaffed() == set()
    assert [action for action, _ in await watch.recorded()] == ["seat.unstaffed", "seat.off_duty"]
    told = [row["body"]["seat"]["unstaffed_since"] for row in await watch.stage.rows(events) if row["kind"] == "seat"]
    assert told[-1] is None, "the desks above hear that the line is over, too"
    assert any(told)


async def test_a_limit_that_passes_is_told_to_the_next_desk_that_is_heard(watch: Watch) -> None:
    await watch.tells(LI)
    await watch.tells(QIN)
    await watch.look()
    await watch.passes(60, QIN)
    await watch.raises(Hazard.FIRE_LANE_OBSTRUCTION, "lane-east", severity=2)
    watch.stage.clock.forward(61)
    await watch.stage.fire_all()
    async with watch.stage.database.reading() as conn:
        query = select(incident_timeline.c.params).where(incident_timeline.c.kind == "escalated")
        told: list[dict[str, Any]] = list((await conn.execute(query)).scalars())
    assert [(one["level"], one["why"]["code"]) for one in told] == [("county", "desk_silent")]


async def test_a_policy_that_counts_no_presence_takes_back_what_was_counted(watch: Watch) -> None:
    await watch.tells(LI)
    await watch.tells(QIN)
    await watch.look()
    await watch.passes(60, QIN)
    stage = watch.stage
    assert await watch.listener.look(stage.database, stage.rulebook.tree, None, stage.clock()) == 1
    assert await watch.unstaffed() == set()


async def test_the_level_above_sees_which_desk_is_silent_and_a_neighbour_does_not(watch: Watch) -> None:
    await watch.tells(LI)
    await watch.tells(QIN)
    await watch.look()
    await watch.passes(60, QIN)
    stage = watch.stage
    async with stage.database.reading() as conn:
        (seen,) = await silent_desks(conn, stage.rulebook.tree, QIN, stage.clock())
        assert (seen["area"]["code"], seen["unstaffed"], seen["staffed"]) == (VILLAGE, 1, 0)
        elsewhere = Actor("x", "x", QIN.role, "3701/370103")
        assert await silent_desks(conn, stage.rulebook.tree, elsewhere, stage.clock()) == []
        own = await presence_view(conn, LI, LIMIT_S, stage.clock())
    assert own["counts"]
    assert own["unstaffed_since"] is not None

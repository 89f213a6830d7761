"""Roll-ups over real histories: right at every level, also for what comes late, after kills, and once more."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from tests.integration.central.flow.stage import (
    CITY,
    GRID,
    LI,
    MAYOR,
    NOON,
    OTHER_GRID,
    PEOPLE,
    PHOTO,
    POLICIES,
    VILLAGE,
    HandClock,
    Stage,
    alert,
    build,
    raised,
    received,
)
from tests.support.forked.children import forked
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.areas.tree import path_by_code
from xueliang_central.centre import Settings
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch import watching
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.raising import Raise, raise_severity
from xueliang_central.dispatch.supervising import Supervision, supervise
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import CentralError
from xueliang_central.incidents.reviewing import ANSWERS
from xueliang_central.incidents.suppressing import Asked, Kind
from xueliang_central.incidents.tables import incident_timeline, incidents
from xueliang_central.reports import figures, rolling
from xueliang_central.reports.facts import COUNTS, ENTRIES, Facts, facts_of
from xueliang_central.reports.figures import Question
from xueliang_central.reports.histograms import unpack
from xueliang_central.reports.periods import period_of
from xueliang_central.reports.tables import rollup_marks, rollup_state, rollups
from xueliang_central.running import centre_on
from xueliang_central.silences import service as silences
from xueliang_central.store.database import Database
from xueliang_central.worker import Worker
from xueliang_configs.policies import PolicyTable

DAY = date(2026, 11, 23)
Key = tuple[str, date, int, str, bool]
Figures = dict[Key, tuple[dict[str, int], int]]


async def roll_some(stage: Stage) -> int:
    """One step: events first, then what is marked."""
    async with stage.database.transaction() as conn:
        if marked := await rolling.mark(conn):
            return marked
    async with stage.database.transaction() as conn:
        return await rolling.compute(conn, stage.clock())


async def roll(stage: Stage) -> None:
    while await roll_some(stage):
        pass


async def rolled(stage: Stage) -> Figures:
    """What the roll-ups hold of incidents."""
    return {
        (row["area_code"], row["day"], row["shift"], row["hazard"], row["drill"]): (
            {name: row[name] for name in COUNTS if row[name]},
            unpack(row["durations"]),
        )
        for row in await stage.rows(rollups)
        if row["part"] == "incidents"
    }


async def truth(stage: Stage) -> Figures:
    """The same from all incidents, each added to every area whose code its own begins with."""
    entries: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in sorted(await stage.rows(incident_timeline), key=lambda entry: entry["entry_id"]):
        if entry["kind"] in ENTRIES:
            entries[entry["incident_id"]].append(entry)
    limits: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for clock in await stage.rows(clocks):
        limits[clock["incident_id"]].append(clock)
    found: defaultdict[Key, Facts] = defaultdict(Facts)
    for row in await stage.rows(incidents):
        facts = facts_of(row, entries[row["incident_id"]], limits[row["incident_id"]])
        for code in row["area_path"].split("/"):
            key = (code, *period_of(row["opened_at"]), row["hazard"], row["drill"])
            found[key].add(facts.counts, facts.durations)
    return {key: (facts.counts, facts.durations) for key, facts in found.items()}


async def a_history(stage: Stage, seed: int, steps: int) -> None:
    """Alerts, judgements, work, limits and ends, in an order of chance over two days, rolled up now and then."""
    dice = random.Random(seed)
    open_alerts: list[dict[str, Any]] = []
    sequence = 0
    for _ in range(steps):
        stage.clock.forward(dice.choices((1, 2, 5, 600, 7200), (6, 6, 6, 1, 1))[0])
        match dice.choice(("raise", "raise", "clear", "judge", "judge", "work", "work", "work", "fire", "roll")):
            case "raise":
                sequence += 1
                named = {
                    "camera_id": dice.choice(("lane-east", "lane-west", "far-gate", "other-gate")),
                    "hazard": dice.choice((Hazard.FIRE_LANE_OBSTRUCTION, Hazard.CROWD, Hazard.ILLEGAL_PARKING)),
                    "began_at": stage.clock.at - timedelta(seconds=70),
                    "drill": dice.random() < 0.1,
                }
                await stage.take(received(alert(Phase.RAISED, 1, **named), sequence, at=stage.clock.at))
                open_alerts.append(named)
            case "clear" if open_alerts:
                sequence += 1
                named = open_alerts.pop(dice.randrange(len(open_alerts)))
                seen_s = (stage.clock.at - named["began_at"]).total_seconds()
                await stage.take(received(alert(Phase.CLEARED, 2, seen_s=seen_s, **named), sequence, at=stage.clock.at))
            case "judge":
                await _try_to_judge(stage, dice)
            case "work":
                await _try_to_work(stage, dice)
            case "fire":
                await stage.fire_all()
            case "roll":
                await roll_some(stage)


async def _try_to_judge(stage: Stage, dice: random.Random) -> None:
    rows = await stage.rows(incidents)
    if not rows:
        return
    row = dice.choice(sorted(rows, key=lambda row: row["number"]))
    move = dice.choice(("confirm", "confirm", "false_alarm", "permitted", "duplicate", "close", "reopen"))
    try:
        await stage.judge(MAYOR, row["incident_id"], move, row["version"], note="why")
    except CentralError:
        pass  # not possible now


_WORK = {
    "offered": ("take", "take", "take", "refuse"),
    "taken": ("arrive", "arrive", "handled", "return"),
    "arrived": ("handled", "handled", "handled", "return"),
}


async def _try_to_work(stage: Stage, dice: random.Random) -> None:
    rows = [row for row in await stage.rows(tasks) if row["state"] in {"offered", "taken", "arrived"}]
    if not rows:
        return
    row = dice.choice(sorted(rows, key=lambda row: (row["offered_at"], row["task_id"])))
    move = dice.choice(_WORK[row["state"]])
    who = next((person for person in PEOPLE if person.user_id == row["worker_id"]), LI)
    more: dict[str, Any] = {"note": "done", "photos": [PHOTO]}
    if move == "handled" and dice.random() < 0.3:
        more["reason_code"] = "nothing_here"
    try:
        await stage.work(who, row["task_id"], move, row["version"], **more)
    except CentralError:
        pass


async def test_every_level_holds_the_sum_of_its_incidents(stage: Stage) -> None:
    """Against a count over all incidents, for a history that changes what was rolled up before."""
    await a_history(stage, seed=1, steps=400)
    await roll(stage)
    expected = await truth(stage)
    assert await rolled(stage) == expected
    total: defaultdict[str, int] = defaultdict(int)
    for counts, _ in expected.values():
        for name, count in counts.items():
            total[name] += count
    never = {"suppressed", "merged", "check_late", "unit_told", "unit_cleared", "unit_cannot", "unit_given_up"}
    never |= {f"ended_{answer}" for answer in ANSWERS}  # nobody reviews in it: test_reviews.py rolls up what is said
    never |= {"raised", "supervised", "reply_on_time", "reply_late"}  # the next test's
    never |= {"arrive_moved", "arrive_by_move"}  # test_later_limits.py
    assert {name for name in COUNTS if not total[name]} <= never, dict(total)  # the history says something of each
    assert await stage.count(rollup_marks) == 0
    async with stage.database.transaction() as conn:  # once more, from the facts: the same
        assert await rolling.mark_days(conn, DAY - timedelta(days=2), DAY + timedelta(days=9)) > 0
    await roll(stage)
    assert await rolled(stage) == expected


async def test_raised_severities_and_replies_to_supervisions_are_counted(stage: Stage) -> None:
    """By hazard and area: one replied to by its date, one after it, one not at all, one that ended before it."""
    hazards = (Hazard.CROWD, Hazard.ILLEGAL_PARKING, Hazard.FIRE_LANE_OBSTRUCTION, Hazard.BLOCKED_EXIT)
    for number, hazard in enumerate(hazards, start=1):
        began_at = stage.clock.at - timedelta(seconds=70 + number)
        body = alert(Phase.RAISED, 1, hazard=hazard, camera_id="lane-east", severity=3, began_at=began_at)
        await stage.take(received(body, number, at=stage.clock.at))
    cases = {row["hazard"]: row for row in await stage.rows(incidents)}
    due = stage.clock.at + timedelta(hours=2)

    async def reply(hazard: Hazard) -> None:
        async with changing(stage.database, stage.rulebook, stage.clock) as change:
            await watching.reply(change, LI, cases[hazard]["incident_id"], watching.Reply("on it"))

    for hazard in hazards:
        async with changing(stage.database, stage.rulebook, stage.clock) as change:
            asked = Supervision("supervise", cases[hazard]["version"], "by noon", due=due)
            await supervise(change, MAYOR, cases[hazard]["incident_id"], asked)
    row = next(row for row in await stage.rows(incidents) if row["hazard"] == Hazard.CROWD)
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await raise_severity(change, LI, row["incident_id"], Raise(row["version"], 2, note="a school is out"))
    stage.clock.forward(60)
    await reply(Hazard.CROWD)
    row = next(row for row in await stage.rows(incidents) if row["hazard"] == Hazard.BLOCKED_EXIT)
    await stage.judge(MAYOR, row["incident_id"], "false_alarm", row["version"])
    stage.clock.at = due + timedelta(seconds=1)
    await stage.fire_all()
    await reply(Hazard.ILLEGAL_PARKING)
    await roll(stage)
    assert await rolled(stage) == await truth(stage)
    names = ("raised", "supervised", "reply_on_time", "reply_late")
    for code in (GRID, VILLAGE, CITY):
        found = {
            row["hazard"]: tuple(row[name] for name in names)
            for row in await stage.rows(rollups)
            if row["area_code"] == code and row["part"] == "incidents"
        }
        assert found == {
            Hazard.CROWD: (1, 1, 1, 0),
            Hazard.ILLEGAL_PARKING: (0, 1, 0, 1),
            Hazard.FIRE_LANE_OBSTRUCTION: (0, 1, 0, 1),
            Hazard.BLOCKED_EXIT: (0, 1, 0, 0),
        }
    async with stage.database.reading() as conn:
        told = figures.shown((await figures.answer(conn, Question(CITY, DAY, DAY))).total)
    assert told["rates"]["reply_on_time"] == {"numerator": 1, "denominator": 3, "value": 1 / 3}


async def test_a_judgement_of_a_later_day_counts_where_the_incident_opened(stage: Stage) -> None:
    await stage.take(raised(hazard=Hazard.CROWD))
    await roll(stage)
    stage.clock.forward(3 * 86_400)
    row = await stage.one_incident()
    await stage.judge(MAYOR, row["incident_id"], "false_alarm", row["version"])
    await roll(stage)
    async with stage.database.reading() as conn:
        for code in (GRID, VILLAGE, CITY):
            found = await figures.answer(conn, Question(code, DAY, DAY, "shift"))
            assert found.total.counts["false_alarm"] == 1, code
            assert found.total.counts["unjudged"] == 0
            assert list(found.groups) == [1]  # noon is in the day shift
        nothing = await figures.answer(conn, Question(OTHER_GRID, DAY, DAY + timedelta(days=9)))
        assert not any(nothing.total.counts.values())


async def test_children_and_what_lies_in_none_of_them_add_up(stage: Stage) -> None:
    await stage.take(raised(hazard=Hazard.CROWD))
    await stage.take(raised(2, hazard=Hazard.CROWD, camera_id="other-gate"))
    stray = (await stage.rows(incidents))[0]
    stray |= {"incident_id": "stray", "number": "stray", "area_code": VILLAGE, "area_path": path_by_code(VILLAGE)}
    async with stage.database.transaction() as conn:
        await conn.execute(insert(incidents), stray)
        await rolling.mark_days(conn, DAY, DAY)
    await roll(stage)
    async with stage.database.reading() as conn:
        found = await figures.answer(conn, Question(VILLAGE, DAY, DAY, "area"))
    assert {code: sums.counts["incidents"] for code, sums in found.groups.items()} == {
        GRID: 1,
        OTHER_GRID: 1,
        VILLAGE: 1,
    }
    assert found.total.counts["incidents"] == 3


async def test_drills_are_apart(stage: Stage) -> None:
    await stage.take(raised(hazard=Hazard.CROWD, drill=True))
    await roll(stage)
    async with stage.database.reading() as conn:
        usual = await figures.answer(conn, Question(CITY, DAY, DAY))
        drills = await figures.answer(conn, Question(CITY, DAY, DAY, drill=True))
    assert (usual.total.counts["incidents"], drills.total.counts["incidents"]) == (0, 1)


async def test_what_is_hidden_is_counted_until_it_is_let_out(stage: Stage) -> None:
    asked = Asked(Kind.SILENCE, "works", ends_at=NOON + timedelta(hours=1), area_code=GRID)
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await silences.make(change, MAYOR, asked)
    stage.clock.forward(10)
    await stage.take(raised(hazard=Hazard.CROWD, severity=3))
    assert await stage.count(incidents) == 0
    await roll(stage)
    async with stage.database.reading() as conn:
        hidden = await figures.answer(conn, Question(CITY, DAY, DAY))
    assert hidden.total.counts["suppressed"] == 1
    stage.clock.forward(2 * 3600)
    worker = _worker(stage)
    await worker.end_silences()
    await worker.let_out()
    assert await stage.count(incidents) == 1
    await worker.roll_up()
    async with stage.database.reading() as conn:
        shown = await figures.answer(conn, Question(CITY, DAY, DAY))
    assert (shown.total.counts["suppressed"], shown.total.counts["incidents"]) == (0, 1)


def _worker(stage: Stage) -> Worker:
    table = PolicyTable.model_validate(POLICIES)
    made = Worker(centre_on(stage.database, Settings(Path("none")), table, wall=stage.clock, mono=system_mono))
    made._rulebook = stage.rulebook  # the areas of the stage are not read from the database
    return made


async def test_two_that_roll_up_at_once_do_not_meet(stage: Stage) -> None:
    await a_history(stage, seed=2, steps=60)
    await asyncio.gather(*(roll(stage) for _ in range(3)))
    await roll(stage)  # one that found another at work has given up
    assert await rolled(stage) == await truth(stage)


@pytest.mark.slow
async def test_killed_at_any_moment_nothing_is_lost_or_doubled(stage: Stage, database_url: str) -> None:
    await a_history(stage, seed=3, steps=60)
    dice = random.Random(3)
    last = period_of(stage.clock.at).day
    program = "tests.integration.central.flow.rollup_process"
    for _ in range(6):
        with forked(program, database_url, DAY.isoformat(), last.isoformat()) as process:
            await process.until_it_says("ready")
            await asyncio.sleep(dice.uniform(0.02, 0.5))
    await roll(stage)
    assert await rolled(stage) == await truth(stage)


async def test_a_first_roll_up_reads_the_whole_past(stage: Stage) -> None:
    """As after an upgrade: no row, no mark, and the position before the first event."""
    await a_history(stage, seed=4, steps=40)
    async with stage.database.transaction() as conn:
        await conn.execute(delete(rollups))
        await conn.execute(delete(rollup_marks))
        await conn.execute(update(rollup_state).values(position=0))
    worker = _worker(stage)
    assert await worker.roll_up() > 0
    assert await worker.roll_up() == 0
    assert await rolled(stage) == await truth(stage)
    async with stage.database.reading() as conn:
        assert (await figures.freshness(conn))["is_current"]
        assert (await conn.execute(select(rollup_state.c.rolled_at))).scalar_one() is not None


async def test_a_history_that_is_not_rolled_up_is_not_current(database: Database, clock: HandClock) -> None:
    stage = await build(database, clock)
    await stage.take(raised())
    async with database.reading() as conn:
        assert not (await figures.freshness(conn))["is_current"]

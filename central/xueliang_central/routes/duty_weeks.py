"""HTTP only: the week of an area, a table of rosters taken in, and a person's own shifts."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.centre import centre_of
from xueliang_central.errors import NotFound, RosterRefused
from xueliang_central.people import rosters
from xueliang_central.people.checking import Problem
from xueliang_central.people.importing import import_rosters
from xueliang_central.people.roster_table import parse_roster_table
from xueliang_central.people.views import own_duty_view, roster_view, week_view
from xueliang_central.people.week import stretches
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, may_see
from xueliang_configs.schedules import DEFAULT_TIME_ZONE, zone_of

router: Final = APIRouter(tags=["rosters"])

OWN_DAYS: Final = 14  # of the own shifts: this week and the next
_YEARS: Final = range(2000, 2100)


class RosterTableBody(BaseModel):
    """A table as `import-rosters` takes it. With `dry_run` it is only told what would change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, Field(description="CSV, one line a row.")]
    dry_run: bool


@router.get("/api/areas/{code}/week")
async def get_week(
    request: Request,
    code: Annotated[str, Path(max_length=15)],
    actor: Annotated[Actor, Depends(require(Permission.SEE_ROSTERS))],
    day: Annotated[date | None, Query(description="Its first day, in Asia/Shanghai; left out: this Monday.")] = None,
) -> dict[str, Any]:
    """Seven days of exactly this area, as stretches in which nobody comes or goes: who is on duty there, who is on
    leave, and what it lacks: "worker" or "desk", of those it has at all. Guests from an area above are among them."""
    centre = centre_of(request)
    area = centre.areas.tree.find(code)
    if area is None or not may_see(actor, area.path):
        raise NotFound
    starts_at, ends_at = _week(day, centre.wall())
    async with centre.database.reading() as conn:
        people = await rosters.people_of(conn, code)
        shifts = await rosters.shifts_that_count(conn, [person.user_id for person in people])
    found = await asyncio.to_thread(stretches, people, shifts, starts_at, ends_at)  # some 100 moments, each of all
    return week_view(area, people, found)


def _week(day: date | None, now: datetime) -> tuple[datetime, datetime]:
    zone = zone_of(DEFAULT_TIME_ZONE)
    today = now.astimezone(zone).date()
    first = today - timedelta(days=today.weekday()) if day is None else day
    if first.year not in _YEARS:
        expected = f"a day from {_YEARS.start} to {_YEARS.stop - 1}"
        raise RosterRefused([Problem("query.day", expected, first.isoformat())])
    starts_at = datetime(first.year, first.month, first.day, tzinfo=zone)
    return starts_at, starts_at + timedelta(days=7)


@router.post("/api/rosters/import")
async def post_table(
    request: Request, body: RosterTableBody, actor: Annotated[Actor, Depends(require(Permission.REPLACE_ROSTERS))]
) -> dict[str, Any]:
    """The roster of each person in the table is replaced; others keep theirs. People outside the own areas are nobody.
    422 `import_refused`: every bad row, and nothing is taken."""
    centre = centre_of(request)
    table = parse_roster_table(body.text)
    async with acting(centre.database, actor) as conn:
        changes = await import_rosters(
            conn,
            centre.areas.tree,
            table,
            at=centre.wall(),
            by=actor.name,
            dry_run=body.dry_run,
            below=actor.area_path,
        )
    return {"changes": changes, "dry_run": body.dry_run}


@router.get("/api/me/roster")
async def get_own_roster(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_OWN_ROSTER))]
) -> dict[str, Any]:
    """The own lines, and when one is on duty in the two weeks from today on, and where."""
    centre = centre_of(request)
    starts_at, _ = _week(centre.wall().astimezone(zone_of(DEFAULT_TIME_ZONE)).date(), centre.wall())
    async with centre.database.reading() as conn:
        account = await rosters.account_of(conn, actor.user_id)
        [roster] = await rosters.rosters_of(conn, [account])
    found = stretches([rosters.as_person(account)], roster.shifts, starts_at, starts_at + timedelta(days=OWN_DAYS))
    return {**roster_view(roster), "duty": own_duty_view(centre.areas.tree, found)}

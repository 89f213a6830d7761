"""HTTP only: duty rosters, a person's or all of an area, and who is on duty.

A roster is replaced by a supervisor or admin whose own area holds it: a grant shows a place, it rosters nobody there.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Area, AreaTree
from xueliang_central.centre import Centre, centre_of
from xueliang_central.errors import NotAllowed, NotFound, RosterRefused
from xueliang_central.people import replacing, rosters
from xueliang_central.people.checking import MOST_SHIFTS, Problem
from xueliang_central.people.duty import Shift, ShiftKind
from xueliang_central.people.views import area_roster_view, duty_view, roster_view
from xueliang_central.rights.acting import acting
from xueliang_central.rights.people import Person as Account
from xueliang_central.rights.policy import Permission, allows, require
from xueliang_central.rights.scope import Actor, may_see, within
from xueliang_central.routes.asking import AnId, UtcMoment
from xueliang_configs.schedules import Schedule

router: Final = APIRouter(tags=["rosters"])

MOST_PEOPLE: Final = 200  # of one request; the body must stay below the guard's limit
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

Code = Annotated[str, Path(max_length=15)]
Seen = Annotated[
    int,
    Field(ge=0, le=2**31 - 1, description="Of the roster as the asker saw it, 0: never written; 409 when it moved."),
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShiftBody(_Frozen):
    """One line of a roster."""

    kind: ShiftKind = Field(description="weekly: bands of local time. span: on duty, leave: off duty between moments.")
    area_code: Annotated[
        str | None, Field(max_length=15, description="Where; the person's own area or below it. Left out: the own.")
    ] = None
    weekly: Annotated[Schedule | None, Field(description="Only of a weekly one: bands as in a rule's schedule.")] = None
    valid_from: Annotated[date | None, Field(description="First local day on which a weekly band may begin.")] = None
    valid_to: Annotated[date | None, Field(description="Last such day; its night holds until the morning.")] = None
    starts_at: Annotated[UtcMoment | None, Field(description="Of a span or a leave.")] = None
    ends_at: Annotated[UtcMoment | None, Field(description="Not included.")] = None

    def of(self, user_id: str) -> Shift:
        plain = {name: getattr(self, name) for name in type(self).model_fields}
        return Shift(user_id=user_id, **plain)


Shifts = Annotated[tuple[ShiftBody, ...], Field(max_length=MOST_SHIFTS)]


class PersonRosterBody(_Frozen):
    """A person's whole roster. Without a weekly line or a span that person is always on duty, but for the leaves."""

    version: Seen
    shifts: Shifts


class PersonOfArea(_Frozen):
    user_id: AnId
    shifts: Shifts


class AreaRosterBody(_Frozen):
    """The rosters of everybody of an area. Who is left out has no shifts from now on: always on duty."""

    version: Seen
    people: Annotated[tuple[PersonOfArea, ...], Field(max_length=MOST_PEOPLE)]


@router.get("/api/people/{user_id}/roster")
async def get_person_roster(
    request: Request, user_id: str, actor: Annotated[Actor, Depends(require(Permission.SEE_ROSTERS))]
) -> dict[str, Any]:
    """A worker's, operator's or supervisor's roster, and its version."""
    return await _person_roster(centre_of(request), user_id, actor)


@router.put("/api/people/{user_id}/roster")
async def put_person_roster(
    request: Request,
    user_id: str,
    body: PersonRosterBody,
    actor: Annotated[Actor, Depends(require(Permission.REPLACE_ROSTERS))],
) -> dict[str, Any]:
    """Replace it. The same roster again changes nothing. 409: it has changed. 422 `roster_refused`: every problem."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        account = await _account(conn, user_id, actor)
        _may_replace(actor, account.area_path)
        asked = [shift.of(account.user_id) for shift in body.shifts]
        await replacing.replace_person(
            conn, centre.areas.tree, account, asked, version=body.version, by=actor.name, now=centre.wall()
        )
    return await _person_roster(centre, user_id, actor)


@router.get("/api/areas/{code}/roster")
async def get_area_roster(
    request: Request, code: Code, actor: Annotated[Actor, Depends(require(Permission.SEE_ROSTERS))]
) -> dict[str, Any]:
    """The rosters of the workers, operators and supervisors of exactly this area."""
    return await _area_roster(centre_of(request), code, actor)


@router.put("/api/areas/{code}/roster")
async def put_area_roster(
    request: Request,
    code: Code,
    body: AreaRosterBody,
    actor: Annotated[Actor, Depends(require(Permission.REPLACE_ROSTERS))],
) -> dict[str, Any]:
    """Replace them all. The same rosters again change nothing. 409: one has changed. 422: every problem."""
    centre = centre_of(request)
    area = _area(centre.areas.tree, code, actor)
    _may_replace(actor, area.path)
    times = Counter(person.user_id for person in body.people)
    twice = [
        Problem(f"people.{number}.user_id", "each person once", person.user_id)
        for number, person in enumerate(body.people)
        if times[person.user_id] > 1
    ]
    if twice:
        raise RosterRefused(twice)
    asked = {person.user_id: [shift.of(person.user_id) for shift in person.shifts] for person in body.people}
    async with acting(centre.database, actor) as conn:
        await replacing.replace_area(
            conn, centre.areas.tree, code, asked, version=body.version, by=actor.name, now=centre.wall()
        )
    return await _area_roster(centre, code, actor)


@router.get("/api/areas/{code}/on-duty")
async def get_on_duty(
    request: Request,
    code: Code,
    actor: Annotated[Actor, Depends(require(Permission.SEE_ROSTERS))],
    at: Annotated[UtcMoment | None, Query(description="Left out: now.")] = None,
) -> dict[str, Any]:
    """Who is on duty in exactly this area at a moment, who of it is not, and whether its desk is staffed."""
    centre = centre_of(request)
    area = _area(centre.areas.tree, code, actor)
    moment = centre.wall() if at is None else at
    if not _FIRST <= moment < _LAST:
        expected = f"a moment from {_FIRST.year} to {_LAST.year - 1}"
        raise RosterRefused([Problem("query.at", expected, moment.isoformat())])
    async with centre.database.reading() as conn:
        duty = await rosters.duty_of(conn, [code], moment)
    return duty_view(area, duty, moment)


def _area(tree: AreaTree, code: str, actor: Actor) -> Area:
    area = tree.find(code)
    if area is None or not may_see(actor, area.path):
        raise NotFound
    return area


async def _account(conn: AsyncConnection, user_id: str, actor: Actor) -> Account:
    account = await rosters.account_of(conn, user_id)
    if not may_see(actor, account.area_path):
        raise NotFound("person")
    return account


def _may_replace(actor: Actor, area_path: str) -> None:
    if not within(area_path, actor.area_path):
        raise NotAllowed("a grant shows this place to you; only who it belongs to may change its roster")


def _could_replace(actor: Actor, area_path: str) -> bool:
    return allows(actor.role, Permission.REPLACE_ROSTERS) and within(area_path, actor.area_path)


async def _person_roster(centre: Centre, user_id: str, actor: Actor) -> dict[str, Any]:
    async with centre.database.reading() as conn:
        account = await _account(conn, user_id, actor)
        [roster] = await rosters.rosters_of(conn, [account])
    return {**roster_view(roster), "may_replace": _could_replace(actor, account.area_path)}


async def _area_roster(centre: Centre, code: str, actor: Actor) -> dict[str, Any]:
    area = _area(centre.areas.tree, code, actor)
    async with centre.database.reading() as conn:
        found = await rosters.rosters_of(conn, await rosters.accounts_of(conn, code))
        written = (await rosters.written_of(conn, [code]))[code]
    return {**area_roster_view(area, written, found), "may_replace": _could_replace(actor, area.path)}

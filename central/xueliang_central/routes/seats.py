"""HTTP only: one's own seat, that somebody is there, which cases are open there, and one judgement of several incidents
in a row of it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from xueliang_central.centre import centre_of
from xueliang_central.dispatch.claiming import RENEW_EVERY_S, Said, claims_seen, say_open
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.seat_judging import RowMove, judge_row, seat_view
from xueliang_central.dispatch.staffing import presence_view, say_present, silent_desks
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import MOST_TOGETHER, AnId, SeveralBody, rulebook_of

router: Final = APIRouter(prefix="/api/seat", tags=["incidents"])


class RowMoveBody(SeveralBody):
    """confirm | false_alarm | permitted, of some or all incidents of the row."""


class PresenceBody(BaseModel):
    """Somebody is at this seat: the page is in view, its sound was heard and is on, its event stream is alive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begins: Annotated[
        bool, Field(description="By a press of that person: a seat that counts as unstaffed is staffed at once.")
    ] = False


class ClaimsBody(BaseModel):
    """Which cases a page has open, again every `renew_every_s`; and which it has left."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opened: Annotated[tuple[AnId, ...], Field(max_length=MOST_TOGETHER)] = ()
    left: Annotated[tuple[AnId, ...], Field(max_length=MOST_TOGETHER)] = ()
    takes_over: Annotated[
        bool, Field(description="By a press of that person: also those that somebody else has open.")
    ] = False

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> ClaimsBody:
        if len({*self.opened, *self.left}) < len(self.opened) + len(self.left):
            raise ValueError("a case is named twice: it is either open or left")
        return self


@router.get("")
async def get_seat(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_INCIDENTS))]
) -> dict[str, Any]:
    """What was dealt to the asker: rows, and what waits a moment, counted and listed. `is_dealt` false: this centre
    deals nothing, and everybody sees one list (`seating` in the policies). `presence`: null where it does not count.
    `silent_desks`: those in the asker's areas that have seats which count as unstaffed."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        view = await seat_view(conn, centre.areas.tree, actor)
        after_s = rulebook_of(request).unstaffed_after_s
        own, silent = None, []
        if after_s is not None:
            own = await presence_view(conn, actor, after_s, centre.wall())
            silent = await silent_desks(conn, centre.areas.tree, actor, centre.wall())
    return {"is_dealt": rulebook_of(request).seating is not None, "presence": own, "silent_desks": silent, **view}


@router.post("/presence")
async def post_presence(
    request: Request, body: PresenceBody, actor: Annotated[Actor, Depends(require(Permission.TELL_PRESENCE))]
) -> dict[str, Any]:
    """Tell that somebody is at the own seat, every `tell_every_s`; answers with `presence` as `GET /api/seat` does.
    Only the last moment is kept, and nothing of who is off duty or where presence does not count."""
    after_s = rulebook_of(request).unstaffed_after_s
    if after_s is None:
        return {"presence": None}
    centre = centre_of(request)
    now = centre.wall()
    await say_present(centre.database, centre.areas.tree, actor, begins=body.begins, now=now)
    async with centre.database.reading() as conn:
        return {"presence": await presence_view(conn, actor, after_s, now)}


@router.get("/claims")
async def list_claims(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_INCIDENTS))]
) -> dict[str, Any]:
    """Who has which case open, of those in the asker's areas that wait for a desk. Ask again after `lapses_in_s`:
    renewals are not told by events."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        return {"items": await claims_seen(conn, actor, centre.wall())}


@router.post("/claims")
async def post_claims(
    request: Request, body: ClaimsBody, actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))]
) -> dict[str, Any]:
    """Say which cases are open on this page; answers with their claims: the own ones, and those of others, which stay
    theirs unless `takes_over`. A claim lapses 60 s after it was said last and forbids nobody anything. What does not
    wait for a desk is not claimed."""
    centre = centre_of(request)
    said = Said(body.opened, body.left, body.takes_over)
    async with acting(centre.database, actor) as conn:
        claims = await say_open(conn, actor, said, centre.wall())
    return {"items": claims, "renew_every_s": RENEW_EVERY_S}


@router.post("/rows/{row_id}/moves")
async def post_row_move(
    request: Request,
    row_id: str,
    body: RowMoveBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Judge these incidents of an own row alike, all or none; answers with the seat after it. 409: one has changed
    since its `version`. 422: one cannot make the move now, or is too severe to be judged with others."""
    centre = centre_of(request)
    cases = tuple((case.incident_id, case.version) for case in body.cases)
    asked = RowMove(body.move, cases, body.reason_code, body.note, body.idempotency_key)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await judge_row(change, actor, row_id, asked)
    return await get_seat(request, actor)

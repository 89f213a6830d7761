"""HTTP only: silences, maintenance windows and known events, what they hide, and calendar proposals."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, Table, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import ID_PATTERN, Hazard
from xueliang_central.centre import centre_of
from xueliang_central.dispatch.publishing import changing
from xueliang_central.errors import NotFound
from xueliang_central.incidents.suppressing import MAY_BE_SILENCED, Asked, Kind
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, may_see, scoped
from xueliang_central.routes.asking import (
    LARGEST_PAGE,
    Key,
    UtcMoment,
    Version,
    Words,
    cursor_of,
    read_cursor,
    rulebook_of,
)
from xueliang_central.silences import proposals, service
from xueliang_central.silences.tables import calendar_proposals, silence_alerts, silenced_alerts, silences
from xueliang_central.silences.views import alert_view, proposal_view, silence_views
from xueliang_configs.schedules import Schedule

router: Final = APIRouter(tags=["silences"])

Row = dict[str, Any]
Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]
_LONGEST_AHEAD_S: Final = 366 * 86_400


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SilenceBody(_Frozen):
    """What is to be held back, where, until when and why. Fire and smoke, severity 1 and drills never are."""

    kind: Literal[Kind.SILENCE, Kind.MAINTENANCE, Kind.EVENT] = Field(
        description="silence: operators. maintenance (camera faults) and event: rule operators."
    )
    reason: Annotated[Words, Field(min_length=1, description="Everybody who misses an alert reads it.")]
    ends_at: Annotated[UtcMoment, Field(description="Mandatory; how long at most: `silencing` in the policies.")]
    starts_at: Annotated[UtcMoment | None, Field(description="Left out: now.")] = None
    area_code: Annotated[str | None, Field(max_length=15, description="This or camera_id or node_id.")] = None
    camera_id: Annotated[str | None, Field(pattern=ID_PATTERN)] = None
    node_id: Annotated[str | None, Field(pattern=ID_PATTERN, description="Only maintenance.")] = None
    hazard: Annotated[Hazard | None, Field(description="Left out: all that may be silenced. An event needs one.")] = (
        None
    )
    rule_id: Annotated[str | None, Field(pattern=ID_PATTERN)] = None
    severities: Annotated[tuple[int, ...], Field(max_length=4, description="Some of 2, 3, 4.")] = MAY_BE_SILENCED
    weekly: Annotated[Schedule | None, Field(description="Only an event: local time bands, as in a rule.")] = None
    idempotency_key: Key | None = None

    def asked(self) -> Asked:
        plain = {name: getattr(self, name) for name in type(self).model_fields if name != "idempotency_key"}
        return Asked(**{**plain, "hazard": self.hazard.value if self.hazard else None})


class SilenceMoveBody(_Frozen):
    """end."""

    move: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]
    version: Version
    note: Words | None = None
    idempotency_key: Key | None = None


class ProposalMoveBody(SilenceMoveBody):
    """accept | refuse."""


@router.get("/api/silences")
async def list_silences(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_SILENCES))],
    state: Annotated[Literal["open", "closed", "all"], Query()] = "open",
    kind: Annotated[Kind | None, Query()] = None,
    ending_within_s: Annotated[
        float | None, Query(ge=0, le=_LONGEST_AHEAD_S, description="Only what ends within so long.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Newest first, within the actor's areas; `next_cursor` null on the last page. Open: planned or active."""
    centre = centre_of(request)
    now = centre.wall()
    query = scoped(select(silences), silences.c.area_path, actor)
    is_open = silences.c.closed_at.is_(None)
    if state != "all":
        query = query.where(is_open if state == "open" else ~is_open)
    if kind is not None:
        query = query.where(silences.c.kind == kind.value)
    if ending_within_s is not None:
        query = query.where(is_open, silences.c.ends_at <= now + timedelta(seconds=ending_within_s))
    async with centre.database.reading() as conn:
        rows, next_cursor = await _page(conn, query, silences, "silence_id", limit, cursor)
        items = await silence_views(conn, centre.areas.tree, rows, now)
    shown = [{**item, "moves": _moves(actor, row)} for row, item in zip(rows, items, strict=True)]
    return {"items": shown, "next_cursor": next_cursor}


@router.post("/api/silences", status_code=201)
async def post_silence(
    request: Request, body: SilenceBody, actor: Annotated[Actor, Depends(require(Permission.MAKE_SILENCES))]
) -> dict[str, Any]:
    """Make one; the same request with the same key answers with the first. 422 `silence_refused`: every problem."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        silence_id = await service.make(change, actor, body.asked(), key=body.idempotency_key)
    return await _silence(request, silence_id, actor)


@router.get("/api/silences/{silence_id}")
async def get_silence(
    request: Request, silence_id: str, actor: Annotated[Actor, Depends(require(Permission.SEE_SILENCES))]
) -> dict[str, Any]:
    """One, with the counts of what it hides and has hidden, and what this actor may do."""
    return await _silence(request, silence_id, actor)


@router.get("/api/silences/{silence_id}/alerts")
async def list_silenced(
    request: Request,
    silence_id: str,
    actor: Annotated[Actor, Depends(require(Permission.SEE_SILENCES))],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Its book, newest first: every alert it has hidden, why, and what became of it. Without pictures."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        row = await _seen(conn, silence_id, actor)
        book = silence_alerts.c
        query = (
            select(silenced_alerts, book.hidden_at, book.why)
            .join(silence_alerts, book.alert_id == silenced_alerts.c.alert_id)
            .where(book.silence_id == row["silence_id"])
            .order_by(book.hidden_at.desc(), book.alert_id.desc())
        )
        if cursor is not None:
            query = query.where(tuple_(book.hidden_at, book.alert_id) < read_cursor(cursor))
        found = [dict(one) for one in (await conn.execute(query.limit(limit + 1))).mappings()]
    last = found[limit - 1] if len(found) > limit else None
    return {
        "items": [alert_view(one, row["silence_id"]) for one in found[:limit]],
        "next_cursor": cursor_of(last["hidden_at"], last["alert_id"]) if last else None,
    }


@router.post("/api/silences/{silence_id}/moves")
async def post_silence_move(
    request: Request,
    silence_id: str,
    body: SilenceMoveBody,
    actor: Annotated[Actor, Depends(require(Permission.MAKE_SILENCES))],
) -> dict[str, Any]:
    """End it early: its owner, or a superior. What is still there asks within a second. 409: changed meanwhile."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await service.move(change, actor, silence_id, service.SilenceMove(**body.model_dump()))
    return await _silence(request, silence_id, actor)


@router.get("/api/calendar-proposals")
async def list_proposals(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_SILENCES))],
    state: Annotated[Literal["open", "all"], Query()] = "open",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Events proposed because the same was permitted again and again; newest first, with the closings behind each."""
    centre = centre_of(request)
    query = scoped(select(calendar_proposals), calendar_proposals.c.area_path, actor)
    if state == "open":
        query = query.where(calendar_proposals.c.state == proposals.OPEN_STATE)
    async with centre.database.reading() as conn:
        rows, next_cursor = await _page(conn, query, calendar_proposals, "proposal_id", limit, cursor)
    items = [proposal_view(centre.areas.tree, row) | {"moves": list(proposals.moves_of(actor, row))} for row in rows]
    return {"items": items, "next_cursor": next_cursor}


@router.get("/api/calendar-proposals/{proposal_id}")
async def get_proposal(
    request: Request, proposal_id: str, actor: Annotated[Actor, Depends(require(Permission.SEE_SILENCES))]
) -> dict[str, Any]:
    return await _proposal(request, proposal_id, actor)


@router.post("/api/calendar-proposals/{proposal_id}/moves")
async def post_proposal_move(
    request: Request,
    proposal_id: str,
    body: ProposalMoveBody,
    actor: Annotated[Actor, Depends(require(Permission.ANSWER_PROPOSALS))],
) -> dict[str, Any]:
    """Accept: an event is made of it, in the answerer's name. Refuse: these closings propose nothing again."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await proposals.move(change, actor, proposal_id, proposals.ProposalMove(**body.model_dump()))
    return await _proposal(request, proposal_id, actor)


def _moves(actor: Actor, row: Row) -> list[str]:
    return ["end"] if service.may_end(actor, row) else []


async def _page(
    conn: AsyncConnection, query: Select[Any], table: Table, key: str, limit: int, cursor: str | None
) -> tuple[list[Row], str | None]:
    """One page, newest first, and where the next begins."""
    if cursor is not None:
        query = query.where(tuple_(table.c.made_at, table.c[key]) < read_cursor(cursor))
    newest_first = query.order_by(table.c.made_at.desc(), table.c[key].desc()).limit(limit + 1)
    found = [dict(row) for row in (await conn.execute(newest_first)).mappings()]
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], cursor_of(last["made_at"], last[key]) if last else None


async def _seen(conn: AsyncConnection, silence_id: str, actor: Actor) -> Row:
    row = await service.load(conn, silence_id)
    if not may_see(actor, row["area_path"]):
        raise NotFound("silence")
    return row


async def _silence(request: Request, silence_id: str, actor: Actor) -> dict[str, Any]:
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        row = await _seen(conn, silence_id, actor)
        view = (await silence_views(conn, centre.areas.tree, [row], centre.wall()))[0]
    return {**view, "moves": _moves(actor, row)}


async def _proposal(request: Request, proposal_id: str, actor: Actor) -> dict[str, Any]:
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        row = await proposals.load(conn, proposal_id)
    if not may_see(actor, row["area_path"]):
        raise NotFound("proposal")
    return proposal_view(centre.areas.tree, row) | {"moves": list(proposals.moves_of(actor, row))}

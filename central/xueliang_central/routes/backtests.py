"""HTTP only: a draft of a rule, tried by the node that watches the camera on what it showed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.camera_rules.record import Recorded, recorded_alerts, seat_of
from xueliang_central.camera_rules.trying import Scored, scored
from xueliang_central.cameras.tables import cameras
from xueliang_central.centre import Centre, centre_of
from xueliang_central.errors import BacktestRefused, GivenUp, NotFound
from xueliang_central.fleet.backtests import Answer
from xueliang_central.fleet.tables import nodes
from xueliang_central.fleet.watched import Watched
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, in_scope
from xueliang_central.routes.asking import UtcMoment
from xueliang_configs.errors import ConfigError
from xueliang_configs.loading import rule_from

router: Final = APIRouter(prefix="/api/cameras", tags=["cameras"])


class BacktestAsked(BaseModel):
    """One rule as it would stand under the camera; moments with an offset, both may be left out."""

    model_config = ConfigDict(extra="forbid")

    rule: dict[str, Any] = Field(description="As in the node's settings: rule_id, hazard, zone and what differs.")
    from_at: UtcMoment | None = None
    to_at: UtcMoment | None = None


class BacktestAnswer(BaseModel):
    """Rows as `xueliang-edge backtest --json` writes them, and what the centre knows of the same rule and time."""

    node_id: str
    rows: list[dict[str, Any]] = Field(description="`kind` says what each is.")
    left_out: int
    record: list[dict[str, Any]] = Field(
        description="Alerts of this rule that the centre has, as they were judged, with a still where one is here."
    )
    scored: dict[str, Any] | None = Field(description="How the draft does where people have judged; null: nobody has.")
    seat: dict[str, Any] | None = Field(
        description="Who would receive the alerts, and what one seat can judge in a day; null: it has no area."
    )


class BacktestProgress(BaseModel):
    """`pages` null: none has come, so nobody knows how many there are."""

    asked_at: datetime
    pages_came: int
    pages: int | None


class BacktestUnderWay(BaseModel):
    """null: no draft of this camera is being tried."""

    under_way: BacktestProgress | None


log = logging.getLogger(__name__)
Told = TypeVar("Told")
Tries = Annotated[Actor, Depends(require(Permission.TRY_RULES))]
CameraId = Annotated[str, Path(max_length=63)]


@router.post("/{camera_id}/backtest")
async def backtest(request: Request, camera_id: CameraId, asked: BacktestAsked, actor: Tries) -> BacktestAnswer:
    """What a draft would have raised. Takes up to some minutes; nothing is changed. Who closes the connection gives
    the question up."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        found = await watched_camera(conn, actor, camera_id)
    try:
        rule_from(asked.rule)
    except ConfigError as error:
        raise BacktestRefused(str(error)) from error
    node_id = found.node_that_hears()
    await note_trial(centre, actor, camera_id, str(asked.rule.get("rule_id")), node_id)
    question = centre.backtests.ask(node_id, camera_id, asked.rule, asked.from_at, asked.to_at)
    answer = await while_connected(request, question)
    async with centre.database.reading() as conn:
        record = await _record_of(conn, actor, camera_id, str(asked.rule.get("rule_id")), answer)
        tree, code = centre.areas.tree, found.area_code
        seat = (
            None if code is None or tree.find(code) is None else await seat_of(conn, tree, actor, code, centre.wall())
        )
    judged = _scored(node_id, answer, record)
    return BacktestAnswer(
        node_id=node_id,
        rows=list(answer.rows),
        left_out=answer.left_out,
        record=[asdict(one) for one in record],
        scored=None if judged is None else judged.as_json,
        seat=seat,
    )


@router.get("/{camera_id}/backtest")
async def backtest_progress(request: Request, camera_id: CameraId, actor: Tries) -> BacktestUnderWay:
    """How far the draft of this camera is that is being tried now."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        found = await watched_camera(conn, actor, camera_id)
    progress = None if found.node_id is None else centre.backtests.progress(found.node_id, camera_id)
    return BacktestUnderWay(under_way=None if progress is None else BacktestProgress(**asdict(progress)))


async def note_trial(
    centre: Centre, actor: Actor, camera_id: str, rule_id: str, node_id: str, action: str = "rule.tried"
) -> None:
    """In the audit log, before the node is asked."""
    async with acting(centre.database, actor) as conn:
        what = {"action": action, "object_kind": "camera", "object_id": camera_id}
        detail = {"rule_id": rule_id[:80], "node_id": node_id}
        await chain.record(conn, actor=actor.name, **what, detail=detail, at=centre.wall())


async def watched_camera(conn: AsyncConnection, actor: Actor, camera_id: str) -> Watched:
    """Raises NotFound."""
    query = (
        select(cameras.c.node_id, cameras.c.area_code, nodes.c.state)
        .outerjoin(nodes, nodes.c.node_id == cameras.c.node_id)
        .where(cameras.c.camera_id == camera_id, in_scope(cameras.c.area_path, actor))
    )
    found = (await conn.execute(query)).one_or_none()
    if found is None:
        raise NotFound
    return Watched(*found)


async def while_connected(request: Request, question: Coroutine[Any, Any, Told]) -> Told:
    """The answer. Who asked has gone: the question is given up, so that the node may be asked anew.

    Raises GivenUp, which nobody reads, and what the question raises.
    """
    asking, leaving = asyncio.ensure_future(question), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            return asking.result()
        raise GivenUp
    finally:
        for one in (asking, leaving):
            one.cancel()
        await asyncio.gather(asking, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    """Returns once the connection is closed."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _record_of(
    conn: AsyncConnection, actor: Actor, camera_id: str, rule_id: str, answer: Answer
) -> list[Recorded]:
    """Of the time that the node's log has; nothing is logged: none."""
    summary = next((row for row in answer.rows if row.get("kind") == "summary"), {})
    try:
        from_at, to_at = (datetime.fromisoformat(str(summary.get(name))) for name in ("from_at", "to_at"))
    except ValueError:
        return []
    if from_at.tzinfo is None or to_at.tzinfo is None:
        return []
    return await recorded_alerts(conn, actor, camera_id, rule_id, from_at, to_at)


def _scored(node_id: str, answer: Answer, record: list[Recorded]) -> Scored | None:
    """None too where the node's rows cannot be read: what they say is shown all the same."""
    try:
        return scored(answer.rows, record)
    except (KeyError, TypeError, ValueError) as error:
        log.warning("a node's rows cannot be scored", extra={"node_id": node_id, "why": repr(error)[:300]})
        return None

"""HTTP only: a draft of a rule, tried by the node that watches the camera on what it showed."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from xueliang_central.audit import chain
from xueliang_central.cameras.tables import cameras
from xueliang_central.centre import centre_of
from xueliang_central.errors import BacktestRefused, NodeAway, NotFound
from xueliang_central.fleet.overview import AWAY
from xueliang_central.fleet.tables import nodes
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
    """Rows as `xueliang-edge backtest --json` writes them: `kind` says what each is."""

    node_id: str
    rows: list[dict[str, Any]]
    left_out: int


@router.post("/{camera_id}/backtest")
async def backtest(
    request: Request,
    camera_id: Annotated[str, Path(max_length=63)],
    asked: BacktestAsked,
    actor: Annotated[Actor, Depends(require(Permission.TRY_RULES))],
) -> BacktestAnswer:
    """What a draft would have raised. Takes up to some minutes; nothing is changed."""
    centre = centre_of(request)
    query = (
        select(cameras.c.node_id, nodes.c.state)
        .outerjoin(nodes, nodes.c.node_id == cameras.c.node_id)
        .where(cameras.c.camera_id == camera_id, in_scope(cameras.c.area_path, actor))
    )
    async with centre.database.reading() as conn:
        found = (await conn.execute(query)).one_or_none()
    if found is None:
        raise NotFound
    try:
        rule_from(asked.rule)
    except ConfigError as error:
        raise BacktestRefused(str(error)) from error
    if found.node_id is None:
        raise NodeAway("no node watches this camera")
    if found.state is None or found.state in AWAY:
        raise NodeAway(f"node {found.node_id} is {found.state or 'not heard of yet'}")
    async with centre.database.transaction() as conn:
        detail = {"rule_id": str(asked.rule.get("rule_id"))[:80], "node_id": found.node_id}
        what = {"action": "rule.tried", "object_kind": "camera", "object_id": camera_id}
        await chain.record(conn, actor=actor.name, **what, detail=detail, at=centre.wall())
    answer = await centre.backtests.ask(found.node_id, camera_id, asked.rule, asked.from_at, asked.to_at)
    return BacktestAnswer(node_id=found.node_id, rows=list(answer.rows), left_out=answer.left_out)

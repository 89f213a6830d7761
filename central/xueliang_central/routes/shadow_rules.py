"""HTTP only: rules in the shadow of all cameras in scope, what they would have raised, and their promotion."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Level
from xueliang_central.camera_rules import service
from xueliang_central.camera_rules.promoting import Promotion, promote
from xueliang_central.camera_rules.record import seat_of
from xueliang_central.camera_rules.shadow_list import keep_count, rules_in_shadow
from xueliang_central.camera_rules.shadowing import count_of, shadow_rules
from xueliang_central.camera_rules.views import desired_of, report_of
from xueliang_central.cameras.tables import cameras
from xueliang_central.centre import Centre, centre_of
from xueliang_central.errors import BacktestRefused, CentralError, MoveRefused, NotSignedIn
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, in_scope
from xueliang_central.routes.asking import Key, Text, WhyRules
from xueliang_central.routes.backtests import note_trial, watched_camera, while_connected

router: Final = APIRouter(prefix="/api", tags=["rules"])

COUNTED_H: Final = 24.0  # a day: what is expected is told for a day
MOST_AT_ONCE: Final = 200
Sees = Annotated[Actor, Depends(require(Permission.SEE_RULES))]
Tries = Annotated[Actor, Depends(require(Permission.TRY_RULES))]
Changes = Annotated[Actor, Depends(require(Permission.CHANGE_RULES))]
CameraId = Annotated[Text, Field(min_length=1, max_length=63)]
RuleId = Annotated[Text, Field(min_length=1, max_length=80)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShadowRule(_Frozen):
    """One rule of a camera."""

    rule_id: RuleId


class PromotionOfCamera(_Frozen):
    """Rules of one camera."""

    camera_id: CameraId
    rule_ids: Annotated[tuple[RuleId, ...], Field(min_length=1, max_length=100)]


class PromotionAsked(_Frozen):
    """Take these rules out of the shadow; each camera is judged by itself."""

    items: Annotated[tuple[PromotionOfCamera, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]
    why: Annotated[WhyRules, Field(min_length=1)]
    early: bool = Field(default=False, description="Those too that were tried for less than the centre asks for.")
    idempotency_key: Key | None = None


@router.get("/camera-rules/shadow")
async def list_shadow(request: Request, actor: Sees) -> dict[str, Any]:
    """Every rule in the shadow in scope, by camera: since when, and the newest count (null: none of the rule as it is).
    `seats`: by township, who would receive the alerts and what one seat can judge; `hours`: how long rules are tried.
    """
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        found = await rules_in_shadow(conn, in_scope(cameras.c.area_path, actor))
        seats = await _seats(conn, centre, actor, found)
    chosen = centre.settings.new_rules
    return {"items": found, "seats": seats, "hours": chosen.shadow_hours, "new_in_shadow": chosen.shadow}


async def _seats(conn: AsyncConnection, centre: Centre, actor: Actor, found: list[dict[str, Any]]) -> dict[str, Any]:
    """By code; each row gets `seat`, the code of its own; null: the camera has no area."""
    tree, seats = centre.areas.tree, dict[str, Any]()
    for row in found:
        area = tree.find(row["area_code"])
        seat = area and (tree.ancestor_at(area.code, Level.TOWNSHIP) or area)
        row["seat"] = seat.code if seat else None
        if seat and seat.code not in seats:
            seats[seat.code] = await seat_of(conn, tree, actor, seat.code, centre.wall())
    return seats


@router.post("/cameras/{camera_id}/rules/shadow-count")
async def post_shadow_count(
    request: Request, camera_id: Annotated[str, Path(max_length=63)], body: ShadowRule, actor: Tries
) -> dict[str, Any]:
    """Asks its node what a rule in the shadow would have raised in the last 24 hours, and keeps the figures. Takes up
    to some minutes; who closes the connection gives the question up."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        found = await watched_camera(conn, actor, camera_id)
        rule = await _in_shadow(conn, camera_id, found.node_id, body.rule_id)
    node_id = found.node_that_hears()
    await note_trial(centre, actor, camera_id, body.rule_id, node_id)
    to_at = centre.wall()
    from_at = to_at - timedelta(hours=COUNTED_H)
    answer = await while_connected(request, centre.backtests.ask(node_id, camera_id, rule, from_at, to_at))
    count = count_of(answer.rows)
    if count is None:
        raise BacktestRefused(f"node {node_id} answered without figures: is it of this release?")
    async with acting(centre.database, actor) as conn:
        await service.camera_of(conn, actor, camera_id, lock=True)
        await keep_count(conn, camera_id, rule, count, actor.name, COUNTED_H, centre.wall())
    return {"answered_s": count.answered_s, "alerts": count.alerts, "alerts_per_day": count.alerts_per_day}


async def _in_shadow(conn: AsyncConnection, camera_id: str, node_id: str | None, rule_id: str) -> dict[str, Any]:
    """Raises MoveRefused."""
    desired, report = await desired_of(conn, camera_id), await report_of(conn, camera_id, node_id)
    settings = (desired or report or {}).get("settings") or {}
    rule = next((one for one in shadow_rules(settings) if one["rule_id"] == rule_id), None)
    if rule is None:
        raise MoveRefused(f"not in the shadow: {rule_id}", reason="not_in_shadow")
    return rule


@router.post("/camera-rules/promotions")
async def post_promotions(request: Request, body: PromotionAsked, actor: Changes) -> dict[str, Any]:
    """A new version of each camera, in the order asked: `version` and `state` (`proposed`: it waits for a second
    person), or `refused` in words with its code. What one camera is refused for holds up no other."""
    centre = centre_of(request)
    results: list[dict[str, Any]] = []
    for one in body.items:
        hours = centre.settings.new_rules.shadow_hours
        asked = Promotion(one.rule_ids, body.why, hours, body.early, body.idempotency_key)
        try:
            async with acting(centre.database, actor) as conn:
                version = await promote(conn, actor, one.camera_id, asked, centre.wall(), gate=centre.gate)
                row = await service.version_of(conn, one.camera_id, version)
        except CentralError as error:
            if error.status >= 500 or isinstance(error, NotSignedIn):
                raise
            code = str(error.extra.get("reason", error.code))
            results.append({"camera_id": one.camera_id, "refused": {"code": code, "text": str(error)}})
        else:
            results.append({"camera_id": one.camera_id, "version": version, "state": row["state"]})
    return {"results": results}

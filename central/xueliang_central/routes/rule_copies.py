"""HTTP only: rules of one camera copied to many others: what it would change, propose, decide, and the trial of it."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from xueliang_central.camera_rules import copies, copying
from xueliang_central.camera_rules.copy_views import copy_view, target_view
from xueliang_central.camera_rules.tables import rule_copies
from xueliang_central.centre import centre_of
from xueliang_central.errors import MoveRefused
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, in_scope
from xueliang_central.routes.asking import BasedOn, Key, Text, WhyRules
from xueliang_central.routes.rule_defaults import CanaryAsked

router: Final = APIRouter(prefix="/api/rule-copies", tags=["rules"])

MOST_AT_ONCE: Final = 200
LISTED: Final = 30  # the newest: what a person still has to do with is among them
ASKS_FROM: Final = 2  # cameras that change: with one alone there is none left that would follow it
CopyId = Annotated[str, Path(max_length=36)]
CameraId = Annotated[Text, Field(min_length=1, max_length=63)]
RuleIds = Annotated[
    tuple[Annotated[Text, Field(min_length=1, max_length=80)], ...],
    Field(max_length=100, description="Of the rules that are copied; none: all."),
]
Sees = Annotated[Actor, Depends(require(Permission.SEE_RULES))]
Changes = Annotated[Actor, Depends(require(Permission.CHANGE_RULES))]
Decides = Annotated[Actor, Depends(require(Permission.DECIDE_RULES))]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CopyDraft(_Frozen):
    """Which rules of which camera, to which others."""

    source: CameraId
    rule_ids: RuleIds = ()
    cameras: Annotated[tuple[CameraId, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class CopyTarget(_Frozen):
    """One camera, as the person saw it."""

    camera_id: CameraId
    based_on: BasedOn


class RuleCopy(_Frozen):
    """A copy; a camera that somebody changed since `based_on` is left as it is."""

    source: CameraId
    rule_ids: RuleIds = ()
    cameras: Annotated[tuple[CopyTarget, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]
    why: Annotated[WhyRules, Field(min_length=1)]
    rules_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None,
        description="As the check said it: 409 when the rules say something else by now; null: as they are.",
    )
    canary: CanaryAsked | None = Field(default=None, description="Tried first on these; null: given to all at once.")
    idempotency_key: Key | None = None


class CopyMove(_Frozen):
    """approve | refuse | withdraw."""

    move: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]
    note: Text = ""


class CopyTrialMove(_Frozen):
    """promote | roll_back."""

    move: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]


@router.get("")
async def list_copies(request: Request, actor: Sees) -> dict[str, Any]:
    """The newest copies in scope: how each stands (state as of a canary), its band and the figures of the last look
    (null: none yet), what left the band, how many cameras have it and which were left as they are, and what this actor
    may do. After its promotion it is undone by `roll_back` for seven days."""
    centre, its = centre_of(request), rule_copies.c
    query = select(rule_copies).where(in_scope(its.area_path, actor)).order_by(its.made_at.desc()).limit(LISTED)
    async with centre.database.reading() as conn:
        rows = [dict(row) for row in (await conn.execute(query)).mappings()]
        cameras = await copies.cameras_of(conn, [row["copy_id"] for row in rows])
    moves = [copies.moves_of(actor, row, centre.wall()) for row in rows]
    return {"items": [copy_view(row, cameras[row["copy_id"]], may) for row, may in zip(rows, moves, strict=True)]}


@router.get("/{copy_id}")
async def get_copy(request: Request, copy_id: CopyId, actor: Sees) -> dict[str, Any]:
    """One, as in the list."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        row = await copies.seen_copy(conn, actor, copy_id)
        cameras = await copies.cameras_of(conn, [copy_id])
    return copy_view(row, cameras[copy_id], copies.moves_of(actor, row, centre.wall()))


@router.post("/check")
async def post_copy_check(request: Request, body: CopyDraft, actor: Changes) -> dict[str, Any]:
    """What the copy would change at each camera, or why it would be left as it is (`left_out`), which rules would be
    new there with a zone of another picture (`new`), and why a second person would have to agree. `asks_trial`: so many
    change that it should be tried first. `rules_digest`: of what is copied.
    Nothing is kept."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        rules = await copying.rules_of(conn, actor, body.source, body.rule_ids)
        targets = _others(body.source, body.cameras)
        seen = await copying.look(
            conn, actor, rules, targets, centre.settings.new_rules.shadow, centre.wall(), gate=centre.gate
        )
    changed = sum(one.left_out is None for one in seen)
    return {
        "items": [target_view(one) for one in seen],
        "rules_digest": copying.digest_of(rules),
        "changed": changed,
        "severity_changes": copying.severities_of(seen),
        "asks_trial": changed >= ASKS_FROM,
    }


@router.post("", status_code=201)
async def post_copy(request: Request, body: RuleCopy, actor: Changes) -> dict[str, Any]:
    """A copy: brought to its cameras at once (those of its trial, where it is tried first), or `planned` where a second
    person must agree. Each camera is changed or left as it is by itself. The same key again answers with the first."""
    centre = centre_of(request)
    based_on = {one.camera_id: one.based_on for one in body.cameras}
    shadow = centre.settings.new_rules.shadow
    plan = None if body.canary is None else body.canary.plan
    asked = copying.CopyAsked(based_on, body.why, body.idempotency_key, shadow, plan, body.rules_digest)
    targets = _others(body.source, [one.camera_id for one in body.cameras])
    async with centre.database.reading() as conn:
        rules = await copying.rules_of(conn, actor, body.source, body.rule_ids)
        seen = await copying.look(conn, actor, rules, targets, shadow, centre.wall(), gate=centre.gate)
    # What is not there, or of other areas, is not kept with the copy: everybody of its area reads it.
    seen = [one for one in seen if one.left_out not in ("not_found", "not_allowed")]
    async with acting(centre.database, actor) as conn:
        fresh = str(uuid.uuid4())
        copy_id = await copying.propose(conn, actor, body.source, rules, seen, asked, fresh, centre.wall())
    return await get_copy(request, copy_id, actor)


def _others(source: str, camera_ids: tuple[str, ...] | list[str]) -> list[str]:
    """Raises MoveRefused: a camera is named twice, or is the one that the rules are of."""
    if len(set(camera_ids)) != len(camera_ids):
        raise MoveRefused("a camera is named twice")
    if source in camera_ids:
        raise MoveRefused("a camera is not given its own rules")
    return list(camera_ids)


@router.post("/{copy_id}/moves")
async def post_copy_move(request: Request, copy_id: CopyId, body: CopyMove, actor: Decides) -> dict[str, Any]:
    """Approve or refuse what another person proposed, or withdraw the own. 409: it waits for nobody any more."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        await copying.move(conn, actor, copy_id, body.move, body.note, centre.wall())
    return await get_copy(request, copy_id, actor)


@router.post("/{copy_id}/trial/moves")
async def post_copy_trial_move(
    request: Request, copy_id: CopyId, body: CopyTrialMove, actor: Changes
) -> dict[str, Any]:
    """Promote what is tried to all of its cameras, or give each camera back the set that it had; where that changes a
    severity, it waits for a second person at the camera. 409: it is over."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        await copies.move(conn, centre.areas.tree, actor, copy_id, body.move, centre.wall())
    return await get_copy(request, copy_id, actor)

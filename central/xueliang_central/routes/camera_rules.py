"""HTTP only: the rules of a camera as the centre wants them: versions, diff, propose, decide, roll back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from xueliang_alerts.desired import LONGEST_WHY
from xueliang_central.camera_rules import service
from xueliang_central.camera_rules.deciding import differences
from xueliang_central.camera_rules.inheriting import own
from xueliang_central.camera_rules.level_views import inherited_in_running, inherited_view, origins_of
from xueliang_central.camera_rules.levels import levels_of
from xueliang_central.camera_rules.tables import rule_versions
from xueliang_central.camera_rules.views import desired_of, report_of, rules_body, version_view
from xueliang_central.cameras.gate import day_of, standing_of
from xueliang_central.cameras.stills import still_of
from xueliang_central.cameras.views import view_shown_by, views_of
from xueliang_central.centre import centre_of
from xueliang_central.errors import NotFound, RulesProblem, RulesRefused
from xueliang_central.incidents.stills import newest_still
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import LARGEST_PAGE, BasedOn, Key, Text, WhyRules
from xueliang_configs.errors import ConfigError
from xueliang_configs.loading import plain_rules

router: Final = APIRouter(prefix="/api/cameras/{camera_id}/rules", tags=["rules"])

CameraId = Annotated[str, Path(max_length=63)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
OfVersion = Annotated[int, Query(ge=1, le=2**31 - 1)]
Sees = Annotated[Actor, Depends(require(Permission.SEE_RULES))]
Changes = Annotated[Actor, Depends(require(Permission.CHANGE_RULES))]
Decides = Annotated[Actor, Depends(require(Permission.DECIDE_RULES))]

LiveWhy = Annotated[
    Text | None,
    Field(
        min_length=1,
        max_length=LONGEST_WHY,
        description="Why the first rules of a camera alert at once; null: they start in the shadow, where the centre "
        "is set so. Kept with the version.",
    ),
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RulesProposed(_Frozen):
    """All rules of the camera as they shall be; a setting that a rule leaves out is inherited from the areas above,
    else has its default. What is left out of place_class, look_every_s and ground stays as it is."""

    settings: dict[str, Any] = Field(
        description="`rules`, `place_class`, `look_every_s`, `ground`, as in the node's settings."
    )
    why: Annotated[WhyRules, Field(min_length=1)]
    based_on: BasedOn
    live_why: LiveWhy = None
    idempotency_key: Key | None = None


class RollBack(_Frozen):
    version: Annotated[int, Field(ge=1, le=2**31 - 1, description="Whose content is wanted again.")]
    based_on: BasedOn
    why: WhyRules = ""
    live_why: LiveWhy = None
    idempotency_key: Key | None = None


class RulesDraft(_Frozen):
    """One of the two."""

    settings: dict[str, Any] | None = Field(default=None, description="As in a proposal.")
    text: str | None = Field(default=None, description="The same as YAML or JSON, as a person writes it.")


class RulesMove(_Frozen):
    """approve | refuse | withdraw."""

    move: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]
    note: Text = ""


@router.get("")
async def get_rules(request: Request, camera_id: CameraId, actor: Sees) -> dict[str, Any]:
    """What is wanted, what runs, and whether they agree; settings of both, null: not known, whole ones: what in them is
    inherited from which area is beside them. `levels`: what the areas above say, by hazard. `still`: the newest masked
    picture of it that this actor may see, of an alert or asked for (`is_asked_for`), null: none; of a camera that turns
    `view_id`, which view it shows, null: none of them, or nobody knows (`is_view_known`). `views`: as its node last
    told them (`told_at`), in `items` each with `view_id`, `name`, `state` (as the answer to a fresh still says) and
    `still`, the newest masked one of it that is here; no items: it stands still; null: not told. `may_change`: this
    actor may propose and roll back. `release`: may it be analysed; `is_stopped`: no rules are sent for it, and its
    alerts are held. `new_in_shadow_hours`: what is proposed would be its first rules and start in the shadow, for so
    long at least."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        camera = await service.camera_of(conn, actor, camera_id)
        standing = standing_of(camera, day_of(centre.wall()))
        is_stopped = await centre.gate.is_closed_to(conn, camera, centre.wall())
        body = await rules_body(conn, camera)
        desired, report = await desired_of(conn, camera_id), await report_of(conn, camera_id, camera["node_id"])
        stills = [await newest_still(conn, actor, camera_id), await still_of(conn, actor, camera_id)]
        still = max(filter(None, stills), key=lambda one: datetime.fromisoformat(one["observed_at"]), default=None)
        view = None if still is None else await view_shown_by(conn, camera_id, still["sha256"])
        views = await views_of(conn, actor, camera_id)
        levels = await levels_of(conn, camera_id, camera["area_path"])
        running = None if report is None else await inherited_in_running(conn, camera_id, report["digest"])
        chosen = centre.settings.new_rules
        is_new = chosen.shadow and await service.starts_in_shadow(conn, camera)
    tree = centre_of(request).areas.tree
    return {
        **body,
        "new_in_shadow_hours": chosen.shadow_hours if is_new else None,
        "name": camera["name"],
        "may_change": service.may_change(actor, camera),
        "still": None if still is None else {**still, "view_id": view or None, "is_view_known": view is not None},
        "views": views,
        "release": {"state": standing.state.value, "missing": list(standing.missing), "is_stopped": is_stopped},
        "desired_settings": desired["settings"] if desired is not None else None,
        "running_settings": report["settings"] if report is not None else None,
        "desired_inherited": inherited_view(desired["inherited"] if desired is not None else None, tree),
        "running_inherited": inherited_view(running, tree),
        "levels": origins_of(levels, tree),
    }


@router.get("/versions")
async def list_versions(
    request: Request,
    camera_id: CameraId,
    actor: Sees,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="next_before of the page before.")] = None,
) -> dict[str, Any]:
    """Newest first, without settings; `next_before` null on the last page."""
    versions = rule_versions.c
    query = select(rule_versions).where(versions.camera_id == camera_id).order_by(versions.version.desc())
    if before is not None:
        query = query.where(versions.version < before)
    async with centre_of(request).database.reading() as conn:
        camera = await service.camera_of(conn, actor, camera_id)
        rows = [dict(row) for row in (await conn.execute(query.limit(limit + 1))).mappings()]
    shown = [{**version_view(row), "moves": service.moves_of(actor, camera, row)} for row in rows[:limit]]
    return {"items": shown, "next_before": shown[-1]["version"] if len(rows) > limit else None}


@router.get("/versions/{version}")
async def get_version(request: Request, camera_id: CameraId, version: Number, actor: Sees) -> dict[str, Any]:
    """One, with its settings (whole ones; `inherited`: what in them came from which area) and what this actor may do
    with it."""
    async with centre_of(request).database.reading() as conn:
        camera = await service.camera_of(conn, actor, camera_id)
        row = await service.version_of(conn, camera_id, version)
    inherited = inherited_view(row["inherited"], centre_of(request).areas.tree)
    return {
        **version_view(row, with_settings=True),
        "inherited": inherited,
        "moves": service.moves_of(actor, camera, row),
    }


@router.get("/diff")
async def get_diff(
    request: Request,
    camera_id: CameraId,
    actor: Sees,
    to: OfVersion,
    of: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Left out: what the camera runs now.")] = None,
) -> dict[str, Any]:
    """What version `to` says otherwise than version `of`: where, before, after."""
    async with centre_of(request).database.reading() as conn:
        camera = await service.camera_of(conn, actor, camera_id)
        after = (await service.version_of(conn, camera_id, to))["settings"]
        if of is not None:
            before = (await service.version_of(conn, camera_id, of))["settings"]
        else:
            report = await report_of(conn, camera_id, camera["node_id"])
            before = report["settings"] if report is not None else None
    if before is None:
        raise NotFound("its node has not said what runs")
    return {"of": of, "to": to, "differences": [asdict(one) for one in differences(before, after)]}


@router.post("/versions", status_code=201)
async def post_version(request: Request, camera_id: CameraId, body: RulesProposed, actor: Changes) -> dict[str, Any]:
    """A new version: sent to the node at once, or `proposed` where a second person must agree (severity_changes says
    why). 422 `rules_refused`: every problem. The same key again answers with the first."""
    centre = centre_of(request)
    asked = service.Proposal(
        body.settings,
        body.why,
        body.based_on,
        key=body.idempotency_key,
        new_in_shadow=centre.settings.new_rules.shadow,
        live_why=body.live_why,
    )
    async with acting(centre.database, actor) as conn:
        version = await service.propose(conn, actor, camera_id, asked, centre.wall(), gate=centre.gate)
    return await get_version(request, camera_id, version, actor)


@router.post("/check")
async def post_check(request: Request, camera_id: CameraId, body: RulesDraft, actor: Changes) -> dict[str, Any]:
    """What a proposal would be taken as (`own`: without what is inherited), and why a second person would have to
    agree. Nothing is kept. 422
    `rules_refused`: every problem."""
    asked = _written(body.text) if body.text is not None else body.settings
    if asked is None or (body.text is not None and body.settings is not None):
        raise RulesRefused([RulesProblem("", "expected settings or text, one of them")])
    async with centre_of(request).database.reading() as conn:
        part, severities, inherited = await service.check(conn, actor, camera_id, asked)
    whole = part.as_written
    return {"settings": whole, "own": own(whole, inherited), "severity_changes": list(severities)}


def _written(text: str) -> dict[str, Any]:
    try:
        return plain_rules(text)
    except ConfigError as error:
        found = [
            RulesProblem(f"line {one.line}" if one.line else one.key, one.text, one.hint) for one in error.problems
        ]
        raise RulesRefused(found) from error


@router.post("/rollback", status_code=201)
async def post_rollback(request: Request, camera_id: CameraId, body: RollBack, actor: Changes) -> dict[str, Any]:
    """A new version with the content of an earlier one; what holds for any new version holds for it."""
    centre = centre_of(request)
    asked = service.Proposal(
        {},
        body.why,
        body.based_on,
        key=body.idempotency_key,
        new_in_shadow=centre.settings.new_rules.shadow,
        live_why=body.live_why,
    )
    async with acting(centre.database, actor) as conn:
        version = await service.roll_back(conn, actor, camera_id, body.version, asked, centre.wall(), gate=centre.gate)
    return await get_version(request, camera_id, version, actor)


@router.post("/versions/{version}/moves")
async def post_version_move(
    request: Request, camera_id: CameraId, version: Number, body: RulesMove, actor: Decides
) -> dict[str, Any]:
    """Approve or refuse what another person proposed, or withdraw the own. 409: it is no longer proposed."""
    centre = centre_of(request)
    async with acting(centre.database, actor) as conn:
        await service.move(conn, actor, camera_id, version, body.move, body.note, centre.wall(), gate=centre.gate)
    return await get_version(request, camera_id, version, actor)

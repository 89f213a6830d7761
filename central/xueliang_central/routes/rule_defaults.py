"""HTTP only: what areas say for the rules of their cameras: versions, what one would change, propose, decide."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from xueliang_central.areas.tree import brief
from xueliang_central.camera_rules import canaries, defaults, proposing
from xueliang_central.camera_rules.canary import Band, Plan
from xueliang_central.camera_rules.deciding import LevelState
from xueliang_central.camera_rules.inheriting import MODELS, inheritable
from xueliang_central.camera_rules.level_views import canary_view, effect_view, level_view, origins_of
from xueliang_central.camera_rules.levels import levels_around
from xueliang_central.camera_rules.tables import rule_canaries, rule_defaults
from xueliang_central.centre import centre_of
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, in_scope
from xueliang_central.routes.asking import LARGEST_PAGE, BasedOn, Key, Text, WhyRules

router: Final = APIRouter(prefix="/api/rule-defaults", tags=["rules"])

AreaCode = Annotated[str, Path(max_length=15)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Sees = Annotated[Actor, Depends(require(Permission.SEE_RULES))]
Changes = Annotated[Actor, Depends(require(Permission.CHANGE_RULES))]
Decides = Annotated[Actor, Depends(require(Permission.DECIDE_RULES))]
Said = Annotated[
    dict[str, Any], Field(description="Hazard → setting → value: all that the area says; {}: nothing any more.")
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_Share = Annotated[float, Field(ge=0.0, le=1.0)]


class BandAsked(_Frozen):
    """What must hold while it is tried; shares are of the canary's cameras."""

    most_ratio: Annotated[float, Field(ge=1.0, le=100.0, description="Alerts, as a multiple of what is expected.")] = (
        2.0
    )
    least_ratio: Annotated[_Share, Field(description="0: few alerts are no reason.")] = 0.25
    least_difference: Annotated[int, Field(ge=1, le=1000, description="Alerts more or fewer, at least.")] = 5
    most_faulty: Annotated[_Share, Field(description="With a fault that they did not have.")] = 0.1
    most_refused: Annotated[_Share, Field(description="Whose node refused the rules.")] = 0.0
    most_slower: Annotated[_Share, Field(description="Whose looks lie too far apart, against before.")] = 0.2
    slower_ratio: Annotated[float, Field(ge=1.0, le=100.0, description="From when on that is too far.")] = 2.0
    most_missing: Annotated[int, Field(ge=0, le=10_000, description="Nodes with data missing since.")] = 0


class CanaryAsked(_Frozen):
    """Which of the cameras that change have it first: `cameras` by hand, else a `share` of them by `seed`."""

    cameras: Annotated[list[Annotated[Text, Field(max_length=63)]], Field(max_length=2000)] = []
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    seed: Annotated[Text, Field(max_length=63)] = ""
    hours: Annotated[float, Field(ge=1.0, le=24.0, description="How long it is watched.")] = 24.0
    promotes_itself: Annotated[bool, Field(description="For all cameras once its time is over, in the band.")] = False
    band: BandAsked = BandAsked()

    @property
    def plan(self) -> Plan:
        band = Band(**self.band.model_dump())
        return Plan(self.hours, self.promotes_itself, band, tuple(self.cameras), self.share, self.seed)


class LevelProposed(_Frozen):
    settings: Said
    why: Annotated[WhyRules, Field(min_length=1)]
    based_on: BasedOn
    canary: CanaryAsked | None = Field(default=None, description="null: for all cameras at once.")
    idempotency_key: Key | None = None


class CanaryMove(_Frozen):
    """promote | roll_back."""

    move: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]


class LevelDraft(_Frozen):
    settings: Said


class LevelRollBack(_Frozen):
    version: Annotated[int, Field(ge=1, le=2**31 - 1, description="Whose content is wanted again.")]
    based_on: BasedOn
    why: WhyRules = ""
    idempotency_key: Key | None = None


class LevelMove(_Frozen):
    """approve | refuse | withdraw."""

    move: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]
    note: Text = ""


@router.get("")
async def list_levels(request: Request, actor: Sees) -> dict[str, Any]:
    """Every area in scope that says something, or has a version that waits: the version that holds, and those that
    wait. `names`: what a level may say, by hazard."""
    centre, said = centre_of(request), rule_defaults.c
    shown = [LevelState.DESIRED.value, LevelState.PROPOSED.value, LevelState.TRYING.value]
    query = (
        select(rule_defaults)
        .where(in_scope(said.area_path, actor), said.state.in_(shown))
        .order_by(said.area_path, said.version)
    )
    async with centre.database.reading() as conn:
        rows = [dict(row) for row in (await conn.execute(query)).mappings()]
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        one = found.setdefault(row["area_code"], {"area_code": row["area_code"], "desired": None, "waiting": []})
        if row["state"] == LevelState.DESIRED.value:
            one["desired"] = level_view(row)
        else:
            one["waiting"].append(level_view(row))
    for code, one in found.items():
        area = centre.areas.tree.find(code)
        one["area"] = None if area is None else brief(area)
    return {"items": list(found.values()), "names": {hazard: inheritable(hazard) for hazard in MODELS}}


@router.get("/{area_code}")
async def get_level(request: Request, area_code: AreaCode, actor: Sees) -> dict[str, Any]:
    """What the area says, what the areas above it say (`above`: setting by setting, with the area), which versions
    wait, and how far the one that holds has come to the cameras. `may_change`: this actor may propose."""
    centre = centre_of(request)
    area = defaults.area_of(centre.areas.tree, actor, area_code)
    async with centre.database.reading() as conn:
        desired = await defaults.in_state(conn, area.code, LevelState.DESIRED)
        proposed = await defaults.in_state(conn, area.code, LevelState.PROPOSED)
        newest = await defaults.newest_of(conn, area.code)
        around = await levels_around(conn, area.path)
    above = [level for level in around.above("", area.path) if level.area_code != area.code]
    return {
        "area": brief(area),
        "newest_version": newest,
        "desired": None if desired is None else level_view(desired, with_settings=True),
        "proposed": None
        if proposed is None
        else {**level_view(proposed, with_settings=True), "moves": proposing.moves_of(actor, proposed)},
        "above": origins_of(above, centre.areas.tree),
        "names": {hazard: inheritable(hazard) for hazard in MODELS},
        "may_change": defaults.may_change(actor, area),
    }


@router.get("/{area_code}/versions")
async def list_level_versions(
    request: Request,
    area_code: AreaCode,
    actor: Sees,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="next_before of the page before.")] = None,
) -> dict[str, Any]:
    """Newest first, with settings; `next_before` null on the last page."""
    centre = centre_of(request)
    area = defaults.area_of(centre.areas.tree, actor, area_code)
    said = rule_defaults.c
    query = select(rule_defaults).where(said.area_code == area.code).order_by(said.version.desc())
    if before is not None:
        query = query.where(said.version < before)
    async with centre.database.reading() as conn:
        rows = [dict(row) for row in (await conn.execute(query.limit(limit + 1))).mappings()]
    shown = [{**level_view(row, with_settings=True), "moves": proposing.moves_of(actor, row)} for row in rows[:limit]]
    return {"items": shown, "next_before": shown[-1]["version"] if len(rows) > limit else None}


@router.post("/{area_code}/check")
async def post_level_check(request: Request, area_code: AreaCode, body: LevelDraft, actor: Changes) -> dict[str, Any]:
    """Which cameras a version would change and how, which would be left out and why, and why a second person would
    have to agree. Nothing is kept. 422 `rules_refused`: every problem."""
    centre = centre_of(request)
    area = defaults.area_of(centre.areas.tree, actor, area_code)
    settings = defaults.checked(body.settings)
    async with centre.database.reading() as conn:
        seen = await defaults.preview(conn, area, settings)
    told = {name: value for name, value in asdict(seen).items() if name != "changed_ids"}
    return {**told, "shown": [effect_view(one) for one in seen.shown]}


@router.post("/{area_code}/versions", status_code=201)
async def post_level_version(
    request: Request, area_code: AreaCode, body: LevelProposed, actor: Changes
) -> dict[str, Any]:
    """A new version: brought to the cameras at once (those of its canary, where it is tried first), or `proposed` where
    a second person must agree. 422 `rules_refused`: every problem. The same key again answers with the first."""
    plan = None if body.canary is None else body.canary.plan
    return await _propose(
        request, area_code, actor, body.settings, body.why, body.based_on, None, body.idempotency_key, plan
    )


@router.post("/{area_code}/rollback", status_code=201)
async def post_level_rollback(
    request: Request, area_code: AreaCode, body: LevelRollBack, actor: Changes
) -> dict[str, Any]:
    """A new version with the content of an earlier one; what holds for any new version holds for it."""
    area = defaults.area_of(centre_of(request).areas.tree, actor, area_code)
    async with centre_of(request).database.reading() as conn:
        old = await defaults.version_of(conn, area.code, body.version)
    why = body.why or f"back to version {body.version}"
    return await _propose(
        request, area_code, actor, old["settings"], why, body.based_on, body.version, body.idempotency_key
    )


async def _propose(
    request: Request,
    area_code: str,
    actor: Actor,
    settings: dict[str, Any],
    why: str,
    based_on: int,
    restores: int | None,
    key: str | None,
    canary: Plan | None = None,
) -> dict[str, Any]:
    centre = centre_of(request)
    area = defaults.area_of(centre.areas.tree, actor, area_code)
    defaults.must_own(actor, area)
    asked = proposing.LevelProposal(defaults.checked(settings), why, based_on, restores, key, canary)
    async with centre.database.reading() as conn:
        seen = await defaults.preview(conn, area, asked.settings)
    async with acting(centre.database, actor) as conn:
        version = await proposing.propose(conn, actor, area, asked, seen, centre.wall())
    return await _one(request, area.code, version, actor)


@router.get("/{area_code}/canaries")
async def list_canaries(
    request: Request,
    area_code: AreaCode,
    actor: Sees,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 20,
) -> dict[str, Any]:
    """What was and is tried for the area, newest first: its band, the figures of the last look (null: none yet), what
    left the band in numbers, and what this actor may do."""
    centre = centre_of(request)
    area = defaults.area_of(centre.areas.tree, actor, area_code)
    its = rule_canaries.c
    query = select(rule_canaries).where(its.area_code == area.code).order_by(its.version.desc()).limit(limit)
    async with centre.database.reading() as conn:
        rows = [dict(row) for row in (await conn.execute(query)).mappings()]
        found = [
            canary_view(row, await canaries.cameras_of(conn, area.code, row["version"]), canaries.moves_of(actor, row))
            for row in rows
        ]
    return {"items": found}


@router.post("/{area_code}/canaries/{version}/moves")
async def post_canary_move(
    request: Request, area_code: AreaCode, version: Number, body: CanaryMove, actor: Changes
) -> dict[str, Any]:
    """Promote what is tried to the whole area, or roll it back, by hand. 409: it is over."""
    centre = centre_of(request)
    area = defaults.area_of(centre.areas.tree, actor, area_code)
    async with acting(centre.database, actor) as conn:
        await canaries.move(conn, centre.areas.tree, actor, area, version, body.move, centre.wall())
    return await _one(request, area.code, version, actor)


@router.post("/{area_code}/versions/{version}/moves")
async def post_level_move(
    request: Request, area_code: AreaCode, version: Number, body: LevelMove, actor: Decides
) -> dict[str, Any]:
    """Approve or refuse what another person proposed, or withdraw the own. 409: it is no longer proposed."""
    centre = centre_of(request)
    area = defaults.area_of(centre.areas.tree, actor, area_code)
    async with acting(centre.database, actor) as conn:
        await proposing.move(conn, actor, area, version, body.move, body.note, centre.wall())
    return await _one(request, area.code, version, actor)


async def _one(request: Request, area_code: str, version: int, actor: Actor) -> dict[str, Any]:
    async with centre_of(request).database.reading() as conn:
        row = await defaults.version_of(conn, area_code, version)
    return {**level_view(row, with_settings=True), "moves": proposing.moves_of(actor, row)}

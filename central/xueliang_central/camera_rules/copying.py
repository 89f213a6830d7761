"""Copying a camera's rules to many others: what it would change at each, who must agree, and the copy itself.

Invariants
    - A copy holds for the cameras as the person saw them: each keeps its newest version and what it was to run, and
      one that somebody changed since is left as it is, and named.
    - Who has to agree is asked once for all cameras, as with a version of an area.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.camera_rules import copies, service
from xueliang_central.camera_rules.canary import Band, CanaryState, Plan, chosen
from xueliang_central.camera_rules.copied import put_in
from xueliang_central.camera_rules.deciding import Difference, differences
from xueliang_central.camera_rules.following import why_left_out
from xueliang_central.camera_rules.inheriting import own, revised
from xueliang_central.camera_rules.levels import levels_of
from xueliang_central.camera_rules.shadow_list import waits_for_second
from xueliang_central.camera_rules.shadowing import in_shadow
from xueliang_central.camera_rules.tables import rule_copies, rule_copy_cameras
from xueliang_central.camera_rules.views import desired_of, report_of
from xueliang_central.cameras.releases import CameraGate
from xueliang_central.cameras.tables import cameras
from xueliang_central.errors import Conflict, MoveRefused, NotAllowed, RulesRefused
from xueliang_central.rights.scope import Actor, may_see, within
from xueliang_central.store.database import savepoint
from xueliang_configs.cameras import CameraRules

Row = dict[str, Any]
WORDS_AT_MOST: Final = 20  # of why a second person must agree


@dataclass(frozen=True, slots=True)
class Target:
    """What a copy would make of one camera.

    Attributes:
        left_out: a code of why it keeps what it has; None: it is given the rules.
        new: ids of rules that it has not yet: their zones are of another picture.
        newest_version, digest: as it was found; another one later: somebody changed it.
    """

    camera_id: str
    name: str
    area_code: str | None
    area_path: str
    newest_version: int
    digest: str = ""
    left_out: str | None = None
    problems: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    severities: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    part: CameraRules | None = field(default=None, repr=False)
    inherited: Mapping[str, Mapping[str, str]] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CopyAsked:
    """What a person asks for. based_on: camera_id → its newest version as the person saw it; rules_digest: of the rules
    that are copied, as the person saw them; None: whatever they say."""

    based_on: Mapping[str, int]
    why: str
    key: str | None
    new_in_shadow: bool
    canary: Plan | None
    rules_digest: str | None = None


def digest_of(rules: Sequence[Row]) -> str:
    """The same for rules that say the same."""
    return hashlib.sha256(json.dumps(list(rules), sort_keys=True).encode()).hexdigest()


async def rules_of(conn: AsyncConnection, actor: Actor, source_id: str, rule_ids: Sequence[str]) -> list[Row]:
    """Rules of a camera as it says them itself; no ids: all.

    Raises NotFound, MoveRefused: it has none of them.
    """
    camera = await service.camera_of(conn, actor, source_id)
    desired, report = await desired_of(conn, source_id), await report_of(conn, source_id, camera["node_id"])
    settings = (desired or report or {}).get("settings")
    found = own(settings, (desired or {}).get("inherited") or {})["rules"] if settings else []
    known = {rule["rule_id"] for rule in found}
    missing = [one for one in rule_ids if one not in known]
    if missing or not found:
        raise MoveRefused(f"no such rule at {source_id}: {', '.join(missing)[:200] or 'it has none'}", reason="no_rule")
    return [dict(rule) for rule in found if not rule_ids or rule["rule_id"] in rule_ids]


async def look(
    conn: AsyncConnection,
    actor: Actor,
    rules: Sequence[Row],
    camera_ids: Sequence[str],
    new_in_shadow: bool,
    at: datetime,
    *,
    gate: CameraGate,
) -> list[Target]:
    """What the rules would change at each of these cameras, in the order asked; nothing is kept."""
    found: list[Target] = []
    for camera_id in camera_ids:
        query = select(cameras).where(cameras.c.camera_id == camera_id)
        row = (await conn.execute(query)).mappings().one_or_none()
        if row is None or not may_see(actor, row["area_path"]):
            found.append(Target(camera_id, camera_id, None, "", 0, left_out="not_found"))
            continue
        camera = dict(row)
        why = await _why_not(conn, actor, camera, gate, at)
        found.append(await target_of(conn, camera, rules, new_in_shadow, why))
        await asyncio.sleep(0)  # others get turns: each takes some milliseconds
    return found


async def _why_not(conn: AsyncConnection, actor: Actor, camera: Row, gate: CameraGate, at: datetime) -> str | None:
    if not within(camera["area_path"], actor.area_path):
        return "not_allowed"
    if await gate.is_closed_to(conn, camera, at):
        return "not_released"
    if await waits_for_second(conn, camera["camera_id"]):
        return "waits"
    return "tried" if await copies.is_tried_on(conn, camera["camera_id"]) else None


async def target_of(
    conn: AsyncConnection, camera: Row, rules: Sequence[Row], new_in_shadow: bool, why: str | None = None
) -> Target:
    """`camera`: its row in the register. `why`: it is left out for this."""
    camera_id = camera["camera_id"]
    desired, report = await desired_of(conn, camera_id), await report_of(conn, camera_id, camera["node_id"])
    running = desired or report or {}
    facts: dict[str, Any] = {name: camera[name] for name in ("camera_id", "name", "area_code", "area_path")}
    facts |= {"newest_version": await service.newest_of(conn, camera_id), "digest": running.get("digest", "")}
    why = why or why_left_out(camera, desired, report)
    if why is not None:
        return Target(**facts, left_out=why)
    before = running["settings"]
    put = put_in(rules, own(before, running.get("inherited") or {})["rules"])
    if put.other:
        return Target(**facts, left_out="other_rule", problems=put.other)
    said = {**before, "rules": list(put.rules)}
    if new_in_shadow and await service.is_first(conn, camera_id, report):
        said = in_shadow(said)
    levels = await levels_of(conn, camera_id, camera["area_path"])
    try:
        whole, _, inherited = service.judged(camera_id, said, desired, report, levels)
        revisions = {**whole.as_written, "rules": revised(before, whole.as_written["rules"])}
        part, severities, _ = service.judged(camera_id, revisions, desired, report, ())
    except RulesRefused as error:
        told = tuple(f"{one['where']}: {one['text']}" for one in error.extra["problems"])
        return Target(**facts, left_out="does_not_fit", problems=told)
    found = differences(before, part.as_written)
    if not found:
        return Target(**facts, left_out="same")
    facts |= {"differences": found, "severities": severities, "new": put.new}
    return Target(**facts, part=part, inherited=inherited)


def severities_of(targets: Sequence[Target]) -> list[str]:
    """Why a second person must agree, in words, each with at how many cameras."""
    words: dict[str, int] = {}
    for text in (text for one in targets if one.left_out is None for text in one.severities):
        words[text] = words.get(text, 0) + 1
    return [f"{text} ({number})" for text, number in list(words.items())[:WORDS_AT_MOST]]


async def propose(
    conn: AsyncConnection,
    actor: Actor,
    source_id: str,
    rules: Sequence[Row],
    seen: Sequence[Target],
    asked: CopyAsked,
    copy_id: str,
    at: datetime,
) -> str:
    """Its copy_id; begun at once where nobody else has to agree.

    `seen`: what it changes, of the moment before. A camera that somebody changed since the person saw it is kept with
    the copy as left out.

    Raises MoveRefused (no camera is left that changes, or none of the canary is among them), Conflict: the rules say
    something else than the person saw.
    """
    await service.camera_of(conn, actor, source_id, lock=True)  # one at a time, as of the same look
    before = await copies.same_request(conn, actor, asked.key)
    if before is not None:
        return before
    if asked.rules_digest not in (None, digest_of(rules)):
        raise Conflict("the rules that are copied were changed since they were looked at")
    changed = [one for one in seen if _why_kept(one, asked) is None]
    if not changed:
        raise MoveRefused("none of these cameras would change", reason="nothing_changes")
    tried = chosen(asked.canary, [one.camera_id for one in changed]) if asked.canary is not None else ()
    if asked.canary is not None and not tried:
        raise MoveRefused("none of the cameras that change is in the canary", reason="no_canary")
    plan = asked.canary or Plan(0.0, False, Band())
    severities = severities_of(changed)
    row = {
        "copy_id": copy_id,
        "source_id": source_id,
        "rules": list(rules),
        "why": asked.why,
        "made_at": at,
        "by_id": actor.user_id,
        "by_name": actor.name,
        "severities": severities,
        "idempotency_key": asked.key,
        "new_in_shadow": asked.new_in_shadow,
        "is_tried": asked.canary is not None,
        "was_promoted": False,
        "spreading": False,
        "area_path": _around([one.area_path for one in seen]),
        "state": CanaryState.PLANNED.value,
        "hours": plan.hours,
        "promotes_itself": plan.promotes_itself,
        "band": asdict(plan.band),
        "hazards": sorted({rule["hazard"] for rule in rules}),
        "reasons": [],
    }
    try:
        async with savepoint(conn):
            await conn.execute(insert(rule_copies), row)
    except IntegrityError:  # in this instant, of another camera's rules
        before = await copies.same_request(conn, actor, asked.key)
        if before is None:
            raise
        return before
    await conn.execute(insert(rule_copy_cameras), [_camera_row(copy_id, one, asked, tried) for one in seen])
    detail = {"source": source_id, "why": asked.why, "cameras": len(changed), "tried": len(tried)}
    await copies.record(conn, actor.name, "proposed", copy_id, {**detail, "severity_changes": severities}, at)
    if not severities:
        await copies.begin(conn, await copies.copy_of(conn, copy_id), actor.name, at)
    return copy_id


def _why_kept(one: Target, asked: CopyAsked) -> str | None:
    """Why a camera is left as it is; None: it is given the rules."""
    return one.left_out or ("changed" if asked.based_on.get(one.camera_id) != one.newest_version else None)


def _camera_row(copy_id: str, one: Target, asked: CopyAsked, tried: Sequence[str]) -> Row:
    why = _why_kept(one, asked)
    return {
        "copy_id": copy_id,
        "camera_id": one.camera_id,
        "is_tried": why is None and one.camera_id in tried,
        "seen_version": one.newest_version,
        "seen_digest": one.digest,
        "severities": list(one.severities),
        "outcome": why,
        "was_faulty": False,
    }


def _around(paths: Sequence[str]) -> str:
    """The smallest area that holds all of these."""
    parts = [path.split("/") for path in paths]
    shared = []
    for step in zip(*parts, strict=False):
        if len(set(step)) > 1:
            break
        shared.append(step[0])
    return "/".join(shared)


async def move(conn: AsyncConnection, actor: Actor, copy_id: str, name: str, note: str, at: datetime) -> None:
    """approve | refuse, by another person; withdraw, by who proposed it.

    Raises:
        NotFound: no such copy, or out of scope.
        NotAllowed: only a grant shows it, or it is for another person.
        MoveRefused: there is no such move.
        Conflict: it waits for nobody any more.
    """
    copy = await copies.seen_copy(conn, actor, copy_id, lock=True)
    copies.must_own(actor, copy)
    if name not in _PAST:
        raise MoveRefused(f"no such move: {name[:24]}", moves=sorted(_PAST))
    is_own = copy["by_id"] == actor.user_id
    if is_own != (name == "withdraw"):
        told = "another person than who proposed it approves or refuses it" if is_own else "only who proposed it may"
        raise NotAllowed(told)
    if copy["state"] != CanaryState.PLANNED:
        raise Conflict(f"this copy is {copy['state']}", state=copy["state"])
    decided = {"decided_at": at, "decided_by_id": actor.user_id, "decided_by_name": actor.name, "decide_note": note}
    await copies.set_values(conn, copy_id, **decided)
    await copies.record(conn, actor.name, _PAST[name], copy_id, {"note": note}, at)
    if name == "approve":
        await copies.begin(conn, copy, copy["by_name"], at)
    else:
        await copies.give_up(conn, copy, actor.name, at)


_PAST: Final = {"approve": "approved", "refuse": "refused", "withdraw": "withdrawn"}

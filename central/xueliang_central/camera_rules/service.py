"""Changing a camera's rules: propose, approve, refuse, withdraw, roll back. Each in the caller's transaction.

What a rule leaves out is inherited from the levels above the camera (inheriting.py).

Who may: a rule operator or admin proposes; where a severity changes, another person approves (a supervisor, too).
Rules of a camera that only a grant shows are changed by who it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.camera_rules.deciding import VersionState, severity_changes, why_not_storable
from xueliang_central.camera_rules.inheriting import LevelDefaults, exactly, merged
from xueliang_central.camera_rules.levels import levels_of
from xueliang_central.camera_rules.shadowing import in_shadow
from xueliang_central.camera_rules.tables import rule_versions
from xueliang_central.camera_rules.views import desired_of, report_of, tell
from xueliang_central.cameras.releases import CameraGate
from xueliang_central.cameras.tables import cameras
from xueliang_central.errors import Conflict, MoveRefused, NotAllowed, NotFound, RulesProblem, RulesRefused
from xueliang_central.rights.policy import Permission, allows
from xueliang_central.rights.scope import Actor, may_see, within
from xueliang_configs.cameras import CameraRules
from xueliang_configs.errors import ConfigError
from xueliang_configs.loading import rules_from

Row = dict[str, Any]
_OPEN: Final = VersionState.PROPOSED.value
_HAVE_RUN: Final = [one.value for one in (VersionState.RAN, VersionState.DESIRED, VersionState.REPLACED)]
_PUT_IN_FORCE: Final = [VersionState.DESIRED.value, VersionState.REPLACED.value]
_LEFT_AS_IT_IS: Final = ("place_class", "look_every_s", "ground")


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a person asks for.

    Attributes:
        settings: `rules` as the camera says them itself, and what of `place_class`, `look_every_s` and `ground` is to
            change.
        based_on: the newest version the person saw; 0: there was none.
        restores: the version whose content it is.
        new_in_shadow: the first rules that are put in force on a camera start in the shadow.
        live_why: why these do not; kept only where they would have.
    """

    settings: Mapping[str, Any]
    why: str
    based_on: int
    restores: int | None = None
    key: str | None = None
    new_in_shadow: bool = False
    live_why: str | None = None


async def camera_of(conn: AsyncConnection, actor: Actor, camera_id: str, *, lock: bool = False) -> Row:
    """Its row in the register; with `lock` nobody else changes its rules until the end of the transaction.

    Raises NotFound: missing, or out of scope.
    """
    query = select(cameras).where(cameras.c.camera_id == camera_id)
    found = (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if found is None or not may_see(actor, found["area_path"]):
        raise NotFound
    return dict(found)


async def version_of(conn: AsyncConnection, camera_id: str, version: int) -> Row:
    """Raises NotFound. Whether the camera may be seen is asked before."""
    versions = rule_versions.c
    query = select(rule_versions).where(versions.camera_id == camera_id, versions.version == version)
    found = (await conn.execute(query)).mappings().one_or_none()
    if found is None:
        raise NotFound
    return dict(found)


async def propose(
    conn: AsyncConnection, actor: Actor, camera_id: str, asked: Proposal, at: datetime, *, gate: CameraGate
) -> int:
    """A new version, desired at once where nobody else has to agree; its number.

    Raises:
        NotFound: no such camera, or out of scope.
        NotAllowed: only a grant shows it.
        MoveRefused: no node watches the camera.
        CameraNotReleased: the gate is closed to this camera.
        Conflict: there are newer versions than the person saw.
        RulesRefused: with every problem of the rules.
    """
    camera = await camera_of(conn, actor, camera_id, lock=True)
    _must_own(actor, camera)
    before = await same_request(conn, actor, camera_id, asked.key)
    if before is not None:
        return before
    await gate.must_be_released(conn, camera, at)
    if camera["node_id"] is None:
        raise MoveRefused("no node watches this camera")
    newest = await newest_of(conn, camera_id)
    if newest != asked.based_on:
        raise Conflict("there are newer versions of its rules", newest_version=newest)
    desired, report = await desired_of(conn, camera_id), await report_of(conn, camera_id, camera["node_id"])
    levels = await levels_of(conn, camera_id, camera["area_path"])
    part, severities, inherited = judged(camera_id, asked.settings, desired, report, levels)
    is_new = asked.new_in_shadow and await is_first(conn, camera_id, report)
    if is_new and asked.live_why is None:
        part, severities, inherited = judged(camera_id, in_shadow(asked.settings), desired, report, levels)
    version = await next_version(conn, camera_id, desired, report, at)
    row = {
        "camera_id": camera_id,
        "version": version,
        "state": _OPEN,
        "origin": "centre",
        "settings": part.as_written,
        "digest": part.digest,
        "inherited": inherited,
        "why": asked.why,
        "made_at": at,
        "by_id": actor.user_id,
        "by_name": actor.name,
        "restores": asked.restores,
        "severities": list(severities),
        "idempotency_key": asked.key,
        "unsent": False,
        "live_why": asked.live_why if is_new else None,
    }
    await conn.execute(insert(rule_versions), row)
    detail = {"version": version, "digest": part.digest, "why": asked.why, "severity_changes": list(severities)}
    if is_new:
        detail["starts_in_shadow"] = asked.live_why is None
        detail["live_why"] = asked.live_why or ""
    if asked.restores is not None:
        detail["restores"] = asked.restores
    await _record(conn, actor, "rules.proposed", camera_id, detail, at)
    if not severities:
        await put_in_charge(conn, camera_id, version)
    await tell(conn, camera_id, at)
    return version


async def check(
    conn: AsyncConnection, actor: Actor, camera_id: str, settings: Mapping[str, Any]
) -> tuple[CameraRules, tuple[str, ...], dict[str, dict[str, str]]]:
    """What `propose` would take, why a second person would have to agree, and what in it is inherited; nothing is kept.

    Raises NotFound, RulesRefused.
    """
    camera = await camera_of(conn, actor, camera_id)
    desired, report = await desired_of(conn, camera_id), await report_of(conn, camera_id, camera["node_id"])
    levels = await levels_of(conn, camera_id, camera["area_path"])
    return judged(camera_id, settings, desired, report, levels)


async def starts_in_shadow(conn: AsyncConnection, camera: Row) -> bool:
    """Would a proposal be the first rules in force on this camera? `camera`: its row in the register."""
    return await is_first(conn, camera["camera_id"], await report_of(conn, camera["camera_id"], camera["node_id"]))


async def is_first(conn: AsyncConnection, camera_id: str, report: Row | None) -> bool:
    """No rule was ever put in force on it from here, and its node says that it runs none, or nothing at all."""
    if report is not None and (report["settings"] is None or report["settings"]["rules"]):
        return False
    versions = rule_versions.c
    query = select(versions.settings).where(versions.camera_id == camera_id, versions.state.in_(_PUT_IN_FORCE))
    return not any(settings["rules"] for settings in (await conn.execute(query)).scalars())


async def roll_back(
    conn: AsyncConnection,
    actor: Actor,
    camera_id: str,
    version: int,
    asked: Proposal,
    at: datetime,
    *,
    gate: CameraGate,
) -> int:
    """Propose the content of an earlier version again, whatever the levels above say by now. Raises as `propose`;
    NotFound: there is no such version."""
    camera = await camera_of(conn, actor, camera_id)
    old = await version_of(conn, camera_id, version)
    why = asked.why or f"back to version {version}"
    levels = await levels_of(conn, camera_id, camera["area_path"])
    settings = exactly(old["settings"], old["inherited"] or {}, levels)
    proposal = replace(asked, settings=settings, why=why, restores=version)
    return await propose(conn, actor, camera_id, proposal, at, gate=gate)


async def move(
    conn: AsyncConnection,
    actor: Actor,
    camera_id: str,
    version: int,
    name: str,
    note: str,
    at: datetime,
    *,
    gate: CameraGate,
) -> None:
    """approve | refuse, by another person; withdraw, by who proposed it.

    Raises:
        NotFound: no such camera or version, or out of scope.
        NotAllowed: only a grant shows the camera, or it is for another person.
        CameraNotReleased: it cannot be approved, as the gate is closed to this camera.
        MoveRefused: there is no such move.
        Conflict: it is no longer proposed.
    """
    camera = await camera_of(conn, actor, camera_id, lock=True)
    row = await version_of(conn, camera_id, version)
    _must_own(actor, camera)
    if name not in MOVES:
        raise MoveRefused(f"no such move: {name[:24]}", moves=sorted(MOVES))
    is_own = row["by_id"] == actor.user_id
    if is_own != (name == "withdraw"):
        told = "another person than who proposed it approves or refuses it" if is_own else "only who proposed it may"
        raise NotAllowed(told)
    if row["state"] != _OPEN:
        raise Conflict(f"this version is {row['state']}", state=row["state"])
    if name == "approve":
        await gate.must_be_released(conn, camera, at)
    decided = {"decided_at": at, "decided_by_id": actor.user_id, "decided_by_name": actor.name, "decide_note": note}
    await _set(conn, camera_id, version, state=MOVES[name].value, **decided)
    if name == "approve":
        await put_in_charge(conn, camera_id, version)
    await _record(conn, actor, f"rules.{_PAST[name]}", camera_id, {"version": version, "note": note}, at)
    await tell(conn, camera_id, at)


MOVES: Final = {
    "approve": VersionState.PROPOSED,  # and in charge at once
    "refuse": VersionState.REFUSED,
    "withdraw": VersionState.WITHDRAWN,
}
_PAST: Final = {"approve": "approved", "refuse": "refused", "withdraw": "withdrawn"}


def moves_of(actor: Actor, camera: Row, row: Row) -> list[str]:
    """What this person may do with a version."""
    if not allows(actor.role, Permission.DECIDE_RULES):
        return []
    if row["state"] != _OPEN or not within(camera["area_path"], actor.area_path):
        return []
    return ["withdraw"] if row["by_id"] == actor.user_id else ["approve", "refuse"]


def may_change(actor: Actor, camera: Row) -> bool:
    """May this person propose other rules of the camera, and go back to earlier ones?"""
    return allows(actor.role, Permission.CHANGE_RULES) and within(camera["area_path"], actor.area_path)


def _must_own(actor: Actor, camera: Row) -> None:
    if not within(camera["area_path"], actor.area_path):
        raise NotAllowed("a grant shows this camera to you; only who it belongs to changes its rules")


async def same_request(conn: AsyncConnection, actor: Actor, camera_id: str, key: str | None) -> int | None:
    """The version that this person has made with the same key; None: there is none."""
    if key is None:
        return None
    versions = rule_versions.c
    query = select(versions.version).where(
        versions.camera_id == camera_id, versions.by_id == actor.user_id, versions.idempotency_key == key
    )
    found: int | None = (await conn.execute(query)).scalar_one_or_none()
    return found


async def newest_of(conn: AsyncConnection, camera_id: str) -> int:
    """0: there is none."""
    versions = rule_versions.c
    query = select(versions.version).where(versions.camera_id == camera_id).order_by(versions.version.desc()).limit(1)
    return (await conn.execute(query)).scalar_one_or_none() or 0


async def next_version(
    conn: AsyncConnection, camera_id: str, desired: Row | None, report: Row | None, at: datetime
) -> int:
    """The number of the camera's next version; what its node runs by itself is kept as one before it."""
    newest = await newest_of(conn, camera_id)
    if report is not None and report["settings"] is not None:
        newest = await note_what_ran(conn, camera_id, newest, desired, report, at)
    seen = report["answer_version"] or 0 if report is not None else 0  # more than we know: we were set back
    return max(newest, seen) + 1


def judged(
    camera_id: str,
    asked: Mapping[str, Any],
    desired: Row | None,
    report: Row | None,
    levels: Sequence[LevelDefaults],
) -> tuple[CameraRules, tuple[str, ...], dict[str, dict[str, str]]]:
    """All of the camera's rules as asked, why a second person must agree, and what in them is inherited from where.

    Raises RulesRefused."""
    ran = report["settings"] if report is not None else None
    inherited: dict[str, dict[str, str]] = {}
    if isinstance(asked.get("rules"), list):
        whole, inherited = merged(asked["rules"], levels)
        asked = {**asked, "rules": whole}
    part = _checked(camera_id, asked, ran or (desired["settings"] if desired is not None else {}))
    bases = [_known(one) for one in (ran, desired["settings"] if desired is not None else None) if one is not None]
    severities = severity_changes(part, [one for one in bases if one is not None])
    if not severities and _is_unknown_what_runs(report, desired):
        severities = ("what the node runs cannot be compared",)
    return part, severities, inherited


def _checked(camera_id: str, asked: Mapping[str, Any], base: Mapping[str, Any]) -> CameraRules:
    """All of the camera's rules, what was left out as it is. Raises RulesRefused."""
    as_it_is = {name: base[name] for name in _LEFT_AS_IT_IS if name in base}
    value = {"camera_id": camera_id, "look_every_s": None, **as_it_is, **asked}
    if asked.get("camera_id", camera_id) != camera_id:
        told = str(asked["camera_id"])[:63]
        raise RulesRefused([RulesProblem("camera_id", f"expected {camera_id} or nothing, got {told}")])
    if "place_class" not in value:
        expected = "expected what kind of place the camera watches: its node has not said yet what runs there"
        raise RulesRefused([RulesProblem("place_class", expected, "residential")])
    why = why_not_storable(asked)
    if why is not None:
        raise RulesRefused([RulesProblem("settings", why)])
    try:
        return rules_from(value)
    except ConfigError as error:
        raise RulesRefused([RulesProblem(one.key, one.text, one.hint) for one in error.problems]) from error


def _is_unknown_what_runs(report: Row | None, desired: Row | None) -> bool:
    """The node runs something else than what was wanted, and this release cannot read it or has not been told it."""
    if report is None or (desired is not None and report["digest"] == desired["digest"]):
        return False
    return report["settings"] is None or _known(report["settings"]) is None


def _known(settings: Mapping[str, Any]) -> CameraRules | None:
    """None: this release does not understand them; a severity in them is not known, then."""
    try:
        return rules_from(settings)
    except ConfigError:
        return None


async def note_what_ran(
    conn: AsyncConnection, camera_id: str, newest: int, desired: Row | None, report: Row, at: datetime
) -> int:
    """Keep what the node ran by itself as a version, so that a roll-back leads there; the newest number after it."""
    if desired is not None and desired["digest"] == report["digest"]:
        return newest
    versions = rule_versions.c
    query = select(versions.version).where(
        versions.camera_id == camera_id, versions.digest == report["digest"], versions.state.in_(_HAVE_RUN)
    )
    if (await conn.execute(query.limit(1))).scalar_one_or_none() is not None:
        return newest
    row = {
        "camera_id": camera_id,
        "version": newest + 1,
        "state": VersionState.RAN.value,
        "origin": "node",
        "settings": report["settings"],
        "digest": report["digest"],
        "why": report["note"],
        "made_at": min(report["since"], at),
        "by_name": (report["by"] or f"node {report['node_id']}")[:120],
        "severities": [],
        "unsent": False,
    }
    await conn.execute(insert(rule_versions), row)
    return newest + 1


async def put_in_charge(conn: AsyncConnection, camera_id: str, version: int) -> None:
    """It is what the node is to run; what was before, or waited, is no more."""
    versions = rule_versions.c
    others = update(rule_versions).where(versions.camera_id == camera_id, versions.version != version)
    await conn.execute(
        others.where(versions.state == VersionState.DESIRED.value).values(
            state=VersionState.REPLACED.value, unsent=False
        )
    )
    await conn.execute(others.where(versions.state == _OPEN).values(state=VersionState.OUTDATED.value))
    await _set(conn, camera_id, version, state=VersionState.DESIRED.value, unsent=True)


async def _set(conn: AsyncConnection, camera_id: str, version: int, **values: Any) -> None:
    versions = rule_versions.c
    where = (versions.camera_id == camera_id, versions.version == version)
    await conn.execute(update(rule_versions).where(*where).values(**values))


async def _record(
    conn: AsyncConnection, actor: Actor, action: str, camera_id: str, detail: dict[str, Any], at: datetime
) -> None:
    what = {"action": action, "object_kind": "camera", "object_id": camera_id}
    await chain.record(conn, actor=actor.name, **what, detail=detail, at=at)

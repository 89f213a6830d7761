"""Taking rules out of the shadow: an ordinary new version of each camera. In the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.camera_rules.inheriting import exactly
from xueliang_central.camera_rules.levels import levels_of
from xueliang_central.camera_rules.service import Proposal, camera_of, newest_of, propose, same_request
from xueliang_central.camera_rules.shadow_list import history_of, runs_what_is_wanted, waits_for_second
from xueliang_central.camera_rules.shadowing import promoted, shadow_rules, since
from xueliang_central.camera_rules.views import desired_of, report_of
from xueliang_central.cameras.releases import CameraGate
from xueliang_central.errors import MoveRefused
from xueliang_central.rights.scope import Actor


@dataclass(frozen=True, slots=True)
class Promotion:
    """What a person asks for. hours: how long a rule is to be tried; is_early: it may have been tried for less."""

    rule_ids: Sequence[str]
    why: str
    hours: float
    is_early: bool
    key: str | None


async def promote(
    conn: AsyncConnection, actor: Actor, camera_id: str, asked: Promotion, at: datetime, *, gate: CameraGate
) -> int:
    """The new version; it waits for a second person like any that changes a severity.

    Raises:
        MoveRefused: a rule is not in the shadow, was tried for too short a time, its node runs something else, or a
            version waits for a second person.
        NotFound, NotAllowed, CameraNotReleased, Conflict, RulesRefused: as `propose`.
    """
    camera = await camera_of(conn, actor, camera_id, lock=True)
    before = await same_request(conn, actor, camera_id, asked.key)
    if before is not None:
        return before
    desired, report = await desired_of(conn, camera_id), await report_of(conn, camera_id, camera["node_id"])
    if await waits_for_second(conn, camera_id):
        raise MoveRefused("another version of its rules waits for a second person", reason="waits")
    if not runs_what_is_wanted(desired, report):
        raise MoveRefused("its node does not run what is wanted yet, so nothing was tried", reason="not_running")
    settings: dict[str, Any] = (desired or report or {}).get("settings") or {}
    known = {rule["rule_id"] for rule in shadow_rules(settings)}
    missing = [one for one in asked.rule_ids if one not in known]
    if missing:
        raise MoveRefused(f"not in the shadow: {', '.join(missing)[:200]}", reason="not_in_shadow")
    if desired is not None:
        came = await history_of(conn, camera_id)
    else:
        came = [(report["since"], settings)] if report is not None else []
    if not asked.is_early:
        _must_be_tried(asked, came, at)
    newest = await newest_of(conn, camera_id)
    # As it was tried, whatever the levels above say by now; what was inherited and is still said stays inherited.
    inherited = (desired or {}).get("inherited") or {}
    tried = exactly(settings, inherited, await levels_of(conn, camera_id, camera["area_path"]))
    proposal = Proposal(promoted(tried, set(asked.rule_ids)), asked.why, newest, key=asked.key)
    return await propose(conn, actor, camera_id, proposal, at, gate=gate)


def _must_be_tried(asked: Promotion, came: list[tuple[datetime, dict[str, Any]]], at: datetime) -> None:
    for rule_id in asked.rule_ids:
        began_at = since(rule_id, came)
        tried_h = 0.0 if began_at is None else (at - began_at).total_seconds() / 3600
        if tried_h < asked.hours:
            told = f"{rule_id}: expected {asked.hours:g} h in the shadow, got {max(0.0, tried_h):.1f} h"
            raise MoveRefused(told, reason="too_early")

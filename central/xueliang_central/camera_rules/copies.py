"""Copies of rules to many cameras as things that are begun, tried, promoted and rolled back. Each in the caller's
transaction; the cameras follow by the worker (giving.py).

Invariants
    - A copy that is tried is given to the cameras of its trial and to nobody else.
    - Promoting and rolling back change the copy's state; which cameras follow is in their rows, so that an end in
      between loses nothing and repeats nothing.
    - A roll-back by itself needs nobody's agreement: each camera gets the set that it had. One by hand, of a trial or
      after the promotion, is a change like any other: where a severity changes, it waits for a second person at the
      camera.
    - A person's key makes one copy: a unique index.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree
from xueliang_central.audit import chain
from xueliang_central.camera_rules import trials
from xueliang_central.camera_rules.canary import Breach, CanaryState
from xueliang_central.camera_rules.tables import rule_copies, rule_copy_cameras
from xueliang_central.errors import Conflict, MoveRefused, NotAllowed, NotFound
from xueliang_central.rights.policy import Permission, allows
from xueliang_central.rights.scope import Actor, may_see, within
from xueliang_central.store.among import among

Row = dict[str, Any]
KEPT: Final = trials.Kept(rule_copies, rule_copy_cameras, ("copy_id",), made=("copy_id",), is_tried="is_tried")
GIVEN: Final = "given"
NOT_GIVEN: Final = "not_given"  # it was rolled back before it came to the camera
UNDONE_WITHIN: Final = timedelta(days=7)  # after the promotion: later it is a new change, and looked at as one


async def copy_of(conn: AsyncConnection, copy_id: str, *, lock: bool = False) -> Row:
    """Raises NotFound. Whether it may be seen is asked before."""
    query = select(rule_copies).where(rule_copies.c.copy_id == copy_id)
    found = (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if found is None:
        raise NotFound
    return dict(found)


async def seen_copy(conn: AsyncConnection, actor: Actor, copy_id: str, *, lock: bool = False) -> Row:
    """Raises NotFound: missing, or out of scope."""
    copy = await copy_of(conn, copy_id, lock=lock)
    if not may_see(actor, copy["area_path"]):
        raise NotFound
    return copy


def must_own(actor: Actor, copy: Row) -> None:
    if not within(copy["area_path"], actor.area_path):
        raise NotAllowed("a grant shows this copy to you; only who its cameras belong to changes their rules")


async def cameras_of(conn: AsyncConnection, copy_ids: Sequence[str]) -> dict[str, list[Row]]:
    """By copy, by one statement: those of the trial first."""
    its = rule_copy_cameras.c
    query = select(rule_copy_cameras).where(among(conn, its.copy_id, copy_ids))
    found: dict[str, list[Row]] = {copy_id: [] for copy_id in copy_ids}
    for row in (await conn.execute(query.order_by(its.is_tried.desc(), its.camera_id))).mappings():
        found[row["copy_id"]].append(dict(row))
    return found


async def same_request(conn: AsyncConnection, actor: Actor, key: str | None) -> str | None:
    """The copy that this person has made with the same key; None: there is none."""
    if key is None:
        return None
    its = rule_copies.c
    query = select(its.copy_id).where(its.by_id == actor.user_id, its.idempotency_key == key)
    found: str | None = (await conn.execute(query)).scalar_one_or_none()
    return found


async def is_tried_on(conn: AsyncConnection, camera_id: str) -> bool:
    """Does another copy try its rules on this camera?"""
    its = rule_copy_cameras.c
    query = (
        select(its.camera_id)
        .join(rule_copies, rule_copies.c.copy_id == its.copy_id)
        .where(
            its.camera_id == camera_id, its.is_tried, rule_copies.c.state.in_([one.value for one in trials.NOT_OVER])
        )
    )
    return (await conn.execute(query.limit(1))).one_or_none() is not None


async def begin(conn: AsyncConnection, copy: Row, by: str, at: datetime) -> None:
    """It is given: to the cameras of its trial, or, where it is not tried, to all at once."""
    if not copy["is_tried"]:
        await promote(conn, copy, by, at)
        return
    await trials.note_before(conn, KEPT, copy)
    await set_values(conn, copy["copy_id"], state=CanaryState.BEGUN.value, spreading=True)
    await record(conn, by, "canary_begun", copy["copy_id"], {}, at)


async def reached(conn: AsyncConnection, copy: Row, at: datetime) -> None:
    """All cameras of its trial have been gone to: it is watched; where all were left as they are, it is over."""
    given = await _count(conn, copy["copy_id"], GIVEN)
    if given:
        await trials.watch(conn, KEPT, copy, at)
    else:
        await trials.end(conn, KEPT, copy, CanaryState.ENDED, None, at)


async def promote(conn: AsyncConnection, copy: Row, by: str | None, at: datetime) -> None:
    """It is given to all other cameras. `by` None: by itself."""
    await trials.end(conn, KEPT, copy, CanaryState.PROMOTED, by, at, was_promoted=True, spreading=True)
    await record(conn, by, "promoted", copy["copy_id"], {"figures": copy["figures"]}, at)


async def roll_back(
    conn: AsyncConnection, tree: AreaTree, copy: Row, by: str | None, found: Sequence[Breach], at: datetime
) -> None:
    """Its cameras get the set that they had. `by` None: by itself, for what left the band."""
    reasons = [one.as_json() for one in found]
    its = rule_copy_cameras.c
    to_come = (its.copy_id == copy["copy_id"], its.outcome.is_(None))
    await conn.execute(update(rule_copy_cameras).where(*to_come).values(outcome=NOT_GIVEN))
    await trials.end(conn, KEPT, copy, CanaryState.ROLLED_BACK, by, at, reasons=reasons, spreading=True)
    detail = {"reasons": reasons, "figures": copy["figures"]}
    await record(conn, by, "rolled_back", copy["copy_id"], detail, at)
    if by is None:
        await _tell(conn, tree, copy, "canary_rolled_back", {"reasons": reasons}, at)


async def hold(conn: AsyncConnection, tree: AreaTree, copy: Row, at: datetime) -> None:
    """Its time is over and it is in the band: a person promotes it, or sees why its nodes have not taken it."""
    await set_values(conn, copy["copy_id"], state=CanaryState.HELD.value)
    await _tell(conn, tree, copy, "canary_held", {}, at)


async def give_up(conn: AsyncConnection, copy: Row, by: str, at: datetime) -> None:
    """It was refused or withdrawn before it began."""
    await trials.end(conn, KEPT, copy, CanaryState.ENDED, by, at)


async def move(conn: AsyncConnection, tree: AreaTree, actor: Actor, copy_id: str, name: str, at: datetime) -> None:
    """promote | roll_back, by a person; roll_back also for some days after the promotion.

    Raises NotFound, NotAllowed (only a grant shows it), MoveRefused (no such move), Conflict (it is over).
    """
    copy = await seen_copy(conn, actor, copy_id, lock=True)
    must_own(actor, copy)
    if name not in trials.MOVES:
        raise MoveRefused(f"no such move: {name[:24]}", moves=list(trials.MOVES))
    if name not in _open_moves(copy, at):
        raise Conflict(f"this copy is {copy['state']}", state=copy["state"])
    if name == "promote":
        await promote(conn, copy, actor.name, at)
    else:
        await set_values(conn, copy_id, ended_by_id=actor.user_id)
        await roll_back(conn, tree, copy, actor.name, (), at)


def moves_of(actor: Actor, copy: Row, at: datetime) -> list[str]:
    """What this person may do with it: decide, or end its trial."""
    if not within(copy["area_path"], actor.area_path):
        return []
    if copy["state"] == CanaryState.PLANNED:
        if not allows(actor.role, Permission.DECIDE_RULES):
            return []
        return ["withdraw"] if copy["by_id"] == actor.user_id else ["approve", "refuse"]
    return list(_open_moves(copy, at)) if allows(actor.role, Permission.CHANGE_RULES) else []


def _open_moves(copy: Row, at: datetime) -> tuple[str, ...]:
    if copy["state"] in trials.NOT_OVER:
        return trials.MOVES
    is_new = copy["state"] == CanaryState.PROMOTED and at < copy["ended_at"] + UNDONE_WITHIN
    return ("roll_back",) if is_new else ()


async def set_values(conn: AsyncConnection, copy_id: str, **values: Any) -> None:
    await trials.set_values(conn, KEPT, {"copy_id": copy_id}, **values)


async def record(
    conn: AsyncConnection, by: str | None, action: str, copy_id: str, detail: dict[str, Any], at: datetime
) -> None:
    what = {"action": f"rule_copies.{action}", "object_kind": "rule_copy", "object_id": copy_id}
    await chain.record(conn, actor=by or "system", **what, detail=detail, at=at)


async def _count(conn: AsyncConnection, copy_id: str, outcome: str) -> int:
    its = rule_copy_cameras.c
    query = select(its.camera_id).where(its.copy_id == copy_id, its.is_tried, its.outcome == outcome)
    return len((await conn.execute(query)).all())


async def _locked(conn: AsyncConnection, key: Row) -> Row | None:
    query = select(rule_copies).where(KEPT.one(key)).with_for_update()
    found = (await conn.execute(query)).mappings().one_or_none()
    return None if found is None else dict(found)


async def _tell(
    conn: AsyncConnection, tree: AreaTree, copy: Row, kind: str, more: dict[str, Any], at: datetime
) -> None:
    params = {"copy_id": copy["copy_id"], "camera_id": copy["source_id"], **more}
    await trials.tell(conn, tree, copy, kind, copy["copy_id"], copy["by_id"], params, at)


KIND: Final = trials.Kind(KEPT, _locked, promote, roll_back, hold)

"""HTTP only: tasks, and the worker's moves."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import and_, or_, select, tuple_

from xueliang_central.areas.tree import code_of_path
from xueliang_central.centre import centre_of
from xueliang_central.dispatch import helping
from xueliang_central.dispatch.checking_in import Fix
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.service import load_task
from xueliang_central.dispatch.tables import tasks
from xueliang_central.dispatch.views import task_views
from xueliang_central.dispatch.working import TaskMove, may_see_task, move_task, moves_of
from xueliang_central.errors import NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.states import HAD_TASK_STATES, LIVE_TASK_STATES, TaskState
from xueliang_central.intake.files import photos_of_case
from xueliang_central.lanes.register import case_view, lanes_of_case
from xueliang_central.notices import receipts
from xueliang_central.notices.tables import notices
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, Role, in_scope
from xueliang_central.routes.asking import (
    LARGEST_PAGE,
    HelpAnswerBody,
    TaskMoveBody,
    cursor_of,
    read_cursor,
    rulebook_of,
)

router: Final = APIRouter(prefix="/api/tasks", tags=["tasks"])

_LIVE: Final = sorted(state.value for state in LIVE_TASK_STATES)


@router.get("")
async def list_tasks(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_TASKS))],
    state: Annotated[Literal["open", "all"], Query()] = "open",
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """A worker's own tasks and those offered to the worker's area; for others, those in scope. Newest first;
    `next_cursor` null on the last page. `suspension_longest_s`: how far ahead a worker may ask to suspend;
    `later_limit_longest_s`, `later_limit_most`: how far after its first moment, and how often, a limit is moved."""
    mine = or_(
        tasks.c.worker_id == actor.user_id,
        and_(tasks.c.state == TaskState.OFFERED.value, tasks.c.area_code == code_of_path(actor.area_path)),
    )
    query = select(tasks).where(mine if actor.role is Role.WORKER else or_(mine, in_scope(tasks.c.area_path, actor)))
    if state == "open":
        query = query.where(tasks.c.state.in_(_LIVE))
    if cursor is not None:
        query = query.where(tuple_(tasks.c.offered_at, tasks.c.task_id) < read_cursor(cursor))
    newest_first = query.order_by(tasks.c.offered_at.desc(), tasks.c.task_id.desc())
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        found = (await conn.execute(newest_first.limit(limit + 1))).mappings().all()
        rows = [dict(row) for row in found[:limit]]
        items = await task_views(conn, centre.areas.tree, rows)
    last = rows[-1] if len(found) > limit else None
    return {
        "items": items,
        "next_cursor": cursor_of(last["offered_at"], last["task_id"]) if last else None,
        "suspension_longest_s": centre.policies.side_moves.suspension_longest_s,
        "later_limit_longest_s": centre.policies.side_moves.later_limit_longest_s,
        "later_limit_most": centre.policies.side_moves.later_limit_most,
    }


@router.get("/{task_id}")
async def get_task(
    request: Request, task_id: str, actor: Annotated[Actor, Depends(require(Permission.SEE_TASKS))]
) -> dict[str, Any]:
    shown = await _detail(request, task_id, actor)
    await _receive(request, actor, task_id)
    return shown


@router.post("/{task_id}/moves")
async def post_move(
    request: Request,
    task_id: str,
    body: TaskMoveBody,
    actor: Annotated[Actor, Depends(require(Permission.WORK_TASKS))],
) -> dict[str, Any]:
    """Make a move; answers with the task after it. 409: it has changed since `version`;
    `taken_by` names who has taken it. 422: not possible now."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        near = None if body.near is None else (body.near.longitude, body.near.latitude)
        fix = None if body.fix is None else Fix(**body.fix.model_dump())
        asked = TaskMove(**body.model_dump(exclude={"near", "fix"}), near=near, fix=fix)
        done_at = await move_task(change, actor, task_id, asked)
        about = notices.c.task_id == task_id
        await receipts.all_received(change.conn, actor.user_id, change.now, receipts.ACTED, about)
    if body.move == "handled" and done_at is not None:  # committed, and not for the second time
        centre.looking_again.after_handled(actor, task_id, done_at)
    return await _detail(request, task_id, actor)


@router.post("/{task_id}/help")
async def answer_help(
    request: Request,
    task_id: str,
    body: HelpAnswerBody,
    actor: Annotated[Actor, Depends(require(Permission.JUDGE_INCIDENTS))],
) -> dict[str, Any]:
    """Say who comes to the worker who has asked for help; answers with the task after it.

    409: the task has changed since `version`. 422: nobody has asked, or the task is not under way any more.
    """
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall, actor=actor) as change:
        await helping.answer(change, actor, task_id, helping.HelpAnswer(**body.model_dump()))
    return await _detail(request, task_id, actor)


async def _detail(request: Request, task_id: str, actor: Actor) -> dict[str, Any]:
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        row = await load_task(conn, task_id)
        if not may_see_task(actor, row):
            raise NotFound("task")
        view = (await task_views(conn, centre.areas.tree, [row]))[0]
        incident = await incidents.load(conn, row["incident_id"])
        lanes = await lanes_of_case(conn, incident)
        is_had = row["worker_id"] == actor.user_id and row["state"] in HAD_TASK_STATES
        reported = await photos_of_case(conn, row["incident_id"]) if is_had else []
    # Who is on the way may call the unit; the number goes into no list and no event, and is gone with the task.
    is_theirs = row["worker_id"] == actor.user_id and row["state"] in _LIVE
    shown = [case_view(lane, actor, with_phone=is_theirs) for lane in lanes]
    return {**view, "moves": list(moves_of(actor, row, incident)), "lanes": shown, "report_photos": reported}


async def _receive(request: Request, actor: Actor, task_id: str) -> None:
    """Who has opened a task has what was told of it: nobody is called about it any further."""
    centre, about = centre_of(request), notices.c.task_id == task_id
    async with centre.database.reading() as conn:
        if not await receipts.is_any_unreceived(conn, actor.user_id, about):
            return
    async with centre.database.transaction() as conn:
        await receipts.all_received(conn, actor.user_id, centre.wall(), receipts.OPENED, about)

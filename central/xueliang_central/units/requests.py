"""Requests to managing units: which lane is meant, written with the notice that tells of it, ended, shown."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree
from xueliang_central.audit import chain
from xueliang_central.errors import NotFound
from xueliang_central.incidents.states import WITH_UNIT, State
from xueliang_central.incidents.tables import incidents
from xueliang_central.incidents.views import area_view, at_text
from xueliang_central.lanes.register import lanes_of_case
from xueliang_central.lanes.tables import lanes
from xueliang_central.notices.tables import notice_steps, notices
from xueliang_central.rights.scope import Actor, may_see
from xueliang_central.store.among import among
from xueliang_central.units.tables import unit_requests
from xueliang_configs.policies import UnitFirst

Row = dict[str, Any]
View = dict[str, Any]

TOLD: Final = "unit_told"  # the kind of its notice
OVER: Final = "over"
_WAITS: Final = frozenset({"told", "clearing"})
_CODES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Whom:
    """The lane whose unit is told; None: nobody is, and `why` says why (a code of the timeline)."""

    lane: Row | None
    why: str = ""


async def whom(conn: AsyncConnection, incident: Row) -> Whom:
    """The lane in which an incident lies: the one that its cameras watch, on the day it opened.

    Lanes of two units: which of them is meant nobody knows, so none is told and a worker is sent.
    """
    if await find_of_incident(conn, incident["incident_id"]) is not None:
        return Whom(None, "asked_before")
    found = await lanes_of_case(conn, incident)
    if not found:
        return Whom(None, "no_lane")
    if len({digits(lane["duty_phone"]) for lane in found}) > 1:
        return Whom(None, "several_units")
    return Whom(found[0])


def digits(phone: str) -> str:
    """A number as gateways write it: a + and digits only."""
    return "".join(letter for letter in phone if letter.isdigit() or letter == "+")


async def write(conn: AsyncConnection, incident: Row, lane: Row, row: UnitFirst, now: datetime) -> Row:
    """The request, and the notice with its steps by which the duty phone is told."""
    request: Row = {
        "request_id": str(uuid.uuid4()),
        "incident_id": incident["incident_id"],
        **{name: lane[name] for name in ("lane_id", "unit")},
        "lane_name": lane["name"],
        "code": f"{secrets.randbelow(_CODES):04d}",
        "state": "told",
        "told_at": now,
        "reply_by": now + timedelta(seconds=row.reply_s),
        "clear_s": row.clear_s,
    }
    await conn.execute(insert(unit_requests), request)
    await _tell(conn, incident, request, row, now)
    return request


async def _tell(conn: AsyncConnection, incident: Row, request: Row, row: UnitFirst, now: datetime) -> None:
    """No page and no ladder: the steps are written at once, each due when its turn comes, dropped by a reply."""
    notice_id, severity = str(uuid.uuid4()), incident["severity"]
    said = {name: incident[name] for name in ("incident_id", "number", "hazard", "drill")}
    said |= {"lane": request["lane_name"], "code": request["code"]}
    notice = {
        "notice_id": notice_id,
        "idempotency_key": f"{TOLD}:{request['request_id']}",
        "kind": TOLD,
        "user_id": request["request_id"],
        "area_path": incident["area_path"],
        "params": said,
        "created_at": now,
        "attempts": 0,
        "severity": severity,
        "incident_id": incident["incident_id"],
        "climb_end": "own_steps",
    }
    await conn.execute(insert(notices), notice)
    due, steps = now, []
    for number, step in enumerate(row.steps):
        due += timedelta(seconds=step.after_s)
        about = {"notice_id": notice_id, "step": number, "channel": step.channel, "user_id": request["request_id"]}
        when = {"made_at": now, "next_try_at": due, "attempts": 0}
        steps.append({**about, **when, "severity": severity, "state": "waiting"})
    await conn.execute(insert(notice_steps), steps)


async def find(conn: AsyncConnection, request_id: str, *, lock: bool = False) -> Row:
    """Raises NotFound."""
    query = select(unit_requests).where(unit_requests.c.request_id == request_id)
    row = (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if row is None:
        raise NotFound("unit request")
    return dict(row)


async def find_of_incident(conn: AsyncConnection, incident_id: str) -> Row | None:
    query = select(unit_requests).where(unit_requests.c.incident_id == incident_id)
    row = (await conn.execute(query)).mappings().one_or_none()
    return None if row is None else dict(row)


async def set_state(conn: AsyncConnection, incident_id: str, state: str, **values: Any) -> None:
    """Of the request of an incident, when it waits."""
    mine = unit_requests.c.incident_id == incident_id, unit_requests.c.state.in_(_WAITS)
    await conn.execute(update(unit_requests).where(*mine).values(state=state, **values))


def standing(request: Row, incident_state: str) -> str:
    """What has become of it: the case may have ended, or gone another way, without a word of the unit."""
    if request["state"] in _WAITS and incident_state not in WITH_UNIT:
        return OVER
    return str(request["state"])


async def note_opened(conn: AsyncConnection, request_id: str, now: datetime) -> None:
    """The link was opened: recorded the first time."""
    this = unit_requests.c.request_id == request_id, unit_requests.c.opened_at.is_(None)
    done = await conn.execute(update(unit_requests).where(*this).values(opened_at=now))
    if done.rowcount == 0:
        return
    request = await find(conn, request_id)
    await chain.record(
        conn,
        actor=f"unit:{request['lane_id']}",
        action="incident.viewed",
        object_kind="incident",
        object_id=request["incident_id"],
        detail={"by": "link"},
        at=now,
    )


async def answerable(conn: AsyncConnection, phone: str, code: str) -> list[Row]:
    """Requests to the unit of this number, with this code, that the unit has; what it has said last is among them."""
    asked = (*unit_requests.c, lanes.c.duty_phone)
    query = (
        select(*asked)
        .join(lanes, lanes.c.lane_id == unit_requests.c.lane_id)
        .join(incidents, incidents.c.incident_id == unit_requests.c.incident_id)
        .where(unit_requests.c.code == code, incidents.c.state != State.CLOSED.value)
    )
    rows = [dict(row) for row in (await conn.execute(query)).mappings()]
    return [row for row in rows if digits(row["duty_phone"]) == digits(phone)]


async def of_notice(conn: AsyncConnection, notice_id: str) -> str | None:
    """The request that a message told of, by the id in its key."""
    query = select(notices.c.user_id).where(notices.c.notice_id == notice_id, notices.c.kind == TOLD)
    return (await conn.execute(query)).scalar_one_or_none()


async def over(conn: AsyncConnection, told: Sequence[Row]) -> dict[str, str]:
    """By notice_id, why a unit need not be told any more; one that is needed is left out."""
    query = (
        select(unit_requests.c.request_id, unit_requests.c.state, incidents.c.state.label("incident_state"))
        .join(incidents, incidents.c.incident_id == unit_requests.c.incident_id)
        .where(among(conn, unit_requests.c.request_id, sorted({row["user_id"] for row in told})))
    )
    now = {row["request_id"]: dict(row) for row in (await conn.execute(query)).mappings()}
    ended: dict[str, str] = {}
    for row in told:
        request = now.get(row["user_id"])
        if request is None:
            ended[row["notice_id"]] = OVER
        elif request["incident_state"] != State.UNIT_TOLD or request["state"] != "told":
            ended[row["notice_id"]] = standing(request, request["incident_state"])
    return ended


async def phone_of(conn: AsyncConnection, request_id: str) -> str | None:
    """The duty phone of the unit that was asked, as the register has it now; None: the lane has gone."""
    query = (
        select(lanes.c.duty_phone)
        .join(unit_requests, unit_requests.c.lane_id == lanes.c.lane_id)
        .where(unit_requests.c.request_id == request_id)
    )
    phone = (await conn.execute(query)).scalar_one_or_none()
    return None if phone is None else digits(phone)


_TIMES: Final = ("told_at", "reply_by", "opened_at", "replied_at", "clear_by", "ended_at")


async def case_view(conn: AsyncConnection, incident: Row, actor: Actor) -> View | None:
    """What was asked of a unit, as the case shows it; None: nothing. Beyond a border without the lane's id."""
    request = await find_of_incident(conn, incident["incident_id"])
    if request is None:
        return None
    of_lane = select(lanes.c.area_path).where(lanes.c.lane_id == request["lane_id"])
    path = (await conn.execute(of_lane)).scalar_one_or_none()
    steps = (
        select(notice_steps.c.channel, notice_steps.c.state, notice_steps.c.reason)
        .where(notice_steps.c.user_id == request["request_id"])
        .order_by(notice_steps.c.step)
    )
    return {
        "lane_id": request["lane_id"] if path is not None and may_see(actor, path) else None,
        **{name: request[name] for name in ("lane_name", "unit", "replied_by")},
        "state": standing(request, incident["state"]),
        **{name: at_text(request[name]) for name in _TIMES},
        "steps": [dict(row) for row in (await conn.execute(steps)).mappings()],
    }


def unit_view(tree: AreaTree, request: Row, incident: Row) -> View:
    """What the unit's person is shown: place, hazard, state and its own limits. No picture, no person, no reason."""
    return {
        "lane": request["lane_name"],
        "unit": request["unit"],
        "number": incident["number"],
        "hazard": incident["hazard"],
        "severity": incident["severity"],
        "drill": incident["drill"],
        "place": {name: incident[name] for name in ("camera_name", "longitude", "latitude")},
        "area": area_view(tree, incident["area_code"]),
        "opened_at": at_text(incident["opened_at"]),
        "still_present": incident["still_present"],
        "state": standing(request, incident["state"]),
        "incident_state": incident["state"],
        **{name: at_text(request[name]) for name in ("told_at", "reply_by", "clear_by", "ended_at")},
        "replies": list(replies_in(incident["state"])),
    }


def replies_in(incident_state: str) -> tuple[str, ...]:
    """What the unit may say now."""
    return {
        State.UNIT_TOLD.value: ("clears", "done", "cannot"),
        State.UNIT_CLEARING.value: ("done", "cannot"),
    }.get(incident_state, ())

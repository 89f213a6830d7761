"""Soft claims: who has a case open that waits for a desk, since when.

Invariants
    - A claim forbids nothing: moves go by right and version, whoever has the case open.
    - It is no part of the incident: its version, timeline and event stay as they are.
    - It lapses LAPSES after its page last said that the case is open, by the centre's clock. Nothing runs for that:
      every reader computes it from the row.
    - Told to others are its beginning, that somebody took it over, and its end by closing the case; not its renewals.
      So that one that lapsed goes from a screen, each is given with the seconds after which to ask again.
    - That a case was opened is on the audit chain as its view; only a takeover is recorded here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

from sqlalchemy import Select, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.dispatch.seat_tables import case_claims
from xueliang_central.errors import NotFound
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import incidents
from xueliang_central.incidents.views import at_text
from xueliang_central.rights.scope import Actor, may_see, scoped
from xueliang_central.rights.tables import users
from xueliang_central.store import events
from xueliang_central.store.among import among
from xueliang_central.store.claims import skip_taken

Record = dict[str, Any]

LAPSES: Final = timedelta(seconds=60)
RENEW_EVERY_S: Final = 20.0  # how often a page says that its case is still open: two may be lost
WAITS_FOR_DESK: Final = frozenset({State.OPEN, State.TO_CHECK})
MOST_SHOWN: Final = 2000


class Step(Enum):
    """What saying "I have it open" does to the claim of a case."""

    BEGINS = auto()
    RENEWS = auto()
    TAKES_OVER = auto()
    IS_THEIRS = auto()  # somebody else has it; nothing changes


@dataclass(frozen=True, slots=True)
class Said:
    """What a page says. `opened`: cases that are open on it; `left`: cases that were. No case is in both."""

    opened: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    takes_over: bool = False


def is_alive(claim: Mapping[str, Any], now: datetime) -> bool:
    """A clock that was set back makes no claim longer than LAPSES from now."""
    renewed_at: datetime = claim["renewed_at"]
    return now - LAPSES < renewed_at <= now + LAPSES


def step(claim: Mapping[str, Any] | None, user_id: str, now: datetime, *, takes_over: bool) -> Step:
    if claim is None or not is_alive(claim, now):
        return Step.BEGINS
    if str(claim["user_id"]) == user_id:
        return Step.RENEWS
    return Step.TAKES_OVER if takes_over else Step.IS_THEIRS


async def say_open(conn: AsyncConnection, actor: Actor, said: Said, now: datetime) -> list[Record]:
    """Take in what a page says; the claims of the cases that it has open, as they are then.

    Raises NotFound: a case of `opened` that does not exist or lies elsewhere.
    """
    opened = await _waiting(conn, actor, said.opened)
    known = await _locked(conn, {*opened, *said.left})
    for incident_id in said.left:
        await _leave_one(conn, actor, known.get(incident_id), now)
    for incident_id in sorted(opened):
        await _open_one(conn, actor, opened[incident_id], known.get(incident_id), now, takes_over=said.takes_over)
    await _forget_lapsed(conn, actor, now)
    return await _views(conn, _alive(now).where(among(conn, case_claims.c.incident_id, list(opened))), now)


async def claims_seen(conn: AsyncConnection, actor: Actor, now: datetime) -> list[Record]:
    """Every claim that has not lapsed, of the cases that this actor may see."""
    return await _views(conn, scoped(_alive(now), incidents.c.area_path, actor).limit(MOST_SHOWN), now)


async def _waiting(conn: AsyncConnection, actor: Actor, ids: Collection[str]) -> dict[str, Record]:
    """Those of the cases that wait for a desk. Raises NotFound."""
    columns = (incidents.c.incident_id, incidents.c.number, incidents.c.area_path, incidents.c.state)
    found = await conn.execute(select(*columns).where(among(conn, incidents.c.incident_id, list(ids))))
    cases = {case["incident_id"]: dict(case) for case in found.mappings() if may_see(actor, case["area_path"])}
    if any(one not in cases for one in ids):
        raise NotFound("incident")
    return {one: case for one, case in cases.items() if State(case["state"]) in WAITS_FOR_DESK}


async def _locked(conn: AsyncConnection, ids: Collection[str]) -> dict[str, Record]:
    """In one order, so that two pages never wait for each other."""
    query = (
        select(case_claims, incidents.c.area_path)
        .join(incidents, incidents.c.incident_id == case_claims.c.incident_id)
        .where(among(conn, case_claims.c.incident_id, list(ids)))
        .order_by(case_claims.c.incident_id)
        .with_for_update(of=case_claims)
    )
    return {claim["incident_id"]: dict(claim) for claim in (await conn.execute(query)).mappings()}


async def _open_one(
    conn: AsyncConnection, actor: Actor, case: Record, claim: Record | None, now: datetime, *, takes_over: bool
) -> None:
    taken = step(claim, actor.user_id, now, takes_over=takes_over)
    if taken is Step.IS_THEIRS:
        return
    whose = case_claims.c.incident_id == case["incident_id"]
    if taken is Step.RENEWS:
        await conn.execute(update(case_claims).where(whose).values(renewed_at=now))
        return
    values = {"user_id": actor.user_id, "since": now, "renewed_at": now}
    if claim is not None:
        await conn.execute(update(case_claims).where(whose).values(**values))
    elif not await _insert(conn, {"incident_id": case["incident_id"], **values}):
        return  # two at once: the other was first
    if taken is Step.TAKES_OVER and claim is not None:
        await _record_takeover(conn, actor, case, claim, now)
    await _tell(conn, case, now)


async def _insert(conn: AsyncConnection, row: Record) -> bool:
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    done = await conn.execute(dialect.insert(case_claims).values(**row).on_conflict_do_nothing())
    return bool(done.rowcount)


async def _record_takeover(conn: AsyncConnection, actor: Actor, case: Record, claim: Record, now: datetime) -> None:
    name = (await conn.execute(select(users.c.username).where(users.c.user_id == claim["user_id"]))).scalar_one()
    await chain.record(
        conn,
        actor=actor.name,
        action="incident.claim_taken_over",
        object_kind="incident",
        object_id=case["incident_id"],
        detail={"from": name, "since": at_text(claim["since"])},
        at=now,
    )


async def _leave_one(conn: AsyncConnection, actor: Actor, claim: Record | None, now: datetime) -> None:
    """The own claim ends. What is somebody else's by now is left as it is."""
    if claim is None or str(claim["user_id"]) != actor.user_id:
        return
    await conn.execute(delete(case_claims).where(case_claims.c.incident_id == claim["incident_id"]))
    await _tell(conn, claim, now)


async def _forget_lapsed(conn: AsyncConnection, actor: Actor, now: datetime) -> None:
    """The own ones that nobody left: their page was closed, or the network was away."""
    mine = case_claims.c.user_id == actor.user_id, case_claims.c.renewed_at <= now - LAPSES
    ids = (await conn.execute(skip_taken(select(case_claims.c.incident_id).where(*mine)))).scalars().all()
    if ids:
        await conn.execute(delete(case_claims).where(among(conn, case_claims.c.incident_id, ids)))


async def _tell(conn: AsyncConnection, case: Record, now: datetime) -> None:
    """The claim of a case as it is now, to whoever may see the case."""
    one = await _views(conn, _alive(now).where(case_claims.c.incident_id == case["incident_id"]), now)
    body = one[0] if one else {"incident_id": case["incident_id"], "by": None, "since": None, "lapses_in_s": None}
    await events.append(conn, kind="claim", area_path=case["area_path"], body={"claim": body}, at=now)


def _alive(now: datetime) -> Select[Any]:
    """Claims with who has them, of cases that still wait for a desk."""
    return (
        select(case_claims, users.c.display_name, users.c.role)
        .join(users, users.c.user_id == case_claims.c.user_id)
        .join(incidents, incidents.c.incident_id == case_claims.c.incident_id)
        .where(incidents.c.state.in_(sorted(WAITS_FOR_DESK)))
        .where(case_claims.c.renewed_at > now - LAPSES, case_claims.c.renewed_at <= now + LAPSES)
        .order_by(case_claims.c.incident_id)
    )


async def _views(conn: AsyncConnection, query: Select[Any], now: datetime) -> list[Record]:
    """`lapses_in_s`: when to ask again whether it still stands."""
    return [
        {
            "incident_id": claim["incident_id"],
            "by": {"user_id": claim["user_id"], "display_name": claim["display_name"], "role": claim["role"]},
            "since": at_text(claim["since"]),
            "lapses_in_s": (claim["renewed_at"] + LAPSES - now).total_seconds(),
        }
        for claim in (await conn.execute(query)).mappings()
    ]

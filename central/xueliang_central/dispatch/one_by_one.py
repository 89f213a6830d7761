"""Several cases in one request, each for itself: in a transaction of its own, with an outcome of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from xueliang_central.dispatch.publishing import changing
from xueliang_central.errors import CentralError, Conflict, MoveRefused, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import Change, Rulebook
from xueliang_central.rights.scope import Actor, may_see
from xueliang_central.store.database import Database

Record = dict[str, Any]
Act = Callable[[Change, Record, int], Awaitable[None]]


async def outcome_of(
    act: Callable[[], Awaitable[None]], *, refusals: tuple[type[CentralError], ...] = (MoveRefused,)
) -> tuple[str, CentralError | None]:
    """What came of one of several: done, or not_found, conflict or refused with the error that says why.

    Args:
        act: all that is done with it, its transaction included.
        refusals: what counts as refused; any other error is the caller's.
    """
    try:
        await act()
    except NotFound as error:
        return "not_found", error
    except Conflict as error:
        return "conflict", error
    except refusals as error:
        return "refused", error
    return "done", None


async def each(
    database: Database,
    rulebook: Rulebook,
    wall: Callable[[], datetime],
    actor: Actor,
    cases: Sequence[tuple[str, int]],
    act: Act,
) -> list[Record]:
    """One outcome for each (incident_id, version), in the order asked: incident_id, outcome (done, conflict, refused or
    not_found), and unless done: `detail`, with `number`, `state` and `version` as they are now.

    Args:
        act: what is done with an incident that is locked and in the actor's areas; raises NotFound, Conflict,
            MoveRefused.

    Raises:
        MoveRefused: nothing was done: an incident is named twice.
        NotSignedIn: the account was changed while it went through the cases; nothing was done with the rest.
    """
    if len(dict(cases)) != len(cases):
        raise MoveRefused("an incident is named twice")
    outcomes: list[Record] = []
    for incident_id, version in cases:
        incident: Record = {}

        async def one(incident_id: str = incident_id, version: int = version, incident: Record = incident) -> None:
            async with changing(database, rulebook, wall, actor=actor) as change:
                incident.update(await incidents.load(change.conn, incident_id, lock=True))
                if not may_see(actor, incident["area_path"]):
                    raise NotFound("incident")
                await act(change, incident, version)

        outcome, error = await outcome_of(one)
        found: Record = {"incident_id": incident_id, "outcome": outcome}
        if error is None:
            outcomes.append({**found, "number": incident["number"]})
        elif outcome == "not_found":
            outcomes.append({**found, "detail": error.detail})
        else:
            now = {name: incident[name] for name in ("number", "state", "version")}
            alone = {"stands_alone": bool(error.extra.get("alone"))}
            outcomes.append({**found, "detail": error.detail, **now, **alone})
    return outcomes

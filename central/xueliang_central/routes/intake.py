"""HTTP only: signals of sensors and stations, signed with the source's key; the register of sources."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Final, NoReturn

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from xueliang_alerts.contract import NotUnderstood
from xueliang_alerts.topics import station_topic
from xueliang_central.centre import centre_of
from xueliang_central.dispatch.publishing import changing
from xueliang_central.errors import Conflict, NotSignedIn, Throttled
from xueliang_central.incidents.views import at_text
from xueliang_central.intake import service, signing
from xueliang_central.intake.over_mqtt import refused_over_mqtt
from xueliang_central.intake.sources import source_of
from xueliang_central.intake.tables import sources
from xueliang_central.rights.policy import Permission, declare, require
from xueliang_central.rights.scope import Actor, scoped
from xueliang_central.routes.asking import SAME_AGAIN, rulebook_of
from xueliang_central.routes.rates import Rates

router: Final = APIRouter(prefix="/api/intake", tags=["intake"])

PER_SECOND: Final = 2.0  # a station that tells more often measures; it does not alarm
BURST: Final = 60.0
_NOT_GENUINE: Final = "the signature, its time or the source is not right"
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "description": "A signal: docs/intake.md"}}},
    }
}


async def require_source(request: Request) -> dict[str, Any]:
    """The row of the source whose signature the body carries; 401 otherwise, in the same words whatever is wrong.

    What is refused here is counted by reason and not kept: strangers can send as much as they like.
    """
    headers, centre = request.headers, centre_of(request)
    source_id = headers.get(signing.SOURCE_HEADER, "")
    timestamp, signature = headers.get(signing.TIME_HEADER, ""), headers.get(signing.SIGNATURE_HEADER, "")
    body, intake_key = await request.body(), _intake_key(request)
    async with centre.database.reading() as conn:
        source = await source_of(conn, source_id[:40])
    version = source["key_version"] if source is not None else 0
    key = signing.key_of(intake_key or b"", source_id, version)  # worked out for strangers too: the same time
    is_genuine = signing.is_genuine(key, timestamp, source_id, body, signature)
    if intake_key is None:
        _refuse(request, "no_intake_key")
    if source is None:
        _refuse(request, "unknown_source")
    if not is_genuine:
        _refuse(request, "bad_signature")
    if source["disabled"]:
        _refuse(request, "disabled")
    if not signing.is_recent(timestamp, centre.wall()):
        _refuse(request, "outside_window")
    wait_s = _rates(request).wait_s(source_id)
    if wait_s:
        refused_of(request)["throttled"] += 1
        raise Throttled("this source tells too much", retry_after_s=wait_s)
    return source


declare(require_source, Permission.SOURCE)


@router.post("/signals", status_code=201, responses=SAME_AGAIN, openapi_extra=_BODY)
async def post_signal(
    request: Request, response: Response, source: Annotated[dict[str, Any], Depends(require_source)]
) -> dict[str, Any]:
    """Take one signal; answered after its incident is committed. The same again: 200 and the same answer.

    422 `signal_refused`: it was kept in quarantine with this reason. 409: its key came before with other content.
    """
    centre, body = centre_of(request), await request.body()
    try:
        signal, place = service.understand(source, body, centre.wall())
        async with changing(centre.database, rulebook_of(request), centre.wall) as change:
            taken = await service.take_signal(change, source, signal, place, body)
    except (NotUnderstood, Conflict) as error:
        reason = error.reason if isinstance(error, NotUnderstood) else error.detail
        await service.quarantined(centre.database, source["source_id"], body, reason, centre.wall())
        if isinstance(error, Conflict):
            raise
        raise service.SignalRefused(reason) from error
    if taken.is_repeated:
        response.status_code = 200
    return {"sighting_id": taken.sighting_id, "incident_number": taken.number, "why_folded": taken.why_folded}


@router.get("/sources")
async def list_sources(
    request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_FLEET))]
) -> dict[str, Any]:
    """Sources of the actor's areas, the topic of each, and when it was last heard; without keys. `refused`: over the
    webhook, by this process since it started; `refused_over_mqtt`: by all, since the centre was set up."""
    query = scoped(select(sources), sources.c.area_path, actor).order_by(sources.c.source_id)
    async with centre_of(request).database.reading() as conn:
        rows = [dict(row) for row in (await conn.execute(query)).mappings()]
        over_mqtt = await refused_over_mqtt(conn)
    names = ("source_id", "name", "area_code", "longitude", "latitude", "key_version", "disabled")
    times = ("registered_at", "last_heard_at")
    items = [{name: row[name] for name in names} | {name: at_text(row[name]) for name in times} for row in rows]
    for item in items:
        item["topic"] = station_topic(item["source_id"])
    return {
        "sources": items,
        "refused": dict(sorted(refused_of(request).items())),
        "refused_over_mqtt": dict(sorted(over_mqtt.items())),
    }


def _refuse(request: Request, reason: str) -> NoReturn:
    refused_of(request)[reason] += 1
    raise NotSignedIn(_NOT_GENUINE)


def refused_of(request: Request) -> Counter[str]:
    """What was refused before it was read, by reason, since this process started."""
    state = request.app.state
    found: Counter[str] | None = getattr(state, "intake_refused", None)
    if found is None:
        found = state.intake_refused = Counter()
    return found


def _rates(request: Request) -> Rates:
    state = request.app.state
    found: Rates | None = getattr(state, "intake_rates", None)
    if found is None:
        found = state.intake_rates = Rates(centre_of(request).mono, per_second=PER_SECOND, burst=BURST)
    return found


def _intake_key(request: Request) -> bytes | None:
    """Read once there is one: until the first source is added there is none."""
    state = request.app.state
    found: bytes | None = getattr(state, "intake_key", None)
    if found is None:
        found = state.intake_key = signing.read_key(centre_of(request).settings.data_dir / signing.FILE_NAME)
    return found

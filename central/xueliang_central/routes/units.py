"""HTTP only: a lane's managing unit replies, by its link or by the gateway that takes its short messages and keys."""

from __future__ import annotations

import asyncio
import hmac
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.centre import centre_of
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.unit_replies import Reply, reply
from xueliang_central.errors import MoveRefused, NotFound, NotSignedIn, Throttled
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.states import WITH_UNIT
from xueliang_central.intake.signing import FILE_NAME, read_key
from xueliang_central.rights.policy import Permission, declare
from xueliang_central.routes.asking import Words, rulebook_of
from xueliang_central.routes.rates import Rates
from xueliang_central.units import links, replies_by_text, requests

router: Final = APIRouter(prefix="/api", tags=["units"])

LINK_LASTS: Final = timedelta(days=7)  # what came of a request is shown so long after it was told
PER_SECOND, BURST = 0.2, 10.0  # answers of one number: nobody guesses a code
_MESSAGE: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}-[0-9]{1,2}$"


async def require_unit(request: Request) -> str:
    """The request_id of the link whose token came as `Authorization: Bearer …`; 401 otherwise."""
    token = _bearer(request)
    key = await asyncio.to_thread(read_key, centre_of(request).settings.data_dir / FILE_NAME)
    request_id = None if key is None else links.request_of(key, token)
    if request_id is None:
        raise NotSignedIn("no managing unit has this link")
    return request_id


async def require_gateway(request: Request) -> None:
    """The gateway of centre.yaml, by its token; 401 otherwise."""
    wanted = centre_of(request).settings.notices.unit_reply_token
    token = _bearer(request)
    if wanted is None or not hmac.compare_digest(token.encode(), wanted.get_secret_value().encode()):
        raise NotSignedIn("no gateway has this token")


declare(require_unit, Permission.UNIT)
declare(require_gateway, Permission.GATEWAY)


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn("a token is needed")
    return token.strip()


class UnitReplyBody(BaseModel):
    """What the unit says: we clear it ourselves, done, or we cannot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reply: Literal["clears", "done", "cannot"]
    note: Annotated[Words | None, Field(max_length=200)] = None


class GatewayReplyBody(BaseModel):
    """A short message or a key pressed in a call. Either `key` or `sender` says of which request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, Field(max_length=200, description='"1" we clear it, "2" we cannot, "3" done; then the code.')]
    key: Annotated[
        str | None, Field(pattern=_MESSAGE, description="The {key} of the message or call that is answered.")
    ] = None
    sender: Annotated[
        str | None, Field(min_length=3, max_length=25, description="The number; the text must hold the code then.")
    ] = None


@router.get("/unit-request")
async def get_unit_request(request: Request, request_id: Annotated[str, Depends(require_unit)]) -> dict[str, Any]:
    """What the unit was asked: lane, place, hazard, state, its limits and what it may say. That the link was opened is
    recorded once."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        view, is_new = await _shown(request, conn, request_id)
    if is_new:
        async with centre.database.transaction() as conn:
            await requests.note_opened(conn, request_id, centre.wall())
    return view


@router.post("/unit-request/replies")
async def post_unit_reply(
    request: Request, body: UnitReplyBody, request_id: Annotated[str, Depends(require_unit)]
) -> dict[str, Any]:
    """Answers with the request after it; the same again changes nothing. 422: not possible any more."""
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall) as change:
        await _shown(request, change.conn, request_id)
        await reply(change, request_id, Reply(body.reply, "link", body.note))
    async with centre.database.reading() as conn:
        view, _ = await _shown(request, conn, request_id)
    return view


@router.post("/unit-replies")
async def post_gateway_reply(
    request: Request, body: GatewayReplyBody, _gateway: Annotated[None, Depends(require_gateway)]
) -> dict[str, Any]:
    """Hand in what a unit has answered; the same again changes nothing. 404: no request waits for this. 422: the text
    is no answer, or it is not possible any more."""
    said = replies_by_text.read(body.text)
    if said is None:
        raise MoveRefused('expected "1", "2" or "3" and the code of the message, "1 4821"')
    centre = centre_of(request)
    async with changing(centre.database, rulebook_of(request), centre.wall) as change:
        request_id = await _meant(request, change.conn, body, said)
        await reply(change, request_id, Reply(said.answer, "gateway"))
        found = await requests.find(change.conn, request_id)
        incident = await incidents.load(change.conn, found["incident_id"])
    return {"reply": said.answer, "number": incident["number"], "state": incident["state"]}


async def _meant(request: Request, conn: Any, body: GatewayReplyBody, said: replies_by_text.Said) -> str:
    """Which request is answered. Raises NotFound, MoveRefused, Throttled."""
    if body.key is not None:
        found = await requests.of_notice(conn, body.key.rpartition("-")[0])
        if found is None:
            raise NotFound("unit request")
        return found
    if body.sender is None or said.code is None:
        raise MoveRefused("expected the key of the message, or sender and the code in the text")
    wait_s = _rates(request).wait_s(requests.digits(body.sender))
    if wait_s:
        raise Throttled("this number answers too much", retry_after_s=wait_s)
    waiting = await requests.answerable(conn, body.sender, said.code)
    if not waiting:
        raise NotFound("unit request")
    if len(waiting) > 1:
        raise MoveRefused("two requests of this number have this code: reply by the link")
    return str(waiting[0]["request_id"])


async def _shown(request: Request, conn: Any, request_id: str) -> tuple[dict[str, Any], bool]:
    """The request as its unit sees it, and whether its link was never opened. Raises NotFound, also when it is old."""
    centre = centre_of(request)
    found = await requests.find(conn, request_id)
    incident = await incidents.load(conn, found["incident_id"])
    if incident["state"] not in WITH_UNIT and centre.wall() - found["told_at"] > LINK_LASTS:
        raise NotFound("unit request")
    return requests.unit_view(centre.areas.tree, found, incident), found["opened_at"] is None


def _rates(request: Request) -> Rates:
    state = request.app.state
    found: Rates | None = getattr(state, "unit_rates", None)
    if found is None:
        found = state.unit_rates = Rates(centre_of(request).mono, per_second=PER_SECOND, burst=BURST)
    return found

"""HTTP only: to the identity provider and back. A browser goes here: what fails is told by the sign-in page."""

from __future__ import annotations

import logging
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from xueliang_central.audit import chain
from xueliang_central.centre import Centre, centre_of
from xueliang_central.errors import NotFound, SignOnFailed
from xueliang_central.rights import accounts, people, single_sign_on
from xueliang_central.rights.policy import public
from xueliang_central.rights.single_sign_on import TRIP_COOKIE, TRIP_LASTS, Provider
from xueliang_central.rights.tables import users
from xueliang_central.rights.throttle import Limit, count_attempt, subject_hash
from xueliang_central.routes.accounts import address_of, device_of, keep_in_browser
from xueliang_central.routes.guard import TARGET_LIMIT

log = logging.getLogger(__name__)

router: Final = APIRouter(prefix="/api/session", tags=["session"])

_LONGEST: Final = TARGET_LIMIT  # of what comes back in the address: a code cut short is a wrong one
# Anybody can begin a trip and end it with a made-up answer: so many refusals of an address come into the audit chain,
# which is never cut; the log says every one.
_RECORDS: Final = Limit(free=60, cap_s=60)


class Ways(BaseModel):
    single_sign_on: bool = Field(description="Whether people may sign in at an identity provider.")
    label: str = Field(description="What its button says; empty: a word of the console's own.")


@router.get("/ways", dependencies=[Depends(public)])
async def ways(request: Request) -> Ways:
    """How people may sign in here, beside a local account."""
    provider = centre_of(request).provider
    return Ways(single_sign_on=provider is not None, label=provider.settings.label if provider else "")


@router.get("/oidc", dependencies=[Depends(public)], status_code=303, response_class=Response)
async def depart(request: Request) -> Response:
    """Send this browser to the identity provider; back to the sign-in page when that cannot be asked."""
    centre = centre_of(request)
    provider = _provider(centre)
    try:
        endpoint = await provider.authorization_endpoint()
    except SignOnFailed as error:
        return _failed(error)
    async with centre.database.transaction() as conn:
        trip = await provider.depart(conn, endpoint, centre.wall())
    answer = RedirectResponse(trip.url, status_code=303)
    answer.set_cookie(
        TRIP_COOKIE,
        trip.browser,
        max_age=int(TRIP_LASTS.total_seconds()),
        path="/api/session/oidc",
        httponly=True,
        secure=centre.settings.secure_cookie,
        samesite="lax",  # it must come along when the provider sends the browser back
    )
    return answer


@router.get("/oidc/callback", dependencies=[Depends(public)], status_code=303, response_class=Response)
async def arrive(request: Request) -> Response:
    """Where the provider sends browsers back: to the console with a session, or to the sign-in page with what is
    asked next, or with why not (`/login?sso=` unavailable, nonsense, refused, stale, unregistered)."""
    centre = centre_of(request)
    provider = _provider(centre)
    try:
        answer = await _arrived(centre, provider, request)
    except SignOnFailed as error:
        answer = _failed(error)
        if error.reason != "stale":  # anybody can call this address; only a trip of ours is worth a record
            await _record(centre, error, address_of(request))
    answer.delete_cookie(TRIP_COOKIE, path="/api/session/oidc", httponly=True, samesite="lax")
    return answer


async def _arrived(centre: Centre, provider: Provider, request: Request) -> Response:
    came = {name: request.query_params.get(name, "")[:_LONGEST] for name in ("state", "code", "error", "iss")}
    browser = request.cookies.get(TRIP_COOKIE, "")[:_LONGEST]
    async with centre.database.transaction() as conn:
        verifier, nonce = await single_sign_on.arrive(conn, state=came["state"], browser=browser, at=centre.wall())
    if came["iss"] and came["iss"] != provider.settings.issuer:
        raise SignOnFailed("nonsense", "the answer is of another provider")
    if came["error"] or not came["code"]:
        raise SignOnFailed("refused", f"the provider says {came['error'][:80]!r}")
    holder = await provider.holder_of(came["code"], verifier=verifier, nonce=nonce, at=centre.wall())
    async with centre.database.transaction() as conn:
        found = await people.people_where(conn, users.c.holder == holder)
        if not found:
            raise SignOnFailed("unregistered", f"no account that may sign in has the holder {holder[:128]!r}")
        done = await accounts.go_on(
            conn,
            user_id=found[0].user_id,
            name=found[0].username,
            way="oidc",
            address=address_of(request),
            device=device_of(request),
            at=centre.wall(),
        )
    asked = isinstance(done, accounts.SecondStep)
    answer = RedirectResponse("/login?sso=code" if asked else "/login?sso=done", status_code=303)
    keep_in_browser(centre, answer, done)
    return answer


async def _record(centre: Centre, error: SignOnFailed, address: str) -> None:
    async with centre.database.transaction() as conn:
        if await count_attempt(conn, {subject_hash("sign_on", address): _RECORDS}, centre.wall()):
            return
        await chain.record(
            conn,
            actor="system",
            action="session.refused",
            object_kind="sign_on",
            object_id=error.reason,
            detail={"address": address, "why": error.detail},
            at=centre.wall(),
        )


def _provider(centre: Centre) -> Provider:
    if centre.provider is None:
        raise NotFound
    return centre.provider


def _failed(error: SignOnFailed) -> Response:
    log.warning("single sign-on failed, %s: %s", error.reason, error.detail)
    return RedirectResponse(f"/login?sso={error.reason}", status_code=303)

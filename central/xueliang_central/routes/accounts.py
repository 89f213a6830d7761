"""HTTP only: sign in, who am I, sign out."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from xueliang_central.areas.tree import brief
from xueliang_central.audit import chain
from xueliang_central.centre import Centre, centre_of
from xueliang_central.errors import NotSignedIn
from xueliang_central.rights import accounts
from xueliang_central.rights.people import person_of
from xueliang_central.rights.policy import Permission, public, require
from xueliang_central.rights.scope import Actor

router: Final = APIRouter(prefix="/api/session", tags=["session"])


class Credentials(BaseModel):
    username: str = Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")
    password: str = Field(min_length=1, max_length=256)


class AreaBrief(BaseModel):
    code: str
    name: str
    name_en: str
    level: str


class User(BaseModel):
    user_id: str
    username: str
    display_name: str
    role: str
    area: AreaBrief


class Session(BaseModel):
    user: User
    csrf: str = Field(description="Send it as X-CSRF-Token with every unsafe method.")


async def _session(centre: Centre, user_id: str, token: str) -> Session:
    async with centre.database.reading() as conn:
        person = await person_of(conn, user_id)
    if person is None:
        raise NotSignedIn
    area = centre.areas.tree.find(person.area_code)
    named = (
        AreaBrief(**brief(area))
        if area is not None
        else AreaBrief(code=person.area_code, name=person.area_code, name_en=person.area_code, level="unknown")
    )
    user = User(
        user_id=person.user_id,
        username=person.username,
        display_name=person.display_name,
        role=person.role.value,
        area=named,
    )
    return Session(user=user, csrf=accounts.csrf_of(token))


@router.post("", dependencies=[Depends(public)])
async def sign_in(credentials: Credentials, request: Request, response: Response) -> Session:
    """Sign in: sets the session cookie. 401 for a wrong name or password alike, 429 with Retry-After when
    throttled."""
    centre = centre_of(request)
    signed_in = await accounts.sign_in(
        centre.database,
        username=credentials.username,
        password=credentials.password,
        address=request.client.host if request.client else "unknown",
        device=request.cookies.get(accounts.DEVICE_COOKIE, "")[:200],
        at=centre.wall(),
    )
    secure = centre.settings.secure_cookie
    response.set_cookie(
        accounts.SESSION_COOKIE,
        signed_in.token,
        max_age=int(accounts.SESSION_LASTS.total_seconds()),
        httponly=True,
        secure=secure,
        samesite="strict",
    )
    response.set_cookie(
        accounts.DEVICE_COOKIE,
        signed_in.device,
        max_age=int(accounts.DEVICE_LASTS.total_seconds()),
        path="/api/session",
        httponly=True,
        secure=secure,
        samesite="strict",
    )
    return await _session(centre, signed_in.user_id, signed_in.token)


@router.get("")
async def who_am_i(request: Request, actor: Annotated[Actor, Depends(require(Permission.SIGNED_IN))]) -> Session:
    """The person behind the cookie, and the CSRF token."""
    return await _session(centre_of(request), actor.user_id, request.cookies[accounts.SESSION_COOKIE])


@router.delete("", status_code=204)
async def sign_out(
    request: Request, response: Response, actor: Annotated[Actor, Depends(require(Permission.SIGNED_IN))]
) -> None:
    """Sign out: the session ends at once, everywhere."""
    centre = centre_of(request)
    async with centre.database.transaction() as conn:
        await accounts.sign_out(conn, request.cookies[accounts.SESSION_COOKIE])
        await chain.record(
            conn,
            actor=actor.name,
            action="session.closed",
            object_kind="user",
            object_id=actor.user_id,
            detail={},
            at=centre.wall(),
        )
    response.delete_cookie(accounts.SESSION_COOKIE, httponly=True, samesite="strict")

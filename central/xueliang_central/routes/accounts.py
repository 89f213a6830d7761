"""HTTP only: sign in (in one step or two), who am I, sign out."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.areas.tree import brief
from xueliang_central.audit import chain
from xueliang_central.centre import Centre, centre_of
from xueliang_central.errors import NotSignedIn
from xueliang_central.rights import accounts, second_factor
from xueliang_central.rights.administrators import must_enrol
from xueliang_central.rights.own_password import change_own
from xueliang_central.rights.passwords import MAX_PASSWORD, MIN_PASSWORD
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


class SecondFactor(BaseModel):
    is_enrolled: bool
    must_enrol: bool = Field(description="Nothing but enrolling one, and signing out, is allowed to this person now.")
    recovery_codes_left: int


class Session(BaseModel):
    user: User
    second_factor: SecondFactor
    csrf: str = Field(description="Send it as X-CSRF-Token with every unsafe method.")


class SecondStepAsked(BaseModel):
    """The password was right; a code is asked now (`POST /api/session/code`). No session yet."""

    second_step: Literal[True] = True
    expires_in_s: int = int(accounts.SECOND_LASTS.total_seconds())


class Code(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str = Field(min_length=1, max_length=64, description="Six digits of the app, or a recovery code.")


async def session_of(centre: Centre, user_id: str, token: str) -> Session:
    async with centre.database.reading() as conn:
        person = await person_of(conn, user_id)
        factor = await second_factor.standing_of(conn, user_id)
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
    demanded = centre.settings.second_factor
    shown = SecondFactor(
        is_enrolled=factor.is_enrolled,
        must_enrol=must_enrol(person.role, demanded=demanded, has_second_factor=factor.is_enrolled),
        recovery_codes_left=factor.recovery_codes_left,
    )
    return Session(user=user, second_factor=shown, csrf=accounts.csrf_of(token))


@router.post("", dependencies=[Depends(public)])
async def sign_in(credentials: Credentials, request: Request, response: Response) -> Session | SecondStepAsked:
    """Sign in: sets the session cookie, or the cookie of the second step for whoever has enrolled a second factor.
    401 for a wrong name or password alike, 429 with Retry-After when throttled."""
    centre = centre_of(request)
    signed_in = await accounts.sign_in(
        centre.database,
        username=credentials.username,
        password=credentials.password,
        address=address_of(request),
        device=device_of(request),
        at=centre.wall(),
    )
    keep_in_browser(centre, response, signed_in)
    if isinstance(signed_in, accounts.SecondStep):
        return SecondStepAsked()
    return await session_of(centre, signed_in.user_id, signed_in.token)


@router.post("/code", dependencies=[Depends(public)])
async def second_step(given: Code, request: Request, response: Response) -> Session:
    """The second step: a code of the app or a recovery code. 422 wrong_code, 401 when the first step is over."""
    centre = centre_of(request)
    signed_in = await accounts.second_step(
        centre.database,
        centre.seal,
        token=request.cookies.get(accounts.SECOND_COOKIE, "")[:200],
        code=given.code,
        address=address_of(request),
        device=device_of(request),
        at=centre.wall(),
    )
    keep_in_browser(centre, response, signed_in)
    response.delete_cookie(accounts.SECOND_COOKIE, path="/api/session", httponly=True, samesite="strict")
    return await session_of(centre, signed_in.user_id, signed_in.token)


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def device_of(request: Request) -> str:
    return request.cookies.get(accounts.DEVICE_COOKIE, "")[:200]


def keep_in_browser(centre: Centre, response: Response, done: accounts.SignedIn | accounts.SecondStep) -> None:
    """The cookies that a step of signing in leaves: out of reach of scripts, never sent for another site."""
    secure = centre.settings.secure_cookie
    if isinstance(done, accounts.SecondStep):
        response.set_cookie(
            accounts.SECOND_COOKIE,
            done.token,
            max_age=int(accounts.SECOND_LASTS.total_seconds()),
            path="/api/session",
            httponly=True,
            secure=secure,
            samesite="strict",
        )
        return
    response.set_cookie(
        accounts.SESSION_COOKIE,
        done.token,
        max_age=int(done.lasts.total_seconds()),
        httponly=True,
        secure=secure,
        samesite="strict",
    )
    response.set_cookie(
        accounts.DEVICE_COOKIE,
        done.device,
        max_age=int(accounts.DEVICE_LASTS.total_seconds()),
        path="/api/session",
        httponly=True,
        secure=secure,
        samesite="strict",
    )


@router.get("")
async def who_am_i(request: Request, actor: Annotated[Actor, Depends(require(Permission.SIGNED_IN))]) -> Session:
    """The person behind the cookie, and the CSRF token."""
    return await session_of(centre_of(request), actor.user_id, request.cookies[accounts.SESSION_COOKIE])


class OwnPassword(BaseModel):
    model_config = ConfigDict(extra="forbid")

    old: str = Field(min_length=1, max_length=MAX_PASSWORD)
    new: str = Field(min_length=1, max_length=MAX_PASSWORD, description=f"{MIN_PASSWORD} to {MAX_PASSWORD} characters.")


class PasswordChanged(BaseModel):
    sessions_ended: int = Field(description="Other sessions of this person, which have ended. This one goes on.")


@router.post("/password")
async def change_own_password(
    given: OwnPassword, request: Request, actor: Annotated[Actor, Depends(require(Permission.SIGNED_IN))]
) -> PasswordChanged:
    """Change the own password. 422 `wrong_old_password` or `password_refused` (`reason`: length, same, holds_name,
    too_simple), 429 with Retry-After after too many wrong old ones."""
    centre = centre_of(request)
    ended = await change_own(
        centre.database,
        actor,
        old=given.old,
        new=given.new,
        keep=accounts.token_hash(request.cookies[accounts.SESSION_COOKIE]),
        at=centre.wall(),
    )
    return PasswordChanged(sessions_ended=ended)


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

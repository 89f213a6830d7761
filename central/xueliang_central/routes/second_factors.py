"""HTTP only: a person's own second factor. Taking one away is a security administrator's: routes/users.py."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from xueliang_central.centre import centre_of
from xueliang_central.rights import accounts, second_factor
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.accounts import Code

router: Final = APIRouter(prefix="/api/session/second-factor", tags=["session"])

Self = Annotated[Actor, Depends(require(Permission.SIGNED_IN))]


class Enrolment(BaseModel):
    secret: str = Field(description="Base32, for whoever cannot scan. Shown this once.")
    uri: str = Field(description="otpauth://… as an authenticator app scans it. Shown this once.")


class RecoveryCodes(BaseModel):
    recovery_codes: list[str] = Field(description="Each signs in once in place of a code. Shown this once.")


@router.post("")
async def start(request: Request, actor: Self) -> Enrolment:
    """Begin to enrol: a new secret, which counts once a code of it was confirmed. 409 when one is enrolled."""
    centre = centre_of(request)
    async with acting(centre.database, actor, changes=actor.user_id) as conn:
        made = await second_factor.start(
            conn, centre.seal, user_id=actor.user_id, username=actor.name, at=centre.wall()
        )
    return Enrolment(secret=made.secret, uri=made.uri)


@router.post("/confirm")
async def confirm(given: Code, request: Request, actor: Self) -> RecoveryCodes:
    """The first code: the factor counts from now on, and every other session of this person ends."""
    centre = centre_of(request)
    codes = await second_factor.confirm(
        centre.database,
        centre.seal,
        actor,
        code=given.code,
        keep=accounts.token_hash(request.cookies[accounts.SESSION_COOKIE]),
        at=centre.wall(),
    )
    return RecoveryCodes(recovery_codes=list(codes))


@router.post("/recovery-codes")
async def renew_recovery_codes(given: Code, request: Request, actor: Self) -> RecoveryCodes:
    """New recovery codes for a code of the app; those before count no more."""
    centre = centre_of(request)
    codes = await second_factor.renew_codes(centre.database, centre.seal, actor, code=given.code, at=centre.wall())
    return RecoveryCodes(recovery_codes=list(codes))

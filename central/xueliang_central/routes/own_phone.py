"""HTTP only: a phone enrols, goes on by its key; and the own phones of a person."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.areas.tree import brief
from xueliang_central.centre import centre_of
from xueliang_central.rights import accounts, enrolling, phones, renewing
from xueliang_central.rights.acting import acting
from xueliang_central.rights.phone_keys import PhoneKey
from xueliang_central.rights.policy import Permission, public, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.accounts import AreaBrief, Session, address_of, device_of, keep_in_browser, session_of
from xueliang_central.routes.phones import Phone

router: Final = APIRouter(prefix="/api/session", tags=["phones"])

Self = Annotated[Actor, Depends(require(Permission.SIGNED_IN))]
_Code = Annotated[str, Field(min_length=1, max_length=64, description="As the supervisor's page shows it.")]
_Signature = Annotated[str, Field(min_length=86, max_length=88, description="ECDSA P-256 with SHA-256, r || s.")]
_Coordinate = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
_PhoneId = Annotated[str, Field(min_length=1, max_length=36)]


class PhoneCode(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: _Code


class WhosePhone(BaseModel):
    """Whose phone it would be."""

    display_name: str
    area: AreaBrief | None


class PublicKey(BaseModel):
    """P-256, as a JWK writes it."""

    model_config = ConfigDict(extra="forbid")

    x: _Coordinate
    y: _Coordinate


class Enrol(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: _Code
    key: PublicKey
    signature: _Signature = Field(description='Of "xueliang phone enrol\\n" and the code without dashes.')
    name: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]
    second: Annotated[str, Field(max_length=64, description="A code of the second factor, where there is one.")] = ""


class Enrolled(BaseModel):
    phone_id: str
    session: Session


class WhichPhone(BaseModel):
    model_config = ConfigDict(extra="forbid")

    phone_id: _PhoneId


class Challenge(BaseModel):
    challenge: str


class Renewal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    phone_id: _PhoneId
    challenge: Annotated[str, Field(min_length=1, max_length=64)]
    signature: _Signature = Field(description='Of "xueliang phone renew\\n", the phone_id, "\\n", the challenge.')


class OwnPhone(Phone):
    is_this: bool = Field(description="The session that asks is of this phone.")


class OwnPhones(BaseModel):
    phones: list[OwnPhone]


@router.post("/phone/whose", dependencies=[Depends(public)])
async def whose_phone(given: PhoneCode, request: Request) -> WhosePhone:
    """Whose phone a code enrols; it is not used up. 422 enrolment_over, 429 with Retry-After when throttled."""
    centre = centre_of(request)
    person = await enrolling.whose(centre.database, given.code, address=address_of(request), at=centre.wall())
    area = centre.areas.tree.find(person.area_code)
    return WhosePhone(display_name=person.display_name, area=None if area is None else AreaBrief(**brief(area)))


@router.post("/phone/enrol", dependencies=[Depends(public)])
async def enrol_phone(given: Enrol, request: Request, response: Response) -> Enrolled:
    """Bind this phone to the worker: sets the session cookie. The same code and key once more within its ten minutes:
    the same phone_id, and another session. 422 enrolment_over, phone_refused, code_needed,
    wrong_code; 429 when throttled."""
    centre = centre_of(request)
    signed_in, phone_id = await enrolling.enrol(
        centre.database,
        centre.seal,
        code=given.code,
        key=PhoneKey(given.key.x, given.key.y),
        signature=given.signature,
        name=given.name,
        second=given.second,
        address=address_of(request),
        device=device_of(request),
        at=centre.wall(),
    )
    keep_in_browser(centre, response, signed_in)
    return Enrolled(phone_id=phone_id, session=await session_of(centre, signed_in.user_id, signed_in.token))


@router.post("/phone/challenge", dependencies=[Depends(public)])
async def challenge_phone(given: WhichPhone, request: Request) -> Challenge:
    """What a bound phone is to sign within a minute. 401 phone_revoked."""
    centre = centre_of(request)
    return Challenge(challenge=await renewing.challenge(centre.database, given.phone_id, at=centre.wall()))


@router.post("/phone/renew", dependencies=[Depends(public)])
async def renew_session(given: Renewal, request: Request, response: Response) -> Session:
    """A new session of a bound phone: sets the session cookie. 401 phone_revoked, 422 phone_refused, 429."""
    centre = centre_of(request)
    signed_in = await renewing.renew(
        centre.database,
        phone_id=given.phone_id,
        given=given.challenge,
        signature=given.signature,
        address=address_of(request),
        device=device_of(request),
        at=centre.wall(),
    )
    keep_in_browser(centre, response, signed_in)
    return await session_of(centre, signed_in.user_id, signed_in.token)


@router.get("/phones")
async def list_own_phones(request: Request, actor: Self) -> OwnPhones:
    """The own phones, those bound now first."""
    async with centre_of(request).database.reading() as conn:
        found = await phones.phones_of(conn, actor.user_id)
        this = await phones.phone_of_session(conn, accounts.token_hash(request.cookies[accounts.SESSION_COOKIE]))
    return OwnPhones(phones=[OwnPhone(**asdict(one), is_this=one.phone_id == this) for one in found])


@router.delete("/phones/{phone_id}", status_code=204)
async def revoke_own_phone(phone_id: str, request: Request, actor: Self) -> None:
    """Take an own phone away, also this one."""
    centre = centre_of(request)
    async with acting(centre.database, actor, changes=actor.user_id) as conn:
        await phones.revoke(conn, actor.user_id, phone_id, by=actor.name, at=centre.wall())

"""HTTP only: a worker's phones, as a supervisor or who keeps the accounts enrols and takes them away."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from xueliang_central.centre import centre_of
from xueliang_central.rights import enrolling, keeping, phones
from xueliang_central.rights.acting import acting
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor

router: Final = APIRouter(prefix="/api/users", tags=["phones"])

Enroller = Annotated[Actor, Depends(require(Permission.ENROL_PHONES))]


class Phone(BaseModel):
    phone_id: str
    name: str = Field(description="The browser and the system, as the phone named them.")
    enrolled_at: datetime
    enrolled_by: str = Field(description="User name of who showed the code.")
    last_used_at: datetime = Field(description="When it last proved that it has its key: at most hourly.")
    revoked_at: datetime | None
    revoked_by: str | None


class WaitingCode(BaseModel):
    made_by: str
    expires_at: datetime


class PhonesOfWorker(BaseModel):
    waiting_code: WaitingCode | None = Field(description="One that no phone has used yet.")
    phones: list[Phone] = Field(description="Those bound now first; those taken away for 90 days.")


class ShownCode(BaseModel):
    code: str = Field(description="Shown this once. The phone opens /phone/enrol with it in the address's fragment.")
    expires_at: datetime
    origin: str | None = Field(description="The centre's public address; null: as the asking page was opened.")


@router.get("/{user_id}/phones")
async def list_phones(
    user_id: str, request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_PHONES))]
) -> PhonesOfWorker:
    """The phones of a worker of the own areas."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        account = await keeping.seen_account(conn, actor, user_id)
        waiting = await enrolling.waiting_code(conn, account.user_id, centre.wall())
        found = await phones.phones_of(conn, account.user_id)
    return PhonesOfWorker(
        waiting_code=None if waiting is None else WaitingCode(**asdict(waiting)),
        phones=[Phone(**asdict(one)) for one in found],
    )


@router.post("/{user_id}/phone-code", status_code=201)
async def make_phone_code(user_id: str, request: Request, actor: Enroller) -> ShownCode:
    """A code that enrols one phone of this worker within ten minutes; one that waited is void. 422 for an account that
    is disabled, or no worker's."""
    centre = centre_of(request)
    async with acting(centre.database, actor, changes=user_id) as conn:
        made = await enrolling.make_code(conn, actor, user_id, at=centre.wall())
    return ShownCode(code=made.code, expires_at=made.expires_at, origin=centre.settings.public_origin)


@router.delete("/{user_id}/phone-code", status_code=204)
async def void_phone_code(user_id: str, request: Request, actor: Enroller) -> None:
    """The code that waits is void."""
    centre = centre_of(request)
    async with acting(centre.database, actor, changes=user_id) as conn:
        await enrolling.void_code(conn, actor, user_id, at=centre.wall())


@router.delete("/{user_id}/phones/{phone_id}", status_code=204)
async def revoke_phone(user_id: str, phone_id: str, request: Request, actor: Enroller) -> None:
    """Take a phone away: its next request is answered 401 phone_revoked, and its event stream ends."""
    centre = centre_of(request)
    async with acting(centre.database, actor, changes=user_id) as conn:
        account = await keeping.others_account(conn, actor, user_id)
        await phones.revoke(conn, account.user_id, phone_id, by=actor.name, at=centre.wall())

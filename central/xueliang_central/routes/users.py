"""HTTP only: the accounts of a security administrator's areas. Nobody changes the own one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.areas.tree import brief
from xueliang_central.centre import Centre, centre_of
from xueliang_central.live_views import granting
from xueliang_central.rights import keeping
from xueliang_central.rights.acting import acting
from xueliang_central.rights.passwords import hash_password
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.routes.accounts import AreaBrief
from xueliang_central.routes.live_rights import LiveRight

router: Final = APIRouter(prefix="/api/users", tags=["users"])

Keeper = Annotated[Actor, Depends(require(Permission.MANAGE_ACCOUNTS))]
_Name = Annotated[str, Field(min_length=1, max_length=64)]
_Holder = Annotated[str, Field(min_length=1, max_length=128, description="The person's number; one has one account.")]
_Password = Annotated[str, Field(min_length=1, max_length=256)]


class Account(BaseModel):
    user_id: str
    username: str
    display_name: str
    role: str
    area_code: str
    area: AreaBrief | None = Field(description="Null: the register has this area no more.")
    holder: str | None
    disabled: bool
    created_at: datetime
    has_second_factor: bool
    breach: str | None = Field(description="Why it breaks the rule of the three administrators; null: it does not.")
    live_right: LiveRight | None = Field(description="Null: none, it has ended, or the role cannot have it.")


class Accounts(BaseModel):
    users: list[Account]


class NewAccount(BaseModel):
    model_config = ConfigDict(extra="forbid")

    username: _Name
    display_name: Annotated[str, Field(max_length=80)] = ""
    role: Role
    area_code: Annotated[str, Field(min_length=1, max_length=15)]
    holder: _Holder | None = None
    password: _Password


class Change(BaseModel):
    """What is not there stays."""

    model_config = ConfigDict(extra="forbid")

    display_name: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    role: Role | None = None
    area_code: Annotated[str, Field(min_length=1, max_length=15)] | None = None
    holder: _Holder | None = None
    password: _Password | None = None
    disabled: bool | None = None


def _told(centre: Centre, one: keeping.Account, rights: Mapping[str, granting.Row]) -> Account:
    area = centre.areas.tree.find(one.area_code)
    right = rights.get(one.user_id) if one.role in granting.HOLDERS else None
    return Account(
        **asdict(one),
        area=None if area is None else AreaBrief(**brief(area)),
        live_right=None if right is None else LiveRight(**right),
    )


@router.get("")
async def list_users(request: Request, actor: Annotated[Actor, Depends(require(Permission.SEE_ACCOUNTS))]) -> Accounts:
    """Every account of the own areas, by user name, with the right to watch live where somebody has it."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        found = await keeping.accounts_of(conn, actor)
        rights = await granting.standing(conn, centre.wall())
    return Accounts(users=[_told(centre, one, rights) for one in found])


@router.post("", status_code=201)
async def add_user(wanted: NewAccount, request: Request, actor: Keeper) -> Account:
    """A new account. 409 when the name or the holder has one, 422 where it would combine administrators."""
    centre = centre_of(request)
    hashed = await hash_password(wanted.password)
    values = wanted.model_dump(exclude={"password"})
    async with acting(centre.database, actor) as conn:
        made = await keeping.add(conn, centre.areas.tree, actor, password_hash=hashed, at=centre.wall(), **values)
    return _told(centre, made, {})


@router.patch("/{user_id}")
async def change_user(user_id: str, wanted: Change, request: Request, actor: Keeper) -> Account:
    """Change an account; every session of the person ends. 403 for the own one."""
    centre = centre_of(request)
    values: dict[str, Any] = wanted.model_dump(exclude_none=True, exclude={"password"})
    if wanted.password is not None:
        values["password_hash"] = await hash_password(wanted.password)
    async with acting(centre.database, actor, changes=user_id) as conn:
        made = await keeping.change(conn, centre.areas.tree, actor, user_id, values, at=centre.wall())
        rights = await granting.standing(conn, centre.wall())
    return _told(centre, made, rights)


@router.delete("/{user_id}/second-factor", status_code=204)
async def forget_second_factor(user_id: str, request: Request, actor: Keeper) -> None:
    """Take a lost second factor away, with its recovery codes; every session of the person ends."""
    centre = centre_of(request)
    async with acting(centre.database, actor, changes=user_id) as conn:
        await keeping.forget_second_factor(conn, actor, user_id, at=centre.wall())

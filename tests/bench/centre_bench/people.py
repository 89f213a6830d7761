"""Who watches: operators all over the tree, each with an account and an open session."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import insert

from tests.bench.ingest_bench.city import grid_codes
from xueliang_central.areas.tree import path_by_code
from xueliang_central.rights.accounts import token_hash
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import sessions, users
from xueliang_central.store.database import Database

SPREAD: Final = {4: 10, 6: 40, 9: 150, 12: 300}
"""Viewers by the length of their area's code: city, county, township, village."""
_SESSION_LASTS: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Viewer:
    """One person at one screen. `token`: of the session cookie."""

    username: str
    area_code: str
    token: str

    def sees(self, area_code: str) -> bool:
        return area_code.startswith(self.area_code)


def viewers() -> list[Viewer]:
    """Evenly over the areas of each level."""
    grids, found = grid_codes(), list[Viewer]()
    for length, count in SPREAD.items():
        areas = sorted({code[:length] for code in grids})
        for number in range(count):
            area = areas[number * len(areas) // count % len(areas)]
            found.append(Viewer(f"viewer-{length}-{number}", area, secrets.token_urlsafe(32)))
    return found


async def sign_in(database: Database, people: Sequence[Viewer], at: datetime) -> None:
    """Their accounts and sessions, as rows: five hundred passwords would take minutes."""
    accounts = [
        {
            "user_id": str(uuid.uuid5(uuid.NAMESPACE_OID, one.username)),
            "username": one.username,
            "display_name": one.username,
            "role": Role.OPERATOR.value,
            "area_code": one.area_code,
            "area_path": path_by_code(one.area_code),
            "password_hash": "-",
            "disabled": False,
            "created_at": at,
        }
        for one in people
    ]
    opened = [
        {
            "token_hash": token_hash(one.token),
            "user_id": account["user_id"],
            "created_at": at,
            "expires_at": at + _SESSION_LASTS,
        }
        for one, account in zip(people, accounts, strict=True)
    ]
    async with database.transaction() as conn:
        await conn.execute(insert(users), accounts)
        await conn.execute(insert(sessions), opened)

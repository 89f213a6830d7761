"""How the unit of a request is reached: the lane's number as it is now, and the link by which it replies."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.errors import MoveRefused
from xueliang_central.intake.sources import intake_key
from xueliang_central.notices.sending import Reached
from xueliang_central.units import links, requests


class UnitReach:
    """Of one worker.

    Args:
        key_path: the centre's intake key; made at the first use.
        origin: what links begin with.
        by_text: a gateway hands in what units reply to a message: messages say how.
    """

    def __init__(self, key_path: Path, origin: str, *, by_text: bool) -> None:
        self._key_path, self._origin, self._by_text = key_path, origin, by_text

    async def __call__(self, conn: AsyncConnection, notice: dict[str, Any]) -> Reached | str:
        """Or why it cannot be reached now, as a reason of the step."""
        phone = await requests.phone_of(conn, notice["user_id"])
        if phone is None:
            return "no_address"
        try:
            key = await asyncio.to_thread(intake_key, self._key_path)
        except MoveRefused:
            return "no_intake_key"
        link = links.link_of(self._origin, links.token_of(key, notice["user_id"]))
        return Reached(phone, link, notice["params"]["code"] if self._by_text else None)

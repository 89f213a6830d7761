"""What the centre waits for, asked once a second: so that a request can be refused at once instead of hanging."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from xueliang_central.errors import CentralError

log = logging.getLogger(__name__)

ASK_EVERY_S: Final = 1.0
_ASK_TIMEOUT_S: Final = 1.5

Probe = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that is not there. `why` is fit for an operator's eyes: no address, no secret."""

    what: str
    why: str


class Health:
    """Probes by name. A probe returns when its thing is there, and raises CentralError when it is not."""

    def __init__(self, probes: dict[str, Probe]) -> None:
        self._probes = dict(probes)
        self._waiting: dict[str, Waiting] = {name: Waiting(name, "not asked yet") for name in probes}
        self._notes: dict[str, Waiting] = {}

    @property
    def waiting_for(self) -> tuple[Waiting, ...]:
        return (*self._waiting.values(), *self._notes.values())

    @property
    def database_is_up(self) -> bool:
        return "database" not in self._waiting

    def note(self, what: str, why: str | None) -> None:
        """Say from elsewhere that something is missing; None: it is there again."""
        if why is None:
            self._notes.pop(what, None)
        else:
            self._notes[what] = Waiting(what, why)

    async def ask(self) -> None:
        """Ask every probe once."""
        for name, probe in self._probes.items():
            try:
                async with asyncio.timeout(_ASK_TIMEOUT_S):
                    await probe()
            except (CentralError, TimeoutError) as error:
                why = str(error) if isinstance(error, CentralError) else "no answer in time"
                if name not in self._waiting or self._waiting[name].why == "not asked yet":
                    log.warning("waiting", extra={"for": name, "why": why})
                self._waiting[name] = Waiting(name, why)
            else:
                if self._waiting.pop(name, None) is not None:
                    log.info("is there", extra={"what": name})

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(ASK_EVERY_S)

"""What a worker does again and again, side by side: a fault of one job holds up no other."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from xueliang_central.clocks.steadiness import SteadyClock
from xueliang_central.errors import CentralError

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Job:
    """One of them. `work` says how much it did.

    Attributes:
        held: does by the hour what nobody can take back: not while the server's clock is doubted (`steadiness`).
        first_s: so long after the start it begins.
    """

    name: str
    work: Callable[[], Awaitable[int]]
    every_s: float
    held: bool = False
    first_s: float = 0.0


class Jobs:
    """Belongs to one worker. `counts`: what waited, failed or was held, by job."""

    def __init__(self, jobs: Iterable[Job], clock: SteadyClock, counts: Counter[str]) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._clock = clock
        self._counts = counts

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for job in self._jobs.values():
                tasks.create_task(self._repeat(job), name=job.name)

    async def do(self, name: str) -> int:
        """One look of a job; how much it did."""
        job = self._jobs[name]
        if job.held and not self._clock.is_steady():
            self._counts[f"{name}_held"] += 1
            return 0
        return await job.work()

    async def _repeat(self, job: Job) -> None:
        """A fault is logged once with its traceback, counted, and tried again with pauses."""
        await asyncio.sleep(job.first_s)
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self.do(job.name)
            except CentralError as error:
                self._counts[f"{job.name}_waited"] += 1
                log.warning("worker waits", extra={"work": job.name, "why": str(error)})
            except Exception:
                self._counts[f"{job.name}_failed"] += 1
                log.exception("worker failed", extra={"work": job.name})
            else:
                pause_s = FIRST_PAUSE_S
                await asyncio.sleep(job.every_s)
                continue
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

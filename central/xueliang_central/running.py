"""One centre, running: what is started in which order, and stopped in the other.

The API answers from the first moment: while the database or the broker is away, `/api/health` says what is waited for,
and everything else is refused at once. When the database is there, the schema is brought to head, the areas are read,
and then those parts start that need them. A part that cannot start is tried again; nothing here ends the program.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

from fastapi import FastAPI

from xueliang_alerts.clocks import Mono, Wall
from xueliang_central.areas.tree import AreaBook
from xueliang_central.cameras.gate import Gate
from xueliang_central.cameras.releases import CameraGate
from xueliang_central.centre import Centre, Settings
from xueliang_central.clocks.steadiness import SteadyClock
from xueliang_central.errors import CentralError
from xueliang_central.evidence.pictures import PictureStore
from xueliang_central.fleet.answers import NodeAnswers
from xueliang_central.fleet.backtests import Backtests
from xueliang_central.fleet.fresh_looks import FreshLooks
from xueliang_central.health import Health
from xueliang_central.live_views.relaying import LiveViews
from xueliang_central.looking_again import LookingAgain
from xueliang_central.rights.accounts import forget_old
from xueliang_central.rights.administrators import breaches
from xueliang_central.rights.people import standings
from xueliang_central.rights.sealing import Seal
from xueliang_central.rights.single_sign_on import CALLBACK_PATH, Provider, SignOnSettings
from xueliang_central.store.database import Database
from xueliang_central.store.feed import EventFeed
from xueliang_configs.centre import CentreConfig, CentreSettings
from xueliang_configs.policies import PolicyTable

log = logging.getLogger(__name__)

TRY_AGAIN_S: Final = 1.0
AREAS_ASK_EVERY_S: Final = 5.0
FORGET_EVERY_S: Final = 3600.0


class Part(Protocol):
    """Something that runs beside the routes: ingest, the worker."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


async def open_centre(config: CentreConfig, policies: PolicyTable, *, wall: Wall, mono: Mono) -> Centre:
    """A centre that has not started anything yet; close its database when done."""
    chosen = config.centre
    settings = Settings(
        data_dir=chosen.data_dir,
        public_origin=chosen.http.public_origin,
        secure_cookie=chosen.http.secure_cookie,
        link_origin=chosen.http.public_origin or f"http://{chosen.http.host}:{chosen.http.port}",
        notices=chosen.notices,
        second_factor=chosen.accounts.second_factor,
        accounts_key=chosen.accounts.key,
        sign_on=_sign_on(chosen),
        retention=chosen.retention,
        disclosure=chosen.disclosure,
        camera_gate=Gate(chosen.camera_gate) if chosen.camera_gate else None,
        new_rules=chosen.new_rules,
        live_view=chosen.live_view,
    )
    database = await Database.open(chosen.database_url)
    return centre_on(database, settings, policies, wall=wall, mono=mono)


def _sign_on(chosen: CentreSettings) -> SignOnSettings | None:
    wanted = chosen.accounts.single_sign_on
    if wanted is None or chosen.http.public_origin is None:
        return None
    return SignOnSettings(
        issuer=wanted.issuer,
        client_id=wanted.client_id,
        client_secret=wanted.client_secret.get_secret_value() if wanted.client_secret else None,
        claim=wanted.claim,
        scopes=wanted.scopes,
        label=wanted.label,
        ca_file=wanted.ca_file,
        redirect_uri=f"{chosen.http.public_origin}{CALLBACK_PATH}",
    )


def centre_on(database: Database, settings: Settings, policies: PolicyTable, *, wall: Wall, mono: Mono) -> Centre:
    """A centre over an open database."""
    answers, areas, gate = NodeAnswers(), AreaBook(), CameraGate(settings.camera_gate)
    fresh_looks = FreshLooks(answers, wall, mono)
    return Centre(
        settings=settings,
        database=database,
        areas=areas,
        policies=policies,
        feed=EventFeed(database, mono),
        pictures=PictureStore(settings.data_dir / "pictures"),
        health=Health({"database": database.ping}),
        backtests=Backtests(wall, answers=answers),
        fresh_looks=fresh_looks,
        looking_again=LookingAgain(database, areas, gate, fresh_looks, wall),
        live_views=LiveViews(answers, wall, mono, at_once=settings.live_view.at_once if settings.live_view else 0),
        wall=wall,
        mono=mono,
        gate=gate,
        seal=Seal(settings.accounts_key or settings.data_dir / "accounts.key"),
        provider=Provider(settings.sign_on, mono) if settings.sign_on else None,
    )


class Running:
    """Starts and stops what a centre consists of.

    Args:
        parts: made when the database is ready, started in this order, stopped in the other.
    """

    def __init__(self, centre: Centre, parts: Callable[[], list[Part]]) -> None:
        self._centre = centre
        self._make_parts = parts
        self._parts: list[Part] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._forgot_mono_s = float("-inf")
        self._clock = SteadyClock(centre.wall, centre.mono)
        self._failed: dict[str, str] = {}  # what housekeeping failed with last, by step
        self.ready = asyncio.Event()
        self.counts: Counter[str] = Counter()

    async def start(self) -> None:
        """Returns at once; what must wait for the database does so in the background."""
        self._centre.health.note("start", "starting")
        self._tasks = [
            asyncio.create_task(self._centre.health.run(), name="health"),
            asyncio.create_task(self._come_up(), name="come up"),
        ]

    async def stop(self) -> None:
        """Stops the parts first, so that nothing writes when the database closes."""
        self._centre.feed.end_streams()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for part in reversed(self._parts):
            try:
                await part.stop()
            except Exception:
                log.exception("a part did not stop cleanly", extra={"part": type(part).__name__})
        self._parts = []
        await self._centre.feed.stop()
        await self._centre.database.close()

    async def _come_up(self) -> None:
        centre = self._centre
        await self._until_done("database", centre.database.migrate)
        await self._until_done("areas", lambda: centre.areas.refresh(centre.database))
        await self._until_done("accounts", self._check_accounts)
        await asyncio.to_thread(centre.pictures.prepare)
        await centre.feed.start()
        self._parts = self._make_parts()
        for part in self._parts:
            await self._until_done(type(part).__name__, part.start)
        self._tasks.append(asyncio.create_task(self._keep_house(), name="housekeeping"))
        centre.health.note("start", None)
        self.ready.set()
        log.info("centre is ready")

    async def _check_accounts(self) -> None:
        """Say which accounts break the rule of the three administrators. They are not shut out: who would mend them?"""
        async with self._centre.database.reading() as conn:
            for told in breaches(await standings(conn)):
                log.warning("an account breaks the rule of the three administrators: %s", told)

    async def _until_done(self, what: str, step: Callable[[], Awaitable[object]]) -> None:
        """Try until it succeeds, saying what is waited for."""
        while True:
            try:
                await step()
            except (CentralError, OSError) as error:
                self._centre.health.note("start", f"{what}: {error}")
                log.warning("cannot start yet", extra={"what": what, "why": str(error)})
            except Exception:  # the supervisor's loop: said once with its traceback, tried again
                self._centre.health.note("start", f"{what}: failed, see the log")
                log.exception("cannot start", extra={"what": what})
            else:
                return
            await asyncio.sleep(TRY_AGAIN_S)

    async def _keep_house(self) -> None:
        """Areas that another process imported; sessions that are over. No step holds up another, whatever it does."""
        steps = {"areas": self._read_areas, "sessions": self._forget_sessions}
        while True:
            for name, step in steps.items():
                await self._keep(name, step)
            failed = ", ".join(sorted(self._failed))
            self._centre.health.note("housekeeping", f"{failed}: failed, see the log" if failed else None)
            await asyncio.sleep(AREAS_ASK_EVERY_S)

    async def _keep(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """One step. A fault of ours is logged once with its traceback, then counted, and tried again next time."""
        try:
            await step()
        except CentralError as error:
            self.counts[f"{name}_waited"] += 1
            self._failed.pop(name, None)  # else health would go on to say what is over
            log.warning("housekeeping waits", extra={"step": name, "why": str(error)})
        except Exception as error:
            self.counts[f"{name}_failed"] += 1
            if self._failed.get(name) != repr(error):
                self._failed[name] = repr(error)
                log.exception("housekeeping failed", extra={"step": name})
        else:
            if self._failed.pop(name, None) is not None:
                log.info("housekeeping works again", extra={"step": name, "failures": self.counts[f"{name}_failed"]})

    async def _read_areas(self) -> None:
        if await self._centre.areas.refresh(self._centre.database):
            log.info("areas were read again", extra={"areas": len(self._centre.areas.tree)})

    async def _forget_sessions(self) -> None:
        if not self._clock.is_steady():
            return  # the clock may be set back, and who is signed in would stay signed out
        if self._centre.mono() - self._forgot_mono_s < FORGET_EVERY_S:
            return
        async with self._centre.database.transaction() as conn:
            await forget_old(conn, self._centre.wall())
        self._forgot_mono_s = self._centre.mono()


@asynccontextmanager
async def lifespan_of(running: Running) -> AsyncIterator[None]:
    """Runs while the block does."""
    await running.start()
    try:
        yield
    finally:
        await running.stop()


def app_lifespan(running: Running) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """The same, in the form an application asks for."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with lifespan_of(running):
            yield

    return lifespan

"""`xueliang-centre serve`: the roles of one process, until a signal ends it."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from xueliang_alerts.clocks import Mono, Wall
from xueliang_central.app import create_app
from xueliang_central.centre import Centre
from xueliang_central.errors import SchemaError
from xueliang_central.fleet.backtests import BacktestLink
from xueliang_central.ingest.service import IngestService, mqtt_settings
from xueliang_central.intake.over_mqtt import StationSignals
from xueliang_central.intake.signing import FILE_NAME as INTAKE_KEY
from xueliang_central.running import Part, Running, app_lifespan, lifespan_of, open_centre
from xueliang_central.worker import Worker
from xueliang_configs.centre import ALL_ROLES, CentreConfig
from xueliang_configs.policies import PolicyTable

log = logging.getLogger(__name__)

_HEADER_BYTES: Final = 16 * 1024
_CONNECTIONS: Final = 4000
_COLLECT_EVERY: Final = 10_000  # objects; Python's own 700 cost a third of reading a backlog of 60,000 into memory


def _stop_signals() -> tuple[signal.Signals, ...]:
    """A hang-up (the terminal was closed) stops it as well, unless whoever started it ignores one, as nohup does."""
    ends_at_hangup = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return (signal.SIGTERM, signal.SIGINT, *((signal.SIGHUP,) if ends_at_hangup else ()))


class _Server(uvicorn.Server):
    """Ends the open event streams when it is asked to stop: they would otherwise hold it to the last second.

    A signal that was obeyed is not raised again afterwards, as uvicorn would: a clean stop is exit status 0.
    """

    def __init__(self, config: uvicorn.Config, centre: Centre) -> None:
        super().__init__(config)
        self._centre = centre

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop, numbers = asyncio.get_running_loop(), _stop_signals()
        for number in numbers:
            loop.add_signal_handler(number, self._stop, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        self._centre.feed.end_streams()
        self._centre.live_views.end_all()
        self.handle_exit(number, None)


def _parts(config: CentreConfig, centre: Centre) -> list[Part]:
    parts: list[Part] = []
    if "worker" in config.centre.roles:
        parts.append(Worker(centre))
    if "ingest" in config.centre.roles:
        signals = StationSignals(config.centre.data_dir / INTAKE_KEY)
        key = config.centre.signing_key_path
        parts.append(IngestService(centre, config.centre.broker, key, takes_signals=signals))
    if "api" in config.centre.roles:
        parts.append(BacktestLink(centre.backtests, mqtt_settings(config.centre.broker), centre.mono))
        parts.append(centre.looking_again)  # stopped before the link that it asks by
        parts.append(centre.live_views)
    return parts


async def serve(config: CentreConfig, policies: PolicyTable, *, wall: Wall, mono: Mono, stop_within_s: int) -> int:
    """Run until SIGTERM, SIGINT or SIGHUP; the exit status.

    Raises:
        SchemaError: these roles cannot share this database.
    """
    centre = await open_centre(config, policies, wall=wall, mono=mono)
    if centre.database.dialect == "sqlite" and set(config.centre.roles) != set(ALL_ROLES):
        await centre.database.close()
        raise SchemaError("SQLite has one writer: separate roles need PostgreSQL; leave `roles` out")
    running = Running(centre, lambda: _parts(config, centre))
    if "api" in config.centre.roles:
        return await _serve_http(config, centre, running, stop_within_s)
    _collect_seldom()
    async with lifespan_of(running):
        await _until_signal()
    return 0


def _collect_seldom() -> None:
    """What the program is made of stays as long as it runs: no collection looks at it again, and those are rarer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY, *gc.get_threshold()[1:])


async def _serve_http(config: CentreConfig, centre: Centre, running: Running, stop_within_s: int) -> int:
    http = config.centre.http
    settings = uvicorn.Config(
        create_app(centre, lifespan=app_lifespan(running)),
        host=str(http.host),
        port=http.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=http.public_origin is not None,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=stop_within_s,
        ws="none",
    )
    server = _Server(settings, centre)
    _collect_seldom()
    await server.serve()
    return 0 if server.started else 1


async def _until_signal() -> None:
    loop, numbers = asyncio.get_running_loop(), _stop_signals()
    asked = asyncio.Event()
    for number in numbers:
        loop.add_signal_handler(number, asked.set)
    try:
        await asked.wait()
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)

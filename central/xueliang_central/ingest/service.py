"""Ingest as a part of a running centre: a connection to the broker, and the loop behind it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from pathlib import Path
from typing import Final

from xueliang_alerts.mqtt_link import MqttLink, MqttSettings, TlsSettings
from xueliang_alerts.topics import SHARDS
from xueliang_alerts.transport import LinkPhase, LinkState, StateListener
from xueliang_central.camera_rules.sending import RulesSender
from xueliang_central.centre import Centre
from xueliang_central.errors import StoreError
from xueliang_central.incidents.change import Rulebook
from xueliang_central.ingest.batches import FAULT, FIRST_PAUSE_S, LONGEST_PAUSE_S, Ingest, client_id_of
from xueliang_central.ingest.lease import ASK_S, Lease
from xueliang_configs.node import BrokerConfig

log = logging.getLogger(__name__)

ANOTHER: Final = "another ingest process is at work; this one takes over when that one ends"
_BROKER: Final = "broker"
_INGEST: Final = "ingest"


def mqtt_settings(broker: BrokerConfig) -> MqttSettings:
    """The operator's words as the link's. The client id is stable: the broker keeps this ingest's queue by it."""
    tls = None
    if broker.tls is not None:
        ca_file = broker.tls.ca_file or Path(ssl.get_default_verify_paths().openssl_cafile)
        tls = TlsSettings(ca_file, broker.tls.cert_file, broker.tls.key_file)
    return MqttSettings(
        host=str(broker.host),
        port=broker.port,
        client_id=client_id_of(SHARDS),
        username=broker.username,
        password=None if broker.password is None else broker.password.get_secret_value(),
        tls=tls,
    )


class IngestService:
    """All shards over one connection, in one process at a time (see `lease`).

    Starting needs neither the broker nor the lease: health says what is waited for. What fails here is logged once,
    said in health, and tried again.
    """

    def __init__(self, centre: Centre, broker: BrokerConfig, signing_key: Path) -> None:
        """`signing_key`: where it lies; it is read when there is something to send, and need not be there before."""
        self._centre = centre
        self._broker = broker
        self._signing_key = signing_key
        self._lease = Lease(centre.database, f"ingest-{SHARDS[0]}-{SHARDS[-1]}")
        self._task: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="ingest")

    async def stop(self) -> None:
        """What is in hand and not committed is not acknowledged: it comes again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        pause_s, failed = FIRST_PAUSE_S, 0
        while True:
            try:
                await self._take_lease()
                failed, pause_s = 0, FIRST_PAUSE_S
                await self._work_while_held()
            except StoreError as error:
                self._say(str(error))
                log.info("ingest waits", extra={"why": str(error)})
            except Exception:
                failed += 1
                self.counts["service_failed"] += 1
                self._say(FAULT)
                if failed == 1:
                    log.exception("ingest cannot work")
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    async def _take_lease(self) -> None:
        is_said = False
        while not await self._lease.try_to_take():
            if not is_said:
                log.warning("another ingest is at work", extra={"asked_again_every_s": ASK_S})
                self._say(ANOTHER)
                is_said = True
            await asyncio.sleep(ASK_S)
        self._say(None)
        log.info("ingest is at work")

    async def _work_while_held(self) -> None:
        """Connected as long as the lease is ours."""
        link = MqttLink(mqtt_settings(self._broker), mono=self._centre.mono)
        link.on_state(self._listener())
        working = asyncio.create_task(self._ingest_on(link).run(), name="ingest rounds")
        sending = asyncio.create_task(self._sender_on(link).run(), name="sending of rules")
        holding = asyncio.create_task(self._lease.hold(), name="ingest lease")
        try:
            link.connect()
            done, _ = await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            self._say(ANOTHER)
            log.error("another ingest has taken the lease", extra={"why": "it was not renewed in time"})
        finally:
            for one in (working, sending, holding):
                one.cancel()
            await asyncio.gather(working, sending, holding, return_exceptions=True)
            await asyncio.to_thread(link.close)
            await self._lease.give_back()

    def _ingest_on(self, link: MqttLink) -> Ingest:
        centre = self._centre
        ingest = Ingest(
            link,
            centre.database,
            Rulebook.of(centre.areas, centre.policies),
            wall=centre.wall,
            mono=centre.mono,
            says_waiting=centre.health.note,
        )
        ingest.subscribe()
        return ingest

    def _sender_on(self, link: MqttLink) -> RulesSender:
        centre = self._centre
        return RulesSender(
            link,
            centre.database,
            self._signing_key,
            wall=centre.wall,
            mono=centre.mono,
            says_waiting=centre.health.note,
        )

    def _say(self, why: str | None) -> None:
        self._centre.health.note(_INGEST, why)

    def _listener(self) -> StateListener:
        """From the link's thread into this loop."""
        loop = asyncio.get_running_loop()

        def listen(state: LinkState) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._say_link, state)

        return listen

    def _say_link(self, state: LinkState) -> None:
        is_missing = state.phase in {LinkPhase.CONNECTING, LinkPhase.REFUSED}
        self._centre.health.note(_BROKER, (state.detail or state.phase.value) if is_missing else None)

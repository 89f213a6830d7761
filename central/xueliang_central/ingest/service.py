"""Ingest as a part of a running centre: a connection to the broker, and the loop behind it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final

from xueliang_alerts.mqtt_link import MqttLink, MqttSettings, TlsSettings
from xueliang_alerts.topics import SHARDS
from xueliang_alerts.transport import LinkPhase, LinkState, StateListener
from xueliang_central.centre import Centre
from xueliang_central.incidents.change import Rulebook
from xueliang_central.ingest.batches import Ingest, client_id_of
from xueliang_configs.node import BrokerConfig

_BROKER: Final = "broker"


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
    """All shards over one connection. Starting does not need the broker: health says that it is waited for."""

    def __init__(self, centre: Centre, broker: BrokerConfig) -> None:
        self._centre = centre
        self._link = MqttLink(mqtt_settings(broker), mono=centre.mono)
        self.ingest = Ingest(
            self._link,
            centre.database,
            Rulebook.of(centre.areas, centre.policies),
            wall=centre.wall,
            mono=centre.mono,
            says_waiting=centre.health.note,
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._link.on_state(self._listener())
        self.ingest.subscribe()
        self._link.connect()
        self._task = asyncio.create_task(self.ingest.run(), name="ingest")

    async def stop(self) -> None:
        """What is in hand and not committed is not acknowledged: it comes again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await asyncio.to_thread(self._link.close)

    def _listener(self) -> StateListener:
        """From the link's thread into this loop."""
        loop = asyncio.get_running_loop()

        def listen(state: LinkState) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._say, state)

        return listen

    def _say(self, state: LinkState) -> None:
        is_missing = state.phase in {LinkPhase.CONNECTING, LinkPhase.REFUSED}
        self._centre.health.note(_BROKER, (state.detail or state.phase.value) if is_missing else None)

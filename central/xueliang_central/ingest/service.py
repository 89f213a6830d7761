"""Ingest as a part of a running centre: its share of the shards, connections for them, and the loop behind them."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import uuid4

from xueliang_alerts.mqtt_link import MqttLink, MqttSettings, TlsSettings
from xueliang_alerts.topics import SHARDS
from xueliang_alerts.transport import LinkPhase, LinkState, StateListener
from xueliang_central.camera_rules.sending import RulesSender
from xueliang_central.centre import Centre
from xueliang_central.errors import StoreError
from xueliang_central.incidents.change import Rulebook
from xueliang_central.ingest.ahead import Ahead, FreshOnly
from xueliang_central.ingest.batches import FAULT, FIRST_PAUSE_S, LONGEST_PAUSE_S, Ingest, client_id_of
from xueliang_central.ingest.giving_back import GivingBack
from xueliang_central.ingest.lease import ASK_S, RENEW_S, Leases
from xueliang_central.ingest.links import ShardLinks
from xueliang_central.ingest.sharing import ALL_SHARDS, Group, Plan
from xueliang_central.ingest.stations import TakesSignals
from xueliang_central.ingest.waiting import Waiting
from xueliang_configs.node import BrokerConfig

log = logging.getLogger(__name__)

ANOTHER: Final = "other ingest processes serve all shards; this one takes over when one of them ends"
FORGET_WITHIN_S: Final = 10.0
WORKED_S: Final = 60.0  # a fault after so long is another one: said with its traceback again
_BROKER: Final = "broker"
_INGEST: Final = "ingest"


def mqtt_settings(broker: BrokerConfig, shards: Sequence[str] = SHARDS) -> MqttSettings:
    """The operator's words as the link's. The client id is stable: the broker keeps the queue of these shards by it."""
    tls = None
    if broker.tls is not None:
        ca_file = broker.tls.ca_file or Path(ssl.get_default_verify_paths().openssl_cafile)
        tls = TlsSettings(ca_file, broker.tls.cert_file, broker.tls.key_file)
    return MqttSettings(
        host=str(broker.host),
        port=broker.port,
        client_id=client_id_of(shards),
        username=broker.username,
        password=None if broker.password is None else broker.password.get_secret_value(),
        tls=tls,
    )


class IngestService:
    """The shards that this process holds the leases of (see `lease`), in one loop of batches.

    Starting needs neither the broker nor a lease: health says what is waited for. What fails here is logged once, said
    in health, and tried again.
    """

    def __init__(
        self,
        centre: Centre,
        broker: BrokerConfig,
        signing_key: Path,
        *,
        takes_signals: TakesSignals | None = None,
    ) -> None:
        """`signing_key`: where it lies; it is read when there is something to send, and need not be there before.

        `takes_signals`: who takes what stations say; None: it goes to quarantine.
        """
        self._takes_signals = takes_signals
        self._centre = centre
        self._broker = broker
        self._signing_key = signing_key
        self._leases = Leases(centre.database)
        self._place: str | None = None
        self._served: set[str] = set()  # shards
        self._missing: dict[str, str] = {}  # by shard: why its connection is not there
        self._ended: set[str] = set()  # client ids of earlier releases whose sessions are ended
        self._ending: set[asyncio.Task[None]] = set()
        self._is_over = threading.Event()  # nobody waits any more for what ends those sessions
        self._said: str | None = None
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
            began_mono_s = self._centre.mono()
            try:
                await self._work()
            except Exception:
                if self._centre.mono() - began_mono_s >= WORKED_S:
                    pause_s, failed = FIRST_PAUSE_S, 0
                failed += 1
                self.counts["service_failed"] += 1
                self._say(FAULT)
                if failed == 1:
                    log.exception("ingest cannot work")
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    async def _work(self) -> None:
        """Serve what is ours, as long as it is; connections come and go with the leases."""
        waiting = Waiting(wall=self._centre.wall, mono=self._centre.mono)
        links = ShardLinks(self._link, waiting)
        ahead = Ahead(lambda: self._link_ahead(waiting))
        loop = asyncio.get_running_loop()

        def follow(is_read: bool) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(ahead.follow, is_read)

        waiting.on_backlog(follow)
        giving_back = GivingBack(waiting.count_of, self._centre.mono)
        working = asyncio.create_task(self._ingest_on(links, waiting).run(), name="ingest rounds")
        sending = asyncio.create_task(self._sender_on(links).run(), name="sending of rules")
        self._is_over = threading.Event()
        try:
            while True:
                pause_s = await self._share(links, giving_back)
                ahead.serve([shard for group in links.groups for shard in group.shards])
                done, _ = await asyncio.wait({working}, timeout=pause_s)
                for task in done:
                    task.result()
        finally:
            self._is_over.set()
            ours = (working, sending, *self._ending)
            for one in ours:
                one.cancel()
            await asyncio.gather(*ours, return_exceptions=True)
            await ahead.close()
            served = links.groups
            await self._let_go(links, served)
            await self._leases.give_back(served, place=self._place)

    async def _share(self, links: ShardLinks, giving_back: GivingBack) -> float:
        """Look at the leases and follow them; the seconds until the next look.

        While the database is away nobody else can take them either: what is served goes on being served.
        """
        try:
            mine = await self._leases.look()
        except StoreError as error:
            log.info("leases not renewed", extra={"why": str(error)})
            if not links.groups:
                self._say(str(error))
            return ASK_S
        self._place = mine.place
        lost = [group for group in links.groups if group not in mine.holds]
        if lost:
            log.error("another ingest has taken shards", extra={"why": "not renewed in time", "groups": _names(lost)})
        await self._let_go(links, lost)
        await self._take(links, mine)
        if ready := giving_back.ready(mine.gives_back):
            await self._let_go(links, ready)
            await self._leases.give_back(ready)
            log.info("shards given to another ingest", extra={"groups": _names(ready)})
        self._say(None if links.groups else ANOTHER)
        return RENEW_S if mine.is_settled else ASK_S

    async def _take(self, links: ShardLinks, mine: Plan) -> None:
        new = [group for group in mine.holds if group not in links.groups and group not in mine.gives_back]
        for group in new:
            self._served.update(group.shards)
            links.open(group)
        if new:
            log.info("ingest is at work", extra={"groups": _names(new)})
            await self._forget_old_queues(new)

    async def _let_go(self, links: ShardLinks, groups: Collection[Group]) -> None:
        served = [group for group in groups if group in links.groups]
        shards = {shard for group in served for shard in group.shards}
        self._served -= shards
        for shard in shards:
            self._say_link(shard, None)
        await links.close(served)

    async def _forget_old_queues(self, groups: Collection[Group]) -> None:
        """The queues by which the broker kept everything for releases that had one connection for a group, or for all.

        What lies in them comes again from the nodes: it has no receipt. Left alone they would grow for ever.
        """
        over = [mqtt_settings(self._broker, group.shards) for group in groups]
        try:
            if await self._leases.is_old_one_over():
                over.append(mqtt_settings(self._broker, ALL_SHARDS.shards))
        except StoreError as error:
            log.info("old queue not looked for", extra={"why": str(error)})
        for settings in over:
            if settings.client_id not in self._ended:
                self._ended.add(settings.client_id)
                ending = asyncio.create_task(asyncio.to_thread(self._end_session, settings, self._is_over))
                self._ending.add(ending)  # beside the leases, which must be renewed
                ending.add_done_callback(self._ending.discard)

    def _end_session(self, settings: MqttSettings, is_over: threading.Event) -> None:
        """A clean session under the same name ends the old one. A thread holds the program up until it is through."""
        link = MqttLink(replace(settings, clean_session=True), mono=self._centre.mono)
        give_up_mono_s = self._centre.mono() + FORGET_WITHIN_S
        try:
            link.connect()
            while not (link.state.is_connected or is_over.is_set()) and self._centre.mono() < give_up_mono_s:
                link.get(0.1)
            if is_over.is_set():
                self._ended.discard(settings.client_id)
            log.info("old queue ended" if link.state.is_connected else "old queue not ended")
        finally:
            link.close()

    def _link(self, shard: str, waiting: Waiting) -> MqttLink:
        link = MqttLink(mqtt_settings(self._broker, [shard]), mono=self._centre.mono, inbox=waiting)
        link.on_state(self._listener(shard))
        return link

    def _link_ahead(self, waiting: Waiting) -> MqttLink:
        name = f"xueliang-centre-ahead-{uuid4().hex[:12]}"
        settings = replace(mqtt_settings(self._broker), client_id=name, clean_session=True, subscribe_qos=0)
        return MqttLink(settings, mono=self._centre.mono, inbox=FreshOnly(waiting, self._centre.wall))

    def _ingest_on(self, links: ShardLinks, waiting: Waiting) -> Ingest:
        centre = self._centre
        return Ingest(
            links,
            waiting,
            centre.database,
            Rulebook.of(centre.areas, centre.policies),
            wall=centre.wall,
            mono=centre.mono,
            says_waiting=centre.health.note,
            gate=centre.gate,
            takes_signals=self._takes_signals,
        )

    def _sender_on(self, links: ShardLinks) -> RulesSender:
        centre = self._centre
        return RulesSender(
            links,
            centre.database,
            self._signing_key,
            may_send=lambda: links.is_connected_for(SHARDS[0]),
            wall=centre.wall,
            mono=centre.mono,
            says_waiting=centre.health.note,
            gate=centre.gate,
        )

    def _say(self, why: str | None) -> None:
        """Only what is new: the loop behind the connections says under the same name what it waits for."""
        if why != self._said:
            self._said = why
            self._centre.health.note(_INGEST, why)

    def _listener(self, shard: str) -> StateListener:
        """From the link's thread into this loop."""
        loop = asyncio.get_running_loop()

        def listen(state: LinkState) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._say_link, shard, state)

        return listen

    def _say_link(self, shard: str, state: LinkState | None) -> None:
        """`state` None, or of a shard that is not served: it is not ours any more."""
        is_missing = (
            shard in self._served and state is not None and state.phase in {LinkPhase.CONNECTING, LinkPhase.REFUSED}
        )
        if is_missing and state is not None:
            self._missing[shard] = state.detail or state.phase.value
        else:
            self._missing.pop(shard, None)
        self._centre.health.note(_BROKER, next(iter(self._missing.values()), None))


def _names(groups: Collection[Group]) -> list[str]:
    return [group.name for group in groups]

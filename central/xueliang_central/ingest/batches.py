"""Messages to committed batches, then receipts, then the acknowledgement: in this order, and never otherwise.

Invariants
    - A message is acknowledged only when the transaction that took it (or put it in quarantine) is committed. The
      process may die at any point: the broker repeats what was not acknowledged, and the ledger knows it.
    - A batch is at most 200 messages (50 on SQLite), or what came within 5 ms of its first; `waiting` says which.
    - While the database is down nothing is acknowledged: the batch in hand is tried again until it is committed, and
      the centre says what it waits for. The broker keeps the rest, and the nodes keep everything.
    - Of what is taken together the records of nodes are committed first, then their statuses, in a transaction of
      their own; then signals of stations, one by one, each in one of its own. Where several may write, those go on
      beside the records of the next batch, and no further: the rest of one batch is through before that of the next.
    - No message stops those behind it: a batch that fails for a fault of ours is tried message by message, and the one
      that fails alone goes to quarantine.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, Protocol

from xueliang_alerts.contract import Receipt, to_bytes
from xueliang_alerts.errors import TransportError
from xueliang_alerts.topics import Leaf, is_of_station, node_topic
from xueliang_alerts.transport import PublishHandle, Qos
from xueliang_central.cameras.releases import CameraGate
from xueliang_central.dispatch.publishing import changing
from xueliang_central.errors import DatabaseConflict, DatabaseUnavailable
from xueliang_central.incidents.change import Change, Rulebook
from xueliang_central.incidents.routing import NoAreas
from xueliang_central.ingest import quarantine
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.committing import Outcome, commit_batch
from xueliang_central.ingest.stations import TakesSignals, commit_signal
from xueliang_central.ingest.waiting import Held, Waiting
from xueliang_central.store.database import Database

log = logging.getLogger(__name__)

MAX_BATCH: Final = 200
# SQLite has one writer, and an operator's click waits for it at most 1.5 s: measured on two busy cores, 200 messages
# that each open an incident take 2 s, 50 take half a second.
MAX_BATCH_ONE_WRITER: Final = 50
IDLE_S: Final = 0.5  # how long one wait for a first message lasts; also how long a stop may take
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
REPLAY_LOOK_S: Final = 1.0
FAULT: Final = "stopped by a fault of its own, see the log; it tries again"
_NOT_NOW: Final = (DatabaseUnavailable, DatabaseConflict, NoAreas, OSError)  # try again; other faults are ours

SaysWaiting = Callable[[str, str | None], None]  # (what, why); why None: no longer


def client_id_of(shards: Sequence[str]) -> str:
    """Stable for these shards, so that whoever serves them takes over their queue at the broker."""
    return f"xueliang-centre-ingest-{shards[0]}-{shards[-1]}"


class Sender(Protocol):
    """Where receipts go to: a `Transport`, or several."""

    def publish(self, topic: str, payload: bytes, *, qos: Qos = 1, retain: bool = False) -> PublishHandle: ...


class Ingest:
    """The loop behind the connections to the broker. Whoever made them subscribes, fills `waiting` and closes them."""

    def __init__(
        self,
        sender: Sender,
        waiting: Waiting,
        database: Database,
        rulebook: Rulebook,
        *,
        wall: Callable[[], datetime],
        mono: Callable[[], float],
        says_waiting: SaysWaiting = lambda _what, _why: None,
        gate: CameraGate | None = None,
        takes_signals: TakesSignals | None = None,
    ) -> None:
        """`gate`: what holds alerts of cameras that are not released; None: nothing does.

        `takes_signals`: who takes what stations say; None: it goes to quarantine.
        """
        self._takes_signals = takes_signals
        self._gate = gate
        self._sender = sender
        self._waiting = waiting
        self._database = database
        self._rulebook = rulebook
        self._wall = wall
        self._mono = mono
        self._says_waiting = says_waiting
        self._in_hand: list[Held] = []  # taken out of what waits and not seen through yet
        self._behind: list[Held] = []  # of those, what is seen through beside the next
        self._beside: asyncio.Task[None] | None = None
        self._looked_mono_s = mono()
        self.batch_limit = MAX_BATCH_ONE_WRITER if database.dialect == "sqlite" else MAX_BATCH
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Until cancelled: nothing else ends it."""
        try:
            await self._rounds()
        finally:
            if self._beside is not None:
                self._beside.cancel()
                await asyncio.gather(self._beside, return_exceptions=True)

    async def _rounds(self) -> None:
        failed, pause_s = 0, FIRST_PAUSE_S
        while True:
            try:
                await self._round()
            except Exception:
                failed += 1
                self.counts["rounds_failed"] += 1
                self._says_waiting("ingest", FAULT)
                if failed == 1:
                    log.exception("ingest failed")
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
            else:
                if failed:
                    log.warning("ingest goes on", extra={"failed": failed})
                    self._says_waiting("ingest", None)
                    failed, pause_s = 0, FIRST_PAUSE_S

    async def _round(self) -> None:
        await self._step()
        if self._database.dialect != "postgresql":  # one writer
            await self._through()
        if self._mono() - self._looked_mono_s >= REPLAY_LOOK_S:
            await self._replay_or_wait()
            self._looked_mono_s = self._mono()

    async def step(self) -> int:
        """Wait for a batch and see all of it through; returns how many messages it had.

        What an earlier step could not see through comes first: the broker repeats it only after a reconnect.
        """
        total = await self._step()
        await self._through()
        return total

    async def take(self, held: Sequence[Held]) -> None:
        """See these through: commit, answer, acknowledge."""
        self._in_hand = list(held)
        await self._take()
        await self._through()

    async def _step(self) -> int:
        if not self._in_hand:
            self._in_hand = await asyncio.to_thread(self._waiting.take, self.batch_limit, IDLE_S)
        total = len(self._in_hand)
        if total:
            await self._take()
        elif self._beside is not None and self._beside.done():
            await self._through()
        return total

    async def _take(self) -> None:
        """Commit, answer, acknowledge: first what nodes record, then how they are and what stations say.

        How nodes are is a transaction of its own: a status changes sixteen cameras, and an alert beside it would be
        told only after all of them. The records it speaks of are in the ledger then.
        """
        records = [item for item in self._in_hand if self._is_record(item.received)]
        if records:
            await self._see_through([item.received for item in records])
            self._acknowledge(records)
            self._in_hand = [item for item in self._in_hand if not self._is_record(item.received)]
        await self._through()
        self._behind, self._in_hand = self._in_hand, []
        if self._behind:
            self._beside = asyncio.create_task(self._take_behind(), name="ingest of statuses")

    async def _take_behind(self) -> None:
        """What is through is in hand no more: the broker may have given its packet id to another message by then."""
        statuses = [item for item in self._behind if not self._is_signal(item.received)]
        signals = [item for item in self._behind if self._is_signal(item.received)]
        lots = [lot for lot in (statuses, *([signal] for signal in signals)) if lot]
        while lots:
            await self._see_through([item.received for item in lots[0]])
            self._acknowledge(lots.pop(0))
            self._behind = [item for lot in lots for item in lot]

    async def _through(self) -> None:
        """Until the rest of the batch before is through too; what failed there is in hand again."""
        if self._beside is None:
            return
        try:
            await self._beside
        except Exception:
            self._in_hand = [*self._behind, *self._in_hand]
            raise
        finally:
            self._beside = None

    async def _see_through(self, batch: Sequence[Received]) -> None:
        self._publish(await self._commit_at_last(batch))

    def _acknowledge(self, held: Sequence[Held]) -> None:
        for item in held:
            self.counts["acknowledged_too_late"] += item.acknowledge()

    def _is_record(self, received: Received) -> bool:
        return not _is_status(received) and not self._is_signal(received)

    async def _commit_at_last(self, batch: Sequence[Received]) -> list[Receipt]:
        try:
            return await self._commit_patiently(batch)
        except Exception:  # a fault of ours with one of them: find it, so that the others go on
            self.counts["batch_failed"] += 1
            log.exception("batch failed", extra={"messages": len(batch)})
        newest: dict[str, Receipt] = {}
        for received in batch:
            for receipt in await self._commit_alone(received):
                newest[receipt.node_id] = receipt
        return list(newest.values())

    async def _commit_alone(self, received: Received) -> list[Receipt]:
        try:
            return await self._commit_patiently([received])
        except Exception as error:
            self.counts["message_failed"] += 1
            log.exception("message failed", extra={"topic": received.topic[:120]})
            return await self._commit_patiently([received], refuse=f"could not be committed: {type(error).__name__}")

    async def _commit_patiently(self, batch: Sequence[Received], *, refuse: str | None = None) -> list[Receipt]:
        """Try until the database takes it. Other faults than "not now" pass through."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                outcome = await self._commit(batch, refuse)
            except _NOT_NOW as error:
                self.counts["waited"] += 1
                self._says_waiting("ingest", _why(error))
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
                if isinstance(error, NoAreas):
                    await self._look_for_areas()
            else:
                self._says_waiting("ingest", None)
                self.counts.update(outcome.counts)
                return outcome.receipts

    async def _commit(self, batch: Sequence[Received], refuse: str | None) -> Outcome:
        async with changing(self._database, self._rulebook, self._wall) as change:
            return await self._committed(change, batch, refuse, is_replay=False)

    async def _committed(
        self, change: Change, batch: Sequence[Received], refuse: str | None, *, is_replay: bool
    ) -> Outcome:
        """By the way of its topic: a signal comes alone."""
        if self._takes_signals is not None and self._is_signal(batch[0]):
            return await commit_signal(change, self._takes_signals, batch[0], is_replay=is_replay, refuse=refuse)
        return await commit_batch(change, batch, is_replay=is_replay, refuse=refuse, gate=self._gate)

    def _is_signal(self, received: Received) -> bool:
        return self._takes_signals is not None and is_of_station(received.topic)

    async def _look_for_areas(self) -> None:
        try:
            await self._rulebook.areas.refresh(self._database)
        except DatabaseUnavailable:
            log.debug("database not there while looking for areas")

    async def _replay_or_wait(self) -> None:
        try:
            await self.replay_asked()
        except _NOT_NOW as error:
            log.info("replay waits", extra={"why": _why(error)})

    async def replay_asked(self) -> int:
        """Try again what an operator wants tried again, each in a transaction of its own; returns how many were."""
        async with self._database.reading() as conn:
            asked = await quarantine.asked_for(conn)
        for quarantine_id in asked:
            try:
                outcome = await self._replay(quarantine_id)
            except _NOT_NOW:
                raise
            except Exception as error:  # it fails again: back to quarantine with the reason, and no longer asked for
                self.counts["message_failed"] += 1
                log.exception("replay failed", extra={"quarantine_id": quarantine_id})
                outcome = await self._replay(quarantine_id, f"could not be committed: {type(error).__name__}")
            if outcome is None:
                continue
            self.counts["replayed"] += 1
            self.counts.update(outcome.counts)
            self._publish(outcome.receipts)
        return len(asked)

    async def _replay(self, quarantine_id: str, refuse: str | None = None) -> Outcome | None:
        """None: it is no longer in quarantine."""
        async with changing(self._database, self._rulebook, self._wall) as change:
            received = await quarantine.take_out(change.conn, quarantine_id, change.now)
            if received is None:
                return None
            return await self._committed(change, [received], refuse, is_replay=True)

    def _publish(self, receipts: Iterable[Receipt]) -> None:
        for receipt in receipts:
            try:
                self._sender.publish(node_topic(receipt.node_id, Leaf.RECEIPTS), to_bytes(receipt), retain=True)
            except TransportError:
                self.counts["receipt_not_sent"] += 1  # the node repeats its records and is answered then
            else:
                self.counts["receipt_sent"] += 1


def _is_status(received: Received) -> bool:
    return received.topic.endswith(f"/{Leaf.STATUS.value}")


def _why(error: Exception) -> str:
    if isinstance(error, NoAreas):
        return "no areas have been imported: xueliang-centre import-areas FILE"
    if isinstance(error, DatabaseConflict):
        return "two changes met, trying again"
    return "the database does not answer; nothing is acknowledged until it does"

"""Sends what cameras are to run to their nodes, signed. One process does it at a time: that which ingests the first
shard.

Invariants
    - What is desired and not sent yet is a row, made with the change: no process's end loses it.
    - It is marked as sent when the broker has it, and not before; sent twice it does nothing twice.
    - A camera that was given to another node is sent to that one, and what a node has been sent and says it lacks is
      sent again, within `LOOK_AGAIN_S`.
    - Nothing is sent for a camera that is not released, where the gate is closed: it waits until it is.
    - Without a signing key nothing is sent, and health says so.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import RowMapping, and_, func, or_, select, update

from xueliang_alerts.desired import DesiredRules, signed
from xueliang_alerts.errors import TransportError
from xueliang_alerts.signing import NotAKey, SigningKey
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import PublishHandle
from xueliang_central.camera_rules.deciding import VersionState
from xueliang_central.camera_rules.tables import rule_reports, rule_versions
from xueliang_central.camera_rules.views import tell
from xueliang_central.cameras.gate import Gate, day_of
from xueliang_central.cameras.releases import CameraGate, is_released
from xueliang_central.cameras.tables import cameras
from xueliang_central.errors import StoreError
from xueliang_central.store.database import Database

log = logging.getLogger(__name__)

ASK_S: Final = 0.3  # from a click to a node below two seconds, of which this is the first; one look at an empty index
LOOK_AGAIN_S: Final = 60.0
AT_ONCE: Final = 50  # of 2 kB; the broker has them before the next are read
BROKER_S: Final = 10.0
NO_KEY: Final = "rules are not sent: there is no signing key; make one: xueliang-centre signing-key --make"


class Outlet(Protocol):
    """Where messages go: a `Transport`, or several."""

    def publish(self, topic: str, payload: bytes) -> PublishHandle: ...


class RulesSender:
    """`run` until cancelled. Whoever made the transport closes it."""

    def __init__(
        self,
        transport: Outlet,
        database: Database,
        key_path: Path,
        *,
        may_send: Callable[[], bool],
        wall: Callable[[], datetime],
        mono: Callable[[], float],
        says_waiting: Callable[[str, str | None], None] = lambda _what, _why: None,
        gate: CameraGate | None = None,
    ) -> None:
        """`may_send`: this process is the one that sends, and has a connection."""
        self._transport, self._database, self._key_path, self._may_send = transport, database, key_path, may_send
        self._wall, self._mono, self._says_waiting = wall, mono, says_waiting
        self._gate = gate or CameraGate(Gate.TELL)
        self._looked_mono_s = float("-inf")
        self._failed = ""
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        while True:
            try:
                await self.step()
                self._failed = ""
            except (StoreError, OSError, TransportError) as error:
                self.counts["waited"] += 1
                log.debug("sending rules waits", extra={"why": str(error)})
            except Exception as error:  # the supervisor's loop: said once with its traceback, tried again
                self.counts["failed"] += 1
                if self._failed != repr(error):
                    log.exception("rules cannot be sent")
                self._failed = repr(error)
            await asyncio.sleep(ASK_S)

    async def step(self) -> int:
        """Send what waits; how many were."""
        if not self._may_send():
            self._says_waiting("rules", None)
            return 0
        if self._mono() - self._looked_mono_s >= LOOK_AGAIN_S:
            await self._look_again()
            self._looked_mono_s = self._mono()
        async with self._database.reading() as conn:
            query = _WAITING.limit(AT_ONCE)
            if await self._gate.mode(conn) is Gate.ENFORCE:
                query = query.where(is_released(day_of(self._wall())))
            waiting = (await conn.execute(query)).mappings().all()
        if not waiting:
            self._says_waiting("rules", None)
            return 0
        key = await asyncio.to_thread(read_key, self._key_path)
        self._says_waiting("rules", NO_KEY if key is None else None)
        if key is None:
            return 0
        return sum([await self._send(row, key) for row in waiting])

    async def _send(self, row: RowMapping, key: SigningKey) -> bool:
        topic = node_topic(row["node_id"], Leaf.CONFIG_DESIRED)
        try:
            message = signed(_document(row), key)
        except ValueError as error:  # a fault of ours: what is proposed is asked whether it can be sent
            self.counts["not_sendable"] += 1
            log.error("rules cannot be sent", extra={"camera_id": row["camera_id"], "why": str(error)[:300]})
            return False
        handle = self._transport.publish(topic, message)
        if not await asyncio.to_thread(handle.wait, BROKER_S):
            self.counts["not_taken"] += 1
            return False
        now, versions = self._wall(), rule_versions.c
        async with self._database.transaction() as conn:
            await conn.execute(
                update(rule_versions)
                .where(versions.camera_id == row["camera_id"], versions.version == row["version"])
                .values(unsent=False, sent_at=now, sent_to=row["node_id"])
            )
            await tell(conn, row["camera_id"], now)
        self.counts["sent"] += 1
        log.info("rules sent", extra={name: row[name] for name in ("camera_id", "version", "node_id")})
        return True

    async def _look_again(self) -> None:
        """What went to a node that does not have the camera any more, or that said later that it lacks it."""
        versions, reports = rule_versions.c, rule_reports.c
        lacks = and_(
            reports.takes_rules,
            reports.digest != versions.digest,
            func.coalesce(reports.answer_version, 0) < versions.version,
            reports.received_at > versions.sent_at,
            versions.sent_at < self._wall() - timedelta(seconds=LOOK_AGAIN_S),
        )
        query = (
            select(versions.camera_id, versions.version)
            .join(cameras, cameras.c.camera_id == versions.camera_id)
            .outerjoin(
                rule_reports, and_(reports.camera_id == versions.camera_id, reports.node_id == cameras.c.node_id)
            )
            .where(
                versions.state == VersionState.DESIRED.value,
                versions.unsent.is_(False),
                cameras.c.node_id.is_not(None),
                or_(versions.sent_to != cameras.c.node_id, lacks),
            )
        )
        async with self._database.reading() as conn:
            found = (await conn.execute(query)).all()
        for camera_id, version in found:
            self.counts["again"] += 1
            async with self._database.transaction() as conn:
                where = (versions.camera_id == camera_id, versions.version == version)
                desired = versions.state == VersionState.DESIRED.value
                await conn.execute(update(rule_versions).where(*where, desired).values(unsent=True))


_WAITING: Final = (
    select(rule_versions, cameras.c.node_id)
    .join(cameras, cameras.c.camera_id == rule_versions.c.camera_id)
    .where(rule_versions.c.unsent, cameras.c.node_id.is_not(None))
    .order_by(rule_versions.c.made_at)
)


def _document(row: RowMapping) -> DesiredRules:
    values: dict[str, Any] = {name: row[name] for name in ("node_id", "camera_id", "version", "made_at", "settings")}
    approved_by = row["decided_by_name"] if row["severities"] else None
    return DesiredRules(**values, by=row["by_name"], approved_by=approved_by, why=row["why"][:400])


def make_key(path: Path) -> SigningKey:
    """A new key in a file of its own, readable by its owner only. Raises FileExistsError, OSError."""
    key = SigningKey.make()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def read_key(path: Path) -> SigningKey | None:
    """None: there is none, or it cannot be used (logged)."""
    try:
        return SigningKey.read(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, NotAKey) as error:
        log.error("the signing key cannot be used", extra={"path": str(path), "why": str(error)})
        return None

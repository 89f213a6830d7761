"""An edge node that says what a test tells it to: real spool, real MQTT, real picture upload, no camera and no model.

It speaks with the identity of an installation's node (`xueliang_demo.installation`), in the place of the real program.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol

import httpx

from tests.support.forked.programs import ForkedProgram, run_forked_once
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import (
    Alert,
    CameraStatus,
    EndReason,
    EvidenceKind,
    EvidenceRef,
    Hazard,
    Measure,
    Phase,
    Reason,
    Severity,
    alert_id_of,
)
from xueliang_alerts.forwarder import Forwarder, StatusExtras
from xueliang_alerts.mqtt_link import MqttLink, MqttSettings
from xueliang_alerts.spool import Spool
from xueliang_demo.centre_commands import Command, run_commands
from xueliang_demo.installation import NODE_ID, Installation, Plan
from xueliang_demo.processes import Program


class CentreOnly(Installation):
    """Broker and centre of an installation; the node's place is left to a puppet. The centre is a fork (forked).

    What the same plan became before in this process is copied: a set-up costs 2 CPU-s, as much as a start.
    """

    def start(self) -> None:
        self.start_broker()
        self.set_up()
        self.start_centre()

    def set_up(self) -> None:
        if self._plan.database_url is not None or "node_token" in self._secrets:  # elsewhere, or set up already
            super().set_up()
            return
        kept = next((one for one in _KEPT if (one.kind, one.plan) == (type(self), self._plan)), None)
        if kept is None:
            super().set_up()
            _KEPT.append(_SetUp(type(self), self._plan, self.folder, dict(self._secrets)))
            return
        shutil.copytree(kept.data, self.folder / "centre", dirs_exist_ok=True)
        own = {name: self._secrets[name] for name in ("broker_node", "broker_centre")}
        self._secrets = json.loads(kept.secrets) | own
        self._write_configuration()  # saves the secrets as well
        self.node = self._program("node", "xueliang_edge.cli", ["run", "--config", str(self.folder / "node.yaml")])

    def _program(self, name: str, module: str, arguments: Sequence[str]) -> Program:
        kind = ForkedProgram if name == "centre" else Program
        return kind(name, module, arguments, self.folder / "logs", self._environment())

    def _centre_commands(self, *commands: Command) -> list[str | None]:
        return run_commands(commands, self.folder / "centre.yaml", self._environment(), run=run_forked_once)


class _SetUp:
    """What is in a centre's folder and among its secrets right after a set-up, before a program was started on it."""

    def __init__(self, kind: type[CentreOnly], plan: Plan, folder: Path, secrets: dict[str, Any]) -> None:
        self.kind, self.plan, self.secrets = kind, plan, json.dumps(secrets)
        self._folder = tempfile.TemporaryDirectory(prefix="xueliang-set-up-")  # goes with the process
        self.data = Path(self._folder.name) / "centre"
        shutil.copytree(folder / "centre", self.data)


_KEPT: Final[list[_SetUp]] = []


class Place(Protocol):
    """Where a node speaks: an `Installation`, or another broker and centre with `secrets.json` in a folder."""

    @property
    def folder(self) -> Path: ...
    @property
    def origin(self) -> str: ...
    @property
    def broker_port(self) -> int: ...


@dataclass
class Episode:
    """One alert of the puppet, so far."""

    alert: Alert


class PuppetNode:
    """A context manager; what it says travels the public way."""

    def __init__(self, installation: Place, states: dict[str, str] | None = None) -> None:
        """`states`: what it reports of its cameras, by camera_id."""
        self._installation = installation
        self._secrets = json.loads((installation.folder / "secrets.json").read_text())
        self._states = dict(states or {})
        wall, mono = system_wall, system_mono
        self._spool = Spool.open(installation.folder / "puppet", NODE_ID, wall=wall, mono=mono)
        settings = MqttSettings(
            host="127.0.0.1",
            port=installation.broker_port,
            client_id=NODE_ID,
            username=NODE_ID,
            password=self._secrets["broker_node"],
        )
        self._link = MqttLink(settings, mono=mono)
        self._forwarder = Forwarder(
            self._spool, self._link, wall=wall, mono=mono, software="puppet", extras=self._extras
        )

    def __enter__(self) -> PuppetNode:
        self._forwarder.start()
        self._link.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forwarder.stop()
        self._link.close()
        self._spool.close()

    def _extras(self) -> StatusExtras:
        now = datetime.now(UTC)
        return StatusExtras(
            cameras=tuple(CameraStatus(camera_id=name, state=state, since=now) for name, state in self._states.items())
        )

    def raise_alert(
        self,
        camera_id: str,
        hazard: Hazard,
        severity: Severity,
        *,
        reason: Reason,
        measures: dict[str, Measure] | None = None,
        boxes: Sequence[tuple[float, float, float, float]] = (),
        zone: Sequence[tuple[float, float]] | None = None,
        began_s_ago: float = 60.0,
        raised_s_ago: float = 0.0,
        picture: bytes | None = None,
        upload: bool = True,
        drill: bool = False,
    ) -> Episode:
        """A new episode; with `upload` false its picture is announced and never sent."""
        now = datetime.now(UTC)
        began_at, raised_at = now - timedelta(seconds=began_s_ago), now - timedelta(seconds=raised_s_ago)
        rule_id = hazard.value.replace("_", "-")
        evidence: tuple[EvidenceRef, ...] = ()
        if picture is not None:
            sha256 = hashlib.sha256(picture).hexdigest()
            evidence = (EvidenceRef(sha256=sha256, kind=EvidenceKind.CONFIRM, bytes=len(picture)),)
        alert = Alert(
            alert_id=alert_id_of(self._spool.spool_id, camera_id, rule_id, began_at),
            revision=1,
            phase=Phase.RAISED,
            camera_id=camera_id,
            hazard=hazard,
            rule_id=rule_id,
            rule_version=1,
            severity=severity,
            began_at=began_at,
            raised_at=raised_at,
            observed_at=raised_at,
            confidence=0.8,
            boxes_xyxyn=tuple(boxes),
            zone_xyn=tuple(zone) if zone else None,
            frame_size_wh=(1280, 720),
            measures=measures or {},
            reason=reason,
            evidence=evidence,
            drill=drill,
        )
        self._spool.accept(alert)
        if picture is not None and upload:
            self.upload(picture)
        return Episode(alert)

    def see_clear(self, episode: Episode, *, reason: Reason, ended_s_ago: float = 0.0) -> None:
        """The same camera sees it gone."""
        now = datetime.now(UTC) - timedelta(seconds=ended_s_ago)
        values: dict[str, Any] = episode.alert.model_dump()
        values |= {
            "revision": episode.alert.revision + 1,
            "phase": Phase.CLEARED,
            "end_reason": EndReason.SEEN_CLEAR,
            "observed_at": now,
            "ended_at": now,
            "reason": reason.model_dump(),
        }
        episode.alert = Alert.model_validate(values)
        self._spool.accept(episode.alert)

    def upload(self, picture: bytes) -> str:
        """Hand a still in by its hash, as the node does."""
        sha256 = hashlib.sha256(picture).hexdigest()
        answer = httpx.put(
            f"{self._installation.origin}/api/evidence/{sha256}",
            content=picture,
            headers={"Authorization": f"Bearer {self._secrets['node_token']}", "Content-Type": "image/jpeg"},
            trust_env=False,
        )
        answer.raise_for_status()
        return sha256

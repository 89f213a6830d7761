"""A node that only takes rules: says what its cameras run, and applies or refuses what the centre sends, as told."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import to_bytes
from xueliang_alerts.desired import (
    DesiredAnswer,
    DesiredRules,
    Outcome,
    ReportedRules,
    RuleProblem,
    RunningRules,
    read_desired,
)
from xueliang_alerts.mqtt_link import MqttLink, MqttSettings
from xueliang_alerts.signing import PublicKey
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming
from xueliang_configs.cameras import CameraRules
from xueliang_demo.installation import NODE_ID, Installation
from xueliang_demo.processes import wait_until

CONNECT_S: Final = 20.0
Judge = Callable[[DesiredRules], tuple[RuleProblem, ...]]


def takes_all(_document: DesiredRules) -> tuple[RuleProblem, ...]:
    """The judge of a node that has nothing against it."""
    return ()


class RulesNode:
    """A context manager; what it says travels the public way.

    Attributes:
        judge: what it has against what the centre sends; the next document is judged by it.
        answers: False: it hears and says nothing, as a node that hangs.
        answered: the newest version that it has answered.
    """

    def __init__(self, installation: Installation, key: PublicKey, running: dict[str, list[dict[str, Any]]]) -> None:
        """`running`: the rules of each camera, as its file would have them."""
        password = json.loads((installation.folder / "secrets.json").read_text())["broker_node"]
        settings = MqttSettings(
            host="127.0.0.1",
            port=installation.broker_port,
            client_id=f"{NODE_ID}-rules",
            username=NODE_ID,
            password=password,
        )
        self._link, self._key = MqttLink(settings, mono=system_mono), key
        self._database = installation.folder / "centre" / "centre.db"
        self._settings = {camera_id: self._written(camera_id, rules) for camera_id, rules in running.items()}
        self._version = 1
        self.judge: Judge = takes_all
        self.answers = True
        self.answered = 0

    @staticmethod
    def _written(camera_id: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
        value = {"camera_id": camera_id, "place_class": "residential", "look_every_s": None, "rules": rules}
        return CameraRules.model_validate(value).as_written

    def __enter__(self) -> RulesNode:
        self._link.connect()
        wait_until(lambda: self._link.state.is_connected, "the node's connection", CONNECT_S)
        self._link.subscribe(node_topic(NODE_ID, Leaf.CONFIG_DESIRED), self._hear)
        wait_until(self._is_known, "the centre to know the node's rules", CONNECT_S, every_s=1.0)
        return self

    def _is_known(self) -> bool:
        """Says what its cameras run until the centre has it: nothing tells when the centre's subscription stands."""
        with sqlite3.connect(self._database, timeout=5) as database:
            known = {row[0] for row in database.execute("select camera_id from rule_reports")}
        for camera_id in self._settings:
            if camera_id not in known:
                self._say(camera_id, "file", "")
        return known >= set(self._settings)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.close()

    def runs(self, camera_id: str) -> list[dict[str, Any]]:
        """Its rules now."""
        return list(self._settings[camera_id]["rules"])

    def change(self, camera_id: str, rules: list[dict[str, Any]], answered: int) -> None:
        """Somebody changes the rules at the node. `answered`: the newest version that it has had from here; 0: none."""
        self._settings[camera_id] = self._written(camera_id, rules)
        self._version += 1
        self._say(camera_id, "command", "node-admin", _answer(answered, ()) if answered else None)

    def _hear(self, incoming: Incoming) -> None:
        document = read_desired(incoming.payload, [self._key])
        incoming.acknowledge()
        if not self.answers:
            return
        problems = self.judge(document)
        if not problems:
            self._settings[document.camera_id] = document.settings
            self._version += 1
        by = ", ".join(name for name in (document.by, document.approved_by) if name)
        self._say(document.camera_id, "centre", by, _answer(document.version, problems))
        self.answered = document.version

    def _say(self, camera_id: str, source: str, by: str, answer: DesiredAnswer | None = None) -> None:
        settings = self._settings[camera_id]
        now = system_wall()
        running = RunningRules(
            version=self._version,
            digest=CameraRules.model_validate(settings).digest,
            source=source,
            since=now,
            by=by,
            settings=settings,
        )
        report = ReportedRules(
            node_id=NODE_ID, camera_id=camera_id, at=now, takes_rules=True, running=running, answer=answer
        )
        self._link.publish(node_topic(NODE_ID, Leaf.CONFIG_REPORTED), to_bytes(report))


def _answer(version: int, problems: tuple[RuleProblem, ...]) -> DesiredAnswer:
    outcome = Outcome.REFUSED if problems else Outcome.APPLIED
    return DesiredAnswer(version=version, outcome=outcome, at=system_wall(), problems=problems)

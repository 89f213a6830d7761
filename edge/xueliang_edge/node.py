"""One edge node: built from its settings, started, run and stopped. The only place that knows every part.

What cannot be mended while running (settings, model files, a folder that is not ours) is refused before anything
starts.
Everything else is a state: a broker, a centre or a camera that is away is shown, tried again, and costs the others
nothing.

A stop keeps open alerts open (their rules' memory is on disk): a restart goes on with them, and an alert that could
not be watched for longer than its rule allows ends as view_lost. Only a *final* stop ends them, as node_stopped.
Neither ever reads as seen_clear.
"""

from __future__ import annotations

import logging
import ssl
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from xueliang_alerts.contract import EndReason
from xueliang_alerts.forwarder import Forwarder, lost_will
from xueliang_alerts.mqtt_link import MqttLink, MqttSettings, TlsSettings
from xueliang_alerts.spool import Spool
from xueliang_configs.hazards import ZoneSettings
from xueliang_configs.node import BrokerConfig, NodeConfig
from xueliang_edge.attention.needs import need_of
from xueliang_edge.background import BackgroundFiles
from xueliang_edge.capture import CaptureThreads
from xueliang_edge.detection import DetectionThread, OpenDetector
from xueliang_edge.evidence.gathering import Gatherer
from xueliang_edge.evidence.uploading import EvidenceStore, Uploader
from xueliang_edge.health import HealthServer
from xueliang_edge.open_alerts import OpenAlerts
from xueliang_edge.pipeline import Pipeline, WatchedCamera
from xueliang_edge.publishing import Publisher
from xueliang_edge.reporting import SOFTWARE, Reporter, rules_not_running
from xueliang_edge.rules.judge import CameraJudge, Judged
from xueliang_edge.snapshots import SnapshotFiles
from xueliang_edge.sources import is_fast, open_sources
from xueliang_edge.supervisor import Supervisor, Watched
from xueliang_edge.telling import Telling
from xueliang_models.catalogue import open_detector
from xueliang_streams.source import Pace

log = logging.getLogger(__name__)

DETECTION_PATIENCE_S: Final = 20.0  # several times any time-out of the pipeline: slow is not hung
FLUSH_S: Final = 2.0  # at a stop: for alerts that were just accepted to be sent
HOUR_S: Final = 3600.0


class Node:
    """Build, `start`, `run` until told to stop, `close`. One per process: the spool is locked."""

    def __init__(
        self,
        config: NodeConfig,
        *,
        wall: Callable[[], datetime],
        mono: Callable[[], float],
        pace: Pace = Pace.REAL,
    ) -> None:
        """Nothing is started yet, and nothing is left open when this raises.

        `pace` is for recordings; with `Pace.FAST` they are read as fast as they are judged, on their own clock.

        Raises:
            ModelError: a model file or card cannot be used; the message says which and what to try.
            AlertsError: the spool is another node's, in use, or cannot be written.
            OSError: the data folder or the health port cannot be used.
        """
        self._config, self._wall, self._mono = config, wall, mono
        data_dir = config.data_dir
        with ExitStack() as undo:
            # Models first: the most likely refusal, and it touches nothing.
            detectors = open_detectors(config)
            undo.callback(_close_all, detectors)
            self.not_running = rules_not_running(config.cameras, {n: d.detector for n, d in detectors.items()})
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.spool = _open_spool(config, wall, mono)
            undo.callback(self.spool.close)
            self._open_alerts = OpenAlerts(data_dir / "state" / "open_alerts.json", self.spool)
            self._publisher = Publisher(self.spool, data_dir / "state" / "publishing.json")
            self._snapshots = SnapshotFiles(data_dir / "state")
            self._store = EvidenceStore(data_dir / "evidence") if config.node.centre else None
            sources = open_sources(config.cameras, pace=pace, wall=wall, mono=mono)
            self.capture = CaptureThreads(sources, BackgroundFiles(data_dir / "background"), mono)
            self.detection = DetectionThread(_first_then(detectors, config), self.capture, mono)
            undo.callback(self.detection.close)
            self._past: dict[str, dict[str, Any]] = {}
            self._judges, self._past_ends = self._restore_judges()
            self.gatherer = Gatherer(self.detection, self._store, mono)
            self.telling = Telling(
                self.spool,
                self._publisher,
                self._open_alerts,
                self.gatherer,
                self._snapshots,
                self._judges,
                mono,
            )
            self.pipeline = Pipeline(
                [self._watched(camera_id, pace) for camera_id in self._judges],
                self.capture,
                self.detection,
                self.telling,
                wall=wall,
                mono=mono,
            )
            self.supervisor = Supervisor(
                (
                    Watched(
                        "detection",
                        lambda: self.detection.busy_since_mono_s,
                        self.detection.restart,
                        DETECTION_PATIENCE_S,
                    ),
                ),
                mono,
            )
            self.link = MqttLink(
                _mqtt_settings(config.node.node_id, config.node.broker),
                mono=mono,
                will=lost_will(
                    config.node.node_id, boot_id=self.spool.boot_id, spool_id=self.spool.spool_id, at=wall()
                ),
            )
            self.reporter = Reporter(self, config, wall=wall, mono=mono)
            self.forwarder = Forwarder(
                self.spool, self.link, wall=wall, mono=mono, software=SOFTWARE, extras=self.reporter.status_extras
            )
            self.uploader = self._make_uploader()
            self.health = HealthServer(config.node.health.host, config.node.health.port, self.reporter.report)
            undo.pop_all()

    @property
    def evidence_store(self) -> EvidenceStore | None:
        """None when no centre is configured: then no stills are made."""
        return self._store

    def start(self) -> None:
        """Say what the past left open, then begin to watch, send and answer."""
        for rule in self.not_running:
            log.warning(
                "rule not running",
                extra={"camera_id": rule.camera_id, "rule_id": rule.rule_id, "why": rule.reason},
            )
        for snapshot in self._past.values():
            self.telling.resume(snapshot)
        self.telling.tend()
        for camera_id, ends in self._past_ends.items():
            self.telling.tell(self._judges[camera_id].camera, ends, None)
        self.telling.settle_past()
        self._snapshots.forget_others(frozenset(self._judges))
        self.capture.start()
        self.forwarder.start()
        self.link.connect()
        if self.uploader is not None:
            self.uploader.start()
        self.supervisor.start()
        self.health.start()
        log.info(
            "node watches",
            extra={"node_id": self._config.node.node_id, "cameras": len(self._judges), "health_port": self.health.port},
        )

    def run(self, stop: threading.Event, *, until_ended: bool = False) -> None:
        """Watch until `stop` is set; with `until_ended` also until every fast recording has ended."""
        self.reporter.state = "watching"
        self.pipeline.run(stop, until_ended=until_ended)
        self.reporter.state = "stopping"

    def close(self, *, is_final: bool = False) -> None:
        """Stop within about ten seconds; what is pending stays on the disk.

        With `is_final` open alerts end as node_stopped: this node will not watch here again soon.
        """
        if is_final:
            self.telling.end_all(EndReason.NODE_STOPPED)
        self.telling.tend()
        for camera_id in self._judges:
            self.telling.save(camera_id)
        with ExitStack() as closing:  # in reverse order, each whatever the others do
            closing.callback(self.spool.close)
            closing.callback(self.health.close)
            closing.callback(self.link.close)
            closing.callback(self.forwarder.stop, FLUSH_S)
            if self.uploader is not None:
                closing.callback(self.uploader.close)
            closing.callback(self.detection.close)
            closing.callback(self.capture.close)
            closing.callback(self.supervisor.close)
        log.info("node stopped", extra={"node_id": self._config.node.node_id, "final": is_final})

    def _restore_judges(self) -> tuple[dict[str, CameraJudge], dict[str, list[Judged]]]:
        judges: dict[str, CameraJudge] = {}
        ends: dict[str, list[Judged]] = {}
        unable = {(one.camera_id, one.rule_id) for one in self.not_running}
        for configured in self._config.cameras:
            # A rule that cannot be judged is taken out whole: it must not read an empty answer as "clear".
            able = tuple(rule for rule in configured.rules if (configured.camera_id, rule.rule_id) not in unable)
            camera = configured.model_copy(update={"rules": able})
            snapshot = self._past.setdefault(camera.camera_id, self._snapshots.load(camera.camera_id))
            judge, said = CameraJudge.restore(camera, snapshot, mono_s=self._mono(), at=self._wall())
            judges[camera.camera_id] = judge
            if said:
                ends[camera.camera_id] = said
        return judges, ends

    def _watched(self, camera_id: str, pace: Pace) -> WatchedCamera:
        judge = self._judges[camera_id]
        detectors = {rule.detector for rule in judge.camera.rules if isinstance(rule, ZoneSettings)}
        return WatchedCamera(
            config=judge.camera,
            need=need_of(judge.camera),
            detectors=tuple(sorted(detectors)),
            judge=judge,
            is_fast=is_fast(judge.camera, pace),
        )

    def _make_uploader(self) -> Uploader | None:
        centre = self._config.node.centre
        if centre is None or self._store is None:
            return None
        return Uploader(
            self._store,
            centre.url.reveal(),
            centre.token.get_secret_value(),
            mono=self._mono,
            alerts_waiting=lambda: self.spool.pending_count() > 0,
        )


def open_detectors(config: NodeConfig) -> dict[str, OpenDetector]:
    """Every configured model, verified. Raises ModelError; none is left open then."""
    opened: dict[str, OpenDetector] = {}
    try:
        for name, settings in config.detectors.items():
            detector = open_detector(settings.model, card=settings.card, catalogue=config.models_catalogue)
            score = detector.recommended_score if settings.score is None else settings.score
            opened[name] = OpenDetector(detector, score)
    except BaseException:
        _close_all(opened)
        raise
    return opened


def _first_then(detectors: Mapping[str, OpenDetector], config: NodeConfig) -> Callable[[], Mapping[str, OpenDetector]]:
    """The sessions that were opened for the first worker; later workers open their own."""
    supply = [detectors]
    return lambda: supply.pop() if supply else open_detectors(config)


def _close_all(detectors: Mapping[str, OpenDetector]) -> None:
    for opened in detectors.values():
        opened.detector.close()


def _open_spool(config: NodeConfig, wall: Callable[[], datetime], mono: Callable[[], float]) -> Spool:
    return Spool.open(
        config.data_dir / "spool",
        config.node.node_id,
        wall=wall,
        mono=mono,
        cap_bytes=config.node.spool.cap_mb << 20,
        keep_committed_s=config.node.spool.keep_committed_hours * HOUR_S,
        boot_id=uuid.uuid4(),
    )


def _mqtt_settings(node_id: str, broker: BrokerConfig) -> MqttSettings:
    tls = None
    if broker.tls is not None:
        system_ca = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
        tls = TlsSettings(broker.tls.ca_file or Path(system_ca), broker.tls.cert_file, broker.tls.key_file)
    return MqttSettings(
        host=broker.host,
        port=broker.port,
        client_id=node_id,
        username=broker.username,
        password=broker.password.get_secret_value() if broker.password else None,
        tls=tls,
    )

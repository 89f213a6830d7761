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

import errno
import logging
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from xueliang_alerts.commands import BacktestCommand
from xueliang_alerts.contract import EndReason
from xueliang_alerts.forwarder import Forwarder, lost_will
from xueliang_alerts.mqtt_link import MqttLink, MqttSettings, TlsSettings
from xueliang_alerts.signing import PublicKey
from xueliang_alerts.spool import Spool
from xueliang_configs.cameras import CameraConfig
from xueliang_configs.node import BrokerConfig, NodeConfig
from xueliang_edge import descriptors
from xueliang_edge.backtest.answering import KnownModel
from xueliang_edge.backtest.messages import Task
from xueliang_edge.backtest.serving import BacktestService
from xueliang_edge.capture.children import CaptureChildren
from xueliang_edge.capture.grouping import group_cameras, is_fast, reserve
from xueliang_edge.capture.local import LocalCapture
from xueliang_edge.capture.service import CaptureService
from xueliang_edge.detection import DetectionService, ModelSettings, OpenedModel
from xueliang_edge.detection_in_process import DetectionInProcess
from xueliang_edge.detector_children import DetectorChildren
from xueliang_edge.detector_work import known_of, open_models
from xueliang_edge.evidence.gathering import Gatherer
from xueliang_edge.evidence.in_hand import StillsInHand
from xueliang_edge.evidence.trials import TrialStills
from xueliang_edge.evidence.uploading import EvidenceStore, Uploader
from xueliang_edge.fresh_looks import FreshLooks
from xueliang_edge.health import HealthServer, RuleNotRunning
from xueliang_edge.hot_rules.following import RulesFollower
from xueliang_edge.hot_rules.from_centre import FromCentre
from xueliang_edge.hot_rules.orders import OrderFiles
from xueliang_edge.hot_rules.starting import rules_at_start, running_of, with_rules_of
from xueliang_edge.hot_rules.versions import FOLDER, VersionFiles
from xueliang_edge.live_view.serving import LiveViews
from xueliang_edge.observation_log.writing import NoLog, ObservationLog
from xueliang_edge.open_alerts import OpenAlerts
from xueliang_edge.pipeline import Pipeline
from xueliang_edge.publishing import Publisher
from xueliang_edge.reporting import SOFTWARE, Reporter, rules_not_running
from xueliang_edge.rules.judge import CameraJudge, Judged
from xueliang_edge.snapshots import SnapshotFiles
from xueliang_edge.telling import Telling
from xueliang_edge.watched_camera import watched
from xueliang_edge.writing import Writer
from xueliang_streams.errors import SharedMemoryTooSmall
from xueliang_streams.shared_frames import SharedFrames
from xueliang_streams.source import Pace

log = logging.getLogger(__name__)

WRITE_S: Final = 5.0  # at a stop: for the disk to take what was decided; a usual one needs milliseconds
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
        alive: Callable[[], None] = lambda: None,
        settings: Path | None = None,
    ) -> None:
        """Nothing is started yet, and nothing is left open when this raises.

        `settings` is the file that `config` was read from: its changes are followed. None: only commands are.
        `pace` is for recordings; with `Pace.FAST` they are read as fast as they are judged, on their own clock. `alive`
        is called about once a second while the node makes progress.

        Raises:
            ModelError: a model file or card cannot be used; the message says which and what to try.
            AlertsError: the spool is another node's, in use, or cannot be written.
            OSError: the data folder, the health port or enough shared memory cannot be had.
        """
        data_dir = config.data_dir
        versions = VersionFiles(data_dir / FOLDER)
        starts = rules_at_start(config, versions, wall())
        started, config = config, with_rules_of(config, starts)
        self._config, self._wall, self._mono = config, wall, mono
        with ExitStack() as undo:
            regions = self._reserve_pictures(pace, undo)
            # Models next: the most likely refusal, and it touches nothing.
            self.detection = self._open_detection(pace, regions)
            undo.callback(self.detection.close)
            not_running = rules_not_running(config.cameras, self.detection.models)
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            versions.folder.mkdir(exist_ok=True, mode=0o700)
            self.spool = _open_spool(config, wall, mono)
            undo.callback(self.spool.close)
            self._open_alerts = OpenAlerts(data_dir / "state" / "open_alerts.json", self.spool)
            self._publisher = Publisher(self.spool, data_dir / "state" / "publishing.json")
            self._snapshots = SnapshotFiles(data_dir / "state")
            self.observation_log = _open_log(config, str(self.spool.boot_id), wall, mono)
            self._store = EvidenceStore(data_dir / "evidence") if config.node.centre else None
            self._past: dict[str, dict[str, Any]] = {}
            running = {name: running_of(start, not_running) for name, start in starts.items()}
            self._judges, self._past_ends = self._restore_judges([one.able for one in running.values()])
            stills = StillsInHand(self._store) if self._store is not None else None
            self.gatherer = Gatherer(self.detection, stills, mono, self.capture.lend_scene)
            self.trials = TrialStills(data_dir / "trials", wall)
            self.writer = Writer(
                self.spool, self._publisher, self._open_alerts, self._snapshots, stills, mono, self.trials
            )
            self.telling = Telling(
                self.spool,
                self._publisher,
                self._open_alerts,
                self.gatherer,
                self.writer,
                self._judges,
                mono,
            )
            self.fresh_looks = FreshLooks(
                self.gatherer,
                self._store,
                camera_of=lambda camera_id: self.pipeline.cameras.get(camera_id),
                hurry=lambda camera_id: self.pipeline.hurry(camera_id),
                publish=lambda answer, timeout_s: self.backtests.publish(answer, timeout_s),
                mono=mono,
                views_of=lambda camera_id: self.capture.health(camera_id).views,
            )
            self.live_views = LiveViews(
                config.node.live_view,
                config.node.centre,
                camera_of=self._camera_as_it_runs,
                publish=lambda answer, timeout_s: self.backtests.publish(answer, timeout_s),
                wall=wall,
                mono=mono,
            )
            self.pipeline = Pipeline(
                [
                    watched(judge, self.detection.models, is_fast=is_fast(judge.camera, pace))
                    for judge in self._judges.values()
                ],
                self.capture,
                self.detection,
                self.telling,
                self.observation_log,
                wall=wall,
                mono=mono,
                alive=alive,
                onlooker=self.fresh_looks,
            )
            self.link = MqttLink(
                _mqtt_settings(config.node.node_id, config.node.broker),
                mono=mono,
                will=lost_will(
                    config.node.node_id, boot_id=self.spool.boot_id, spool_id=self.spool.spool_id, at=wall()
                ),
            )
            self.from_centre = FromCentre(
                config.node.node_id,
                self.link,
                [PublicKey.read(text) for text in config.node.centre_keys],
                versions,
                starts,
                wall=wall,
                mono=mono,
            )
            self.hot_rules = RulesFollower(
                settings,
                started,
                {name: (running[name], start.version) for name, start in starts.items()},
                versions,
                OrderFiles(versions.folder),
                self.detection.models,
                self.pipeline.change,
                unkept=[start.version for start in starts.values() if start.is_new],
                wall=wall,
                mono=mono,
                order_view=self.pipeline.order_view,
                views_of=lambda camera_id: self.capture.health(camera_id).views,
                centre=self.from_centre,
            )
            self.backtests = BacktestService(
                config.node.node_id,
                self.link,
                self._task_of,
                wall=wall,
                mono=mono,
                look=self.fresh_looks.ask,
                live=self.live_views.ask,
            )
            self.reporter = Reporter(self, config, wall=wall, mono=mono)
            self.forwarder = Forwarder(
                self.spool, self.link, wall=wall, mono=mono, software=SOFTWARE, extras=self.reporter.status_extras
            )
            self.uploader = self._make_uploader()
            self.health = HealthServer(config.node.health.host, config.node.health.port, self.reporter.report)
            undo.pop_all()

    @property
    def not_running(self) -> tuple[RuleNotRunning, ...]:
        """Configured rules that this node cannot judge, as of the last change."""
        return self.hot_rules.not_running

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
        for camera_id, ends in self._past_ends.items():
            self.telling.tell(self._judges[camera_id].camera, ends, None)
        self.writer.write()  # raises nothing: what fails is tried again by its thread
        self.telling.settle_past()
        self._snapshots.forget_others(frozenset(self._judges))
        self.writer.start()
        self.observation_log.start()
        self.capture.start()
        self.forwarder.start()
        self.fresh_looks.start()
        self.live_views.start()
        self.backtests.start()
        self.from_centre.start()
        self.link.connect()
        if self.uploader is not None:
            self.uploader.start()
        self.health.start()
        self.hot_rules.start()
        log.info(
            "node watches",
            extra={"node_id": self._config.node.node_id, "cameras": len(self._judges), "health_port": self.health.port},
        )

    def run(self, stop: threading.Event, *, until_ended: bool = False) -> None:
        """Watch until `stop` is set; with `until_ended` also until every fast recording has ended and been told."""
        self.reporter.state = "watching"
        self.pipeline.run(stop, until_ended=until_ended)
        if until_ended:
            self.writer.drain(WRITE_S)
        self.reporter.state = "stopping"

    def close(self, *, is_final: bool = False) -> None:
        """Stop, as a rule within two seconds; what is pending stays on the disk.

        Each part has its bound, and whatever hangs, all of them together fit into the 30 s that the service manager
        waits (TimeoutStopSec; a test adds them up). A disk that does not end its write in its share is left as a kill
        would leave it: the next start goes on from there. With `is_final` open alerts end as node_stopped: this node
        will not watch here again soon.
        """
        self.hot_rules.stop()
        if is_final:
            self.telling.end_all(EndReason.NODE_STOPPED)
        for camera_id in self._judges:
            self.telling.save(camera_id)
        with ExitStack() as closing:  # in reverse order, each whatever the others do
            closing.callback(self.hot_rules.close)
            closing.callback(self._close_spool)
            closing.callback(self.observation_log.close)
            closing.callback(self.health.close)
            closing.callback(self.link.close)
            closing.callback(self.forwarder.stop, FLUSH_S)
            closing.callback(self.backtests.close)
            closing.callback(self.fresh_looks.close)
            closing.callback(self.live_views.close)
            if self.uploader is not None:
                closing.callback(self.uploader.close)
            closing.callback(self.writer.close, WRITE_S)
            closing.callback(self.detection.close)
            closing.callback(self.capture.close)
        log.info("node stopped", extra={"node_id": self._config.node.node_id, "final": is_final})

    def _camera_as_it_runs(self, camera_id: str) -> CameraConfig | None:
        watched = self.pipeline.cameras.get(camera_id)
        return watched.config if watched is not None else None

    def _task_of(self, command: BacktestCommand) -> Task:
        """For a child that tries a rule on the log: the camera as it runs now."""
        config, cameras = self._config, dict(self.pipeline.cameras)
        return Task(
            command,
            cameras[command.camera_id].config if command.camera_id in cameras else None,
            tuple(cameras),
            {name: KnownModel(one.digest, one.classes) for name, one in self.detection.models.items()},
            config.data_dir / "log" if config.node.observation_log is not None else None,
        )

    def _close_spool(self) -> None:
        """Unless a write hangs in it: closing would hang, too, and the end of the process lets go of it as well."""
        if self.writer.has_ended:
            self.spool.close()
        else:
            log.error("the disk has not ended its write", extra={"write_s": round(self.writer.write_s)})

    def _reserve_pictures(self, pace: Pace, undo: ExitStack) -> dict[int, SharedFrames]:
        """The capture side, not started, and its shared memory by region. Raises OSError."""
        config = self._config
        has_fast = any(is_fast(camera, pace) for camera in config.cameras)
        per_process = len(config.cameras) if has_fast else config.node.processes.cameras_per_process
        groups = group_cameras(config.cameras, max(1, per_process), config.data_dir / "background", pace)
        if not has_fast:
            largest = max((len(group.cameras) for group in groups), default=0)
            descriptors.provide(largest, len(groups) + config.node.processes.detector_processes)
        try:
            groups, frames = reserve(groups)
        except SharedMemoryTooSmall as error:
            raise OSError(errno.ENOSPC, str(error)) from error
        self.capture: CaptureService
        if has_fast:
            self.capture = LocalCapture(groups[0], frames[0], wall=self._wall, mono=self._mono)
        else:
            self.capture = CaptureChildren(groups, frames, self._mono)
        undo.callback(self.capture.close)
        return {group.region: one for group, one in zip(groups, frames, strict=True)}

    def _open_detection(self, pace: Pace, regions: Mapping[int, SharedFrames]) -> DetectionService:
        """Every configured model verified and warm. Raises ModelError."""
        settings = model_settings(self._config)
        if any(is_fast(camera, pace) for camera in self._config.cameras):
            return DetectionInProcess(open_models(settings), regions, mono=self._mono, cpu=time.thread_time)
        count = self._config.node.processes.detector_processes
        return DetectorChildren(count, settings, regions, mono=self._mono)

    def _restore_judges(
        self, cameras: Sequence[CameraConfig]
    ) -> tuple[dict[str, CameraJudge], dict[str, list[Judged]]]:
        judges: dict[str, CameraJudge] = {}
        ends: dict[str, list[Judged]] = {}
        for camera in cameras:
            snapshot = self._past.setdefault(camera.camera_id, self._snapshots.load(camera.camera_id))
            judge, said = CameraJudge.restore(camera, snapshot, mono_s=self._mono(), at=self._wall())
            judges[camera.camera_id] = judge
            if said:
                ends[camera.camera_id] = said
        return judges, ends

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


def model_settings(config: NodeConfig) -> tuple[ModelSettings, ...]:
    """The configured detectors as plain values."""
    catalogue = str(config.models_catalogue) if config.models_catalogue is not None else None
    return tuple(
        ModelSettings(name, one.model, str(one.card) if one.card is not None else None, one.score, catalogue)
        for name, one in config.detectors.items()
    )


def check_models(config: NodeConfig) -> dict[str, OpenedModel]:
    """Open every configured model, verify it, close it again. Raises ModelError."""
    opened = open_models(model_settings(config))
    try:
        return {one.name: one for one in known_of(opened, {})}
    finally:
        for detector in opened.values():
            detector.detector.close()


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


def _open_log(
    config: NodeConfig, run_id: str, wall: Callable[[], datetime], mono: Callable[[], float]
) -> ObservationLog | NoLog:
    settings = config.node.observation_log
    if settings is None:
        return NoLog()
    folder = config.data_dir / "log"
    return ObservationLog(folder, run_id, wall=wall, mono=mono, days=settings.days, max_bytes=settings.cap_mb << 20)


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

"""The node's own page: how every camera, the spool, the broker and the pictures do. Loopback unless told otherwise.

`/health` is JSON for people and probes (status 200 while the node watches, 503 when it cannot), `/metrics` is
Prometheus text, `/` sends to `/health`. Nothing here holds a name of a person, a URL or a password: cameras go by
their ids, and the words of a problem were redacted where they were made.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from xueliang_edge.looks import KnownView

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S: Final = 5.0  # a client that sends nothing is let go
REFUSED_PAUSE_S: Final = 0.2
CLOSE_S: Final = 2.0
_PAGES: Final = ("/health", "/metrics")


@dataclass(frozen=True, slots=True)
class CameraReport:
    """One camera, in numbers and redacted words.

    Attributes:
        state: as the stream says: streaming, stalled, offline, auth_failed, …
        needed_gap_s, achieved_gap_s: longest time between looks that the rules need, and what it really was of late.
        gap_p50_s, gap_p99_s: between the pictures of the last 300 looks or so; None before the second.
        falls_short: the node cannot keep what this camera's rules promise.
        level: how closely it is watched now.
        reader: which reader serves it, and why when it is not the usual one.
        key_interval_s: seconds between two of its key pictures.
        decode_ms, detect_ms: CPU milliseconds of the last picture; of the detectors for a look that asked any.
        tiles: looks at which a crowd was to be counted in tiles, by what became of them: tiled, too_dear (the detector
            takes too long for so many parts), given_up (overload). tile_detections: detections that they took.
        looks, unknown: looks that gave a picture; those of them that could not be judged.
        looks_dropped: looks that were given up, by reason.
        notes: what an installer should know of its stream.
        recent_gaps_s: between the pictures of its last looks, newest last.
        pictures_decoded: by stream, whatever became of them.
        view: what its pictures show: good, doubtful, frozen, black, over_exposed, defocused, covered, moved; or
            no_picture. view_since: the picture from which on they do.
        view_id: which of its views the last picture shows; views: what is known of each. For cameras that turn.
    """

    camera_id: str
    state: str
    since: datetime | None
    problem: str | None
    needed_gap_s: float
    achieved_gap_s: float | None
    gap_p50_s: float | None
    gap_p99_s: float | None
    falls_short: bool
    level: str
    reader: str
    key_interval_s: float | None
    mbit_per_s: float | None
    decode_ms: float | None
    looks: int
    looks_dropped: Mapping[str, int]
    unknown: Mapping[str, int]
    frames_dropped: Mapping[str, int]
    scene_known_share: float
    rules: tuple[str, ...]
    open_alerts: int
    notes: tuple[str, ...] = ()
    recent_gaps_s: tuple[float, ...] = ()
    pictures_decoded: Mapping[str, int] = field(default_factory=dict)
    view: str = "good"
    view_since: datetime | None = None
    view_id: str | None = None
    views: tuple[KnownView, ...] = ()
    detect_ms: float | None = None
    tiles: Mapping[str, int] = field(default_factory=dict)
    tile_detections: int = 0


@dataclass(frozen=True, slots=True)
class RuleNotRunning:
    """A configured rule that is not judged, and what to do about it."""

    camera_id: str
    rule_id: str
    hazard: str
    reason: str


@dataclass(frozen=True, slots=True)
class CameraRulesReport:
    """Which rules a camera runs: `version` and what the versions say of it. `is_as_file`: the file says the same."""

    camera_id: str
    version: int
    source: str
    at: datetime
    note: str
    is_as_file: bool


@dataclass(frozen=True, slots=True)
class RefusedReport:
    """Something in the settings file that is not in force. `where`: file and line; `key`: what in it."""

    where: str
    key: str
    text: str
    hint: str
    since: datetime


@dataclass(frozen=True, slots=True)
class RulesReport:
    """`read_at`: when the settings file was last read for changes; None: it is not followed, or not read yet."""

    read_at: datetime | None = None
    cameras: tuple[CameraRulesReport, ...] = ()
    refused: tuple[RefusedReport, ...] = ()


@dataclass(frozen=True, slots=True)
class AttentionReport:
    """How the node keeps up.

    Attributes:
        degradation, words: the step of the declared order it is at, and what that gives up.
        gap_p50_s, gap_p99_s, gap_max_s: between the pictures of looks, over all cameras.
        detect_ms: CPU milliseconds of a detection, of the slowest worker.
        detector_busy_share: of the busiest detector process.
        levels: how many cameras are watched how closely.
    """

    degradation: str
    words: str
    gap_p50_s: float | None
    gap_p99_s: float | None
    gap_max_s: float | None
    detect_ms: float | None
    detector_busy_share: float
    levels: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class NodeReport:
    """Everything the health page says, at one moment.

    Attributes:
        state: starting, watching, degraded (it watches, and `problems` says what is wrong) or stopping.
        disk: alerts that wait for it, for how long it has been at the write in hand, and the longest write so far.
        counters: by group and reason, all counted since the start.
        observation_log: what is kept of what cameras showed: size_bytes, cap_bytes, oldest_at, queued, problem; empty
            when nothing is kept.
        rules: which version of its rules each camera runs and where it came from; what of the settings file is refused,
            where, why and since when.
    """

    node_id: str
    state: str
    at: datetime
    started_at: datetime
    problems: tuple[str, ...]
    attention: AttentionReport
    cameras: tuple[CameraReport, ...]
    rules_not_running: tuple[RuleNotRunning, ...]
    broker: Mapping[str, object]
    spool: Mapping[str, int]
    disk: Mapping[str, float]
    evidence: Mapping[str, object]
    workers: Mapping[str, object]
    counters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    observation_log: Mapping[str, object] = field(default_factory=dict)
    rules: RulesReport = RulesReport()


class HealthServer:
    """Serves the report of the moment. The report is asked for at each request, in the request's thread."""

    def __init__(self, host: str, port: int, report: Callable[[], NodeReport]) -> None:
        """Listens at once. Raises OSError when the port is taken or may not be used."""
        try:
            self._server = _Server((host, port), report)
        except OSError as error:
            words = f"health page cannot listen on {host}:{port} ({error.strerror}); change node.health"
            raise OSError(error.errno, words) from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on, also when 0 was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(CLOSE_S)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], report: Callable[[], NodeReport]) -> None:
        self.report = report
        self._pause = threading.Event()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection; without a descriptor for it, it is asked for again in a moment, not at once."""
        try:
            return super().get_request()
        except OSError:
            self._pause.wait(REFUSED_PAUSE_S)
            raise


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_TIMEOUT_S
    server_version = "xueliang-edge"
    sys_version = ""

    def do_GET(self) -> None:
        page = self.path.partition("?")[0]
        try:
            if page == "/health":
                report = self.server.report()
                self._answer(503 if report.state == "starting" else 200, "application/json", as_json(report))
            elif page == "/metrics":
                self._answer(200, "text/plain; version=0.0.4; charset=utf-8", as_metrics(self.server.report()))
            elif page == "/":
                self.send_response(302)
                self.send_header("Location", "/health")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._answer(
                    404, "text/plain; charset=utf-8", f"no such page; there are {', '.join(_PAGES)}\n".encode()
                )
        except (BrokenPipeError, ConnectionResetError):
            return

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Probes come every few seconds; they are not logged."""


def as_json(report: NodeReport) -> bytes:
    """The report as UTF-8 JSON; times in ISO 8601, UTC."""

    def plain(value: object) -> str:
        return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)

    return json.dumps(asdict(report), default=plain, ensure_ascii=False, indent=1).encode()


def as_metrics(report: NodeReport) -> bytes:
    """The report as Prometheus text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Report(report))
    return bytes(generate_latest(registry))


class _Report:
    """One report as a collector."""

    def __init__(self, report: NodeReport) -> None:
        self._report = report

    def collect(self) -> list[Metric]:
        return [*self._cameras(), *self._node(), *self._counters()]

    def _cameras(self) -> list[Metric]:
        cameras = self._report.cameras
        streaming = GaugeMetricFamily("edge_camera_streaming", "1 while pictures come", labels=["camera_id"])
        view = GaugeMetricFamily("edge_camera_view", "1 for what its pictures show", labels=["camera_id", "view"])
        needed = GaugeMetricFamily("edge_camera_needed_gap_seconds", "Longest gap the rules need", labels=["camera_id"])
        achieved = GaugeMetricFamily("edge_camera_achieved_gap_seconds", "Longest recent gap", labels=["camera_id"])
        open_alerts = GaugeMetricFamily("edge_camera_open_alerts", "Episodes open now", labels=["camera_id"])
        looks = CounterMetricFamily("edge_looks", "Pictures looked at", labels=["camera_id"])
        unknown = CounterMetricFamily("edge_looks_unknown", "Looks not judged", labels=["camera_id", "reason"])
        dropped = CounterMetricFamily("edge_frames_dropped", "Pictures not used", labels=["camera_id", "reason"])
        decoded = CounterMetricFamily("edge_pictures_decoded", "Pictures decoded", labels=["camera_id", "stream"])
        gap = GaugeMetricFamily("edge_camera_gap_p99_seconds", "99 % of recent gaps are shorter", labels=["camera_id"])
        decode = GaugeMetricFamily("edge_camera_decode_milliseconds", "Last decode, CPU", labels=["camera_id"])
        detect = GaugeMetricFamily(
            "edge_camera_detect_milliseconds", "CPU of the detectors for a look that asked any", labels=["camera_id"]
        )
        tiled = CounterMetricFamily("edge_looks_in_tiles", "Looks to be in tiles", labels=["camera_id", "outcome"])
        parts = CounterMetricFamily("edge_tile_detections", "Detections that tiles took", labels=["camera_id"])
        given_up = CounterMetricFamily("edge_looks_dropped", "Looks given up", labels=["camera_id", "reason"])
        for camera in cameras:
            key = [camera.camera_id]
            streaming.add_metric(key, float(camera.state == "streaming"))
            view.add_metric([*key, camera.view], 1.0)
            needed.add_metric(key, camera.needed_gap_s)
            if camera.achieved_gap_s is not None:
                achieved.add_metric(key, camera.achieved_gap_s)
            open_alerts.add_metric(key, camera.open_alerts)
            looks.add_metric(key, camera.looks)
            for reason, count in camera.unknown.items():
                unknown.add_metric([*key, reason], count)
            for reason, count in camera.frames_dropped.items():
                dropped.add_metric([*key, reason], count)
            for stream, count in camera.pictures_decoded.items():
                decoded.add_metric([*key, stream], count)
            for reason, count in camera.looks_dropped.items():
                given_up.add_metric([*key, reason], count)
            if camera.gap_p99_s is not None:
                gap.add_metric(key, camera.gap_p99_s)
            if camera.decode_ms is not None:
                decode.add_metric(key, camera.decode_ms)
            if camera.detect_ms is not None:
                detect.add_metric(key, camera.detect_ms)
            for outcome, count in camera.tiles.items():
                tiled.add_metric([*key, outcome], count)
            parts.add_metric(key, camera.tile_detections)
        gaps = [needed, achieved, gap, decode, detect]
        return [streaming, view, *gaps, open_alerts, looks, unknown, dropped, decoded, tiled, parts, given_up]

    def _node(self) -> list[Metric]:
        report = self._report
        rules = GaugeMetricFamily("edge_rules_not_running", "Configured rules that are not judged")
        rules.add_metric([], len(report.rules_not_running))
        spool = GaugeMetricFamily("edge_spool", "Spool counters by name", labels=["name"])
        for name, value in report.spool.items():
            spool.add_metric([name], value)
        disk = GaugeMetricFamily("edge_disk", "Alerts that wait for the disk, seconds of its writes", labels=["name"])
        for name, figure in report.disk.items():
            disk.add_metric([name], figure)
        connected = GaugeMetricFamily("edge_broker_connected", "1 while connected")
        connected.add_metric([], float(report.broker.get("phase") == "connected"))
        busy = GaugeMetricFamily("edge_detector_busy_ratio", "Of the busiest detector process")
        busy.add_metric([], report.attention.detector_busy_share)
        step = GaugeMetricFamily("edge_degradation", "1 for the step in force", labels=["step"])
        step.add_metric([report.attention.degradation], 1.0)
        detect = GaugeMetricFamily("edge_detect_milliseconds", "CPU of one detection")
        if report.attention.detect_ms is not None:
            detect.add_metric([], report.attention.detect_ms)
        refused = GaugeMetricFamily("edge_rules_refused", "Changes in the settings file that are not in force")
        refused.add_metric([], len(report.rules.refused))
        version = GaugeMetricFamily("edge_rules_version", "Version of its rules", labels=["camera_id", "source"])
        for camera in report.rules.cameras:
            version.add_metric([camera.camera_id, camera.source], camera.version)
        return [rules, refused, version, spool, disk, connected, busy, step, detect, *self._log()]

    def _log(self) -> list[Metric]:
        kept = self._report.observation_log
        size = GaugeMetricFamily("edge_observation_log_bytes", "On the disk, and how much may be", labels=["name"])
        oldest = GaugeMetricFamily("edge_observation_log_oldest_timestamp_seconds", "First look that is kept")
        for name in ("size_bytes", "cap_bytes"):
            if isinstance(value := kept.get(name), int):
                size.add_metric([name.removesuffix("_bytes")], value)
        if isinstance(moment := kept.get("oldest_at"), datetime):
            oldest.add_metric([], moment.timestamp())
        return [size, oldest]

    def _counters(self) -> list[Metric]:
        family = CounterMetricFamily("edge_events", "Events by group and reason", labels=["group", "reason"])
        for group, counts in self._report.counters.items():
            for reason, count in counts.items():
                family.add_metric([group, reason], count)
        return [family]

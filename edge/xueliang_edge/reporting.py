"""What the node says of itself: the health page's report, and what goes with its status to the centre."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from xueliang_alerts.contract import CameraStatus
from xueliang_alerts.forwarder import StatusExtras
from xueliang_configs.cameras import CameraConfig
from xueliang_configs.node import NodeConfig
from xueliang_configs.rules import Rule
from xueliang_edge.health import CameraReport, NodeReport, RuleNotRunning
from xueliang_edge.pipeline import WatchedCamera
from xueliang_edge.rules.registry import RULES
from xueliang_models.detector import Detector
from xueliang_streams.source import SourceState

if TYPE_CHECKING:
    from xueliang_edge.node import Node

CAMERAS_AT_MOST: Final = 256  # the contract's limit; configs refuses more


def _software() -> str:
    try:
        return f"xueliang-edge {version('xueliang')}"
    except PackageNotFoundError:
        return "xueliang-edge"


SOFTWARE: Final = _software()


class Reporter:
    """Asks every part how it stands; from any thread, changes nothing."""

    def __init__(
        self, node: Node, config: NodeConfig, *, wall: Callable[[], datetime], mono: Callable[[], float]
    ) -> None:
        self._node, self._config, self._wall, self._mono = node, config, wall, mono
        self._started_at = wall()
        self.state = "starting"

    def report(self) -> NodeReport:
        """For the health page."""
        node = self._node
        cameras = tuple(self._camera(camera) for camera in node.pipeline.cameras.values())
        link = node.forwarder.health()
        problems = tuple(self._problems(cameras))
        uploader, store = node.uploader, node.evidence_store
        return NodeReport(
            node_id=self._config.node.node_id,
            state="degraded" if self.state == "watching" and problems else self.state,
            at=self._wall(),
            started_at=self._started_at,
            problems=problems,
            cameras=cameras,
            rules_not_running=node.not_running,
            broker={
                "phase": link.phase.value,
                "detail": link.detail,
                "in_flight": link.in_flight,
                "last_receipt_at": link.last_receipt_at,
                "silent_for_s": round(link.silent_for_s, 1),
                "is_unanswered": link.is_unanswered,
            },
            spool=node.spool.counters() | {"last_sequence": node.spool.last_sequence},
            evidence={
                "is_sent": uploader is not None,
                "pending": store.pending_count() if store else 0,
                "pending_bytes": store.pending_bytes() if store else 0,
                "problem": uploader.problem if uploader else None,
            },
            workers={
                one.name: {"restarts": one.restarts_total, "problem": one.problem} for one in node.supervisor.watched
            },
            counters={
                "alerts": dict(node.telling.counts) | {"waiting_in_memory": node.telling.waiting_count},
                "stills_refused": dict(node.gatherer.refused),
                "stills": {"composed": node.gatherer.composed},
                "evidence": dict(store.counts) if store else {},
                "upload": dict(uploader.counts) if uploader else {},
                "forwarding": link.counters,
                "pipeline": dict(node.pipeline.faults),
                "capture": dict(node.capture.faults),
            },
        )

    def status_extras(self) -> StatusExtras:
        """For the node's status at the centre."""
        node = self._node
        counters = {f"still_refused_{reason}"[:60]: count for reason, count in node.gatherer.refused.items()}
        counters |= {"rules_not_running": len(node.not_running), "stills": node.gatherer.composed}
        if node.evidence_store is not None:
            counters["evidence_pending"] = node.evidence_store.pending_count()
        cameras = tuple(self._status(camera) for camera in list(node.pipeline.cameras.values())[:CAMERAS_AT_MOST])
        return StatusExtras(cameras=cameras, counters=counters)

    def _camera(self, camera: WatchedCamera) -> CameraReport:
        camera_id = camera.config.camera_id
        health = self._node.capture.health(camera_id)
        schedule = self._node.pipeline.schedule
        return CameraReport(
            camera_id=camera_id,
            state=health.state.value,
            since=self._at(health.since_mono_s),
            problem=health.problem,
            needed_gap_s=camera.need.largest_gap_s,
            achieved_gap_s=schedule.achieved_gap_s(camera_id),
            falls_short=schedule.falls_short(camera_id),
            looks=camera.looks,
            unknown=dict(camera.unknown),
            frames_dropped=health.frames_dropped,
            scene_known_share=round(health.scene_known_share, 3),
            rules=tuple(rule.rule_id for rule in camera.config.rules),
            open_alerts=len(camera.judge.open_rules),
        )

    def _status(self, camera: WatchedCamera) -> CameraStatus:
        health = self._node.capture.health(camera.config.camera_id)
        schedule = self._node.pipeline.schedule
        problem = health.problem
        stopped = [one for one in self._node.not_running if one.camera_id == camera.config.camera_id]
        if problem is None and stopped:
            problem = "; ".join(f"rule {one.rule_id} not running: {one.reason}" for one in stopped)
        elif problem is None and schedule.falls_short(camera.config.camera_id):
            problem = "looked at less often than its rules need: the node is overloaded"
        return CameraStatus(
            camera_id=camera.config.camera_id,
            state=health.state.value,
            since=self._at(health.since_mono_s),
            achieved_gap_s=schedule.achieved_gap_s(camera.config.camera_id),
            problem=problem[:300] if problem else None,
        )

    def _problems(self, cameras: Iterable[CameraReport]) -> Iterable[str]:
        node = self._node
        for camera in cameras:
            if camera.state not in (SourceState.STREAMING, SourceState.ENDED):
                yield f"camera {camera.camera_id}: {camera.state}" + (f": {camera.problem}" if camera.problem else "")
            if camera.falls_short:
                yield f"camera {camera.camera_id}: looked at less often than its rules need"
        for rule in node.not_running:
            yield f"camera {rule.camera_id}: rule {rule.rule_id} not running: {rule.reason}"
        link = node.forwarder.health()
        if link.phase.value != "connected":
            yield f"broker: {link.phase.value}" + (f": {link.detail}" if link.detail else "")
        elif link.is_unanswered:
            yield "broker: connected, but the centre sends no receipt"
        if node.telling.waiting_count:
            yield f"disk: {node.telling.waiting_count} alerts wait in memory"
        for worker in node.supervisor.watched:
            if worker.problem:
                yield f"{worker.name}: {worker.problem}"
        if node.uploader is not None and node.uploader.problem:
            yield f"pictures: {node.uploader.problem}"

    def _at(self, mono_s: float) -> datetime:
        return self._wall() - timedelta(seconds=max(0.0, self._mono() - mono_s))


def rules_not_running(cameras: Iterable[CameraConfig], detectors: Mapping[str, Detector]) -> tuple[RuleNotRunning, ...]:
    """Configured rules that this node cannot judge, with the reason and what to do."""
    return tuple(
        RuleNotRunning(camera.camera_id, rule.rule_id, rule.hazard.value, reason)
        for camera in cameras
        for rule in camera.rules
        if (reason := _why_not_running(rule, detectors)) is not None
    )


def _why_not_running(rule: Rule, detectors: Mapping[str, Detector]) -> str | None:
    if rule.hazard not in RULES:  # first: no model that could be brought would change it
        return f"this version cannot judge {rule.hazard.value} yet"
    classes: tuple[str, ...] | None = getattr(rule, "classes", None)
    if classes is not None:
        detector = detectors.get(rule.detector)
        if detector is None:
            known = ", ".join(sorted(detectors)) or "none"
            return f'there is no detector "{rule.detector}" (configured: {known}); add it under detectors'
        if not set(classes) & set(detector.classes):
            return (
                f'the model of detector "{rule.detector}" ({detector.model_id}) knows none of {", ".join(classes)}; '
                "bring a model that does, add it under detectors and name it by the rule's `detector`"
            )
    return None

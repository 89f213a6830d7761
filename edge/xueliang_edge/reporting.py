"""What the node says of itself: the health page's report, and what goes with its status to the centre."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from xueliang_alerts.contract import CameraStatus
from xueliang_alerts.forwarder import StatusExtras
from xueliang_configs.cameras import CameraConfig
from xueliang_configs.node import NodeConfig
from xueliang_configs.rules import Rule, has_place
from xueliang_edge.capture.service import CaptureChildReport
from xueliang_edge.costs import why_never
from xueliang_edge.detection import OpenedModel, WorkerHealth
from xueliang_edge.health import (
    AttentionReport,
    CameraReport,
    CameraRulesReport,
    NodeReport,
    RefusedReport,
    RuleNotRunning,
    RulesReport,
)
from xueliang_edge.rules.registry import RULES
from xueliang_edge.watched_camera import WatchedCamera
from xueliang_streams.source import SourceState

if TYPE_CHECKING:
    from xueliang_edge.node import Node

REFUSALS_TOLD: Final = 5  # in words; all of them are in the report
LOST_AFTER_S: Final = 300.0  # *moved* is said after one minute, a move of the zones is proposed after half of one
LOST: Final = (
    "for minutes in none of its views at its place: its rules are unknown; turn it back to a view, or show one anew by "
    "xueliang-edge views learn"
)
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
            attention=self._attention(),
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
            disk={
                "waiting": node.writer.waiting_count,
                "write_s": round(node.writer.write_s, 1),
                "longest_write_s": round(node.writer.longest_write_s, 1),
            },
            evidence={
                "is_sent": uploader is not None,
                "pending": store.pending_count() if store else 0,
                "pending_bytes": store.pending_bytes() if store else 0,
                "problem": uploader.problem if uploader else None,
            },
            observation_log=self._observation_log(),
            rules=self._rules(),
            workers={one.name: _without_name(one) for one in _workers(node)},
            counters={
                "alerts": dict(node.writer.counts) | {"waiting_in_memory": node.writer.waiting_count},
                "stills_refused": dict(node.gatherer.refused),
                "stills": {"composed": node.gatherer.composed},
                "evidence": dict(store.counts) if store else {},
                "trials": dict(node.trials.counts),
                "upload": dict(uploader.counts) if uploader else {},
                "forwarding": link.counters,
                "rules": dict(node.hot_rules.counts),
                "rules_from_centre": dict(node.from_centre.counts),
                "backtests": dict(node.backtests.counts),
                "fresh_looks": dict(node.fresh_looks.counts),
                "live_views": dict(node.live_views.counts),
                "pipeline": dict(node.pipeline.counts.faults),
                "detections_by_reason": dict(node.pipeline.counts.detections),
                "detection": dict(node.detection.counts),
                "observation_log": dict(kept.counts) if (kept := node.observation_log.report()) else {},
                "capture": dict(sum((Counter(one.faults) for one in node.capture.reports()), Counter())),
            },
        )

    def status_extras(self) -> StatusExtras:
        """For the node's status at the centre."""
        node = self._node
        counters = {f"still_refused_{reason}"[:60]: count for reason, count in node.gatherer.refused.items()}
        counters["shadow_raised"] = node.writer.counts["shadow_raised"]
        counters |= {"rules_not_running": len(node.not_running), "stills": node.gatherer.composed}
        counters["rules_refused"] = len(node.hot_rules.refused)
        if node.evidence_store is not None:
            counters["evidence_pending"] = node.evidence_store.pending_count()
        cameras = tuple(self._status(camera) for camera in list(node.pipeline.cameras.values())[:CAMERAS_AT_MOST])
        return StatusExtras(cameras=cameras, counters=counters)

    def _observation_log(self) -> dict[str, object]:
        settings, kept = self._config.node.observation_log, self._node.observation_log.report()
        if settings is None or kept is None:
            return {}
        return {
            "size_bytes": kept.size_bytes,
            "cap_bytes": settings.cap_mb << 20,
            "days": settings.days,
            "files": kept.files,
            "damaged_files": kept.damaged_files,
            "oldest_at": kept.oldest_at,
            "queued": kept.queued,
            "problem": kept.problem,
        }

    def _rules(self) -> RulesReport:
        hot = self._node.hot_rules
        cameras = tuple(
            CameraRulesReport(
                name, one.version, one.source.value, one.at, one.note, is_as_file=not hot.differs_from_file(name)
            )
            for name, one in list(hot.versions.items())
        )
        refused = tuple(
            RefusedReport(one.problem.where, one.problem.key, one.problem.text, one.problem.hint, one.since)
            for one in hot.refused
        )
        return RulesReport(hot.read_at, cameras, refused)

    def _attention(self) -> AttentionReport:
        node = self._node
        workers = node.detection.describe()
        gaps = node.pipeline.schedule.achieved_by_all()
        degradation = node.pipeline.overload.degradation
        return AttentionReport(
            degradation=degradation.name.lower(),
            words=degradation.words,
            gap_p50_s=gaps.p50_s if gaps else None,
            gap_p99_s=gaps.p99_s if gaps else None,
            gap_max_s=gaps.max_s if gaps else None,
            detect_ms=max((one.detect_ms for one in workers if one.detect_ms is not None), default=None),
            detector_busy_share=max((one.busy_share for one in workers), default=0.0),
            levels=dict(Counter(camera.attention.level.value for camera in node.pipeline.cameras.values())),
        )

    def _camera(self, camera: WatchedCamera) -> CameraReport:
        camera_id = camera.config.camera_id
        health = self._node.capture.health(camera_id)
        schedule = self._node.pipeline.schedule
        gaps = schedule.achieved(camera_id)
        shadows = {rule.rule_id for rule in camera.config.rules if rule.shadow}
        return CameraReport(
            camera_id=camera_id,
            state=health.state.value,
            since=self._at(health.since_mono_s),
            problem=health.problem,
            needed_gap_s=camera.need.largest_gap_s,
            achieved_gap_s=schedule.achieved_gap_s(camera_id),
            gap_p50_s=gaps.p50_s if gaps else None,
            gap_p99_s=gaps.p99_s if gaps else None,
            falls_short=schedule.falls_short(camera_id),
            level=camera.attention.level.value,
            reader=health.reader,
            key_interval_s=health.key_interval_s,
            mbit_per_s=health.mbit_per_s,
            decode_ms=health.decode_ms,
            looks=camera.looks,
            looks_dropped=dict(schedule.drops(camera_id)),
            unknown=dict(camera.unknown),
            frames_dropped=health.frames_dropped,
            scene_known_share=round(health.scene_known_share, 3),
            rules=tuple(rule.rule_id for rule in camera.config.rules),
            open_alerts=len(camera.judge.open_rules - shadows),
            notes=health.notes,
            recent_gaps_s=tuple(round(gap_s, 3) for gap_s in schedule.recent_gaps_s(camera_id)),
            pictures_decoded=health.pictures_decoded,
            view=camera.view_words,
            view_since=None if camera.view_since_mono_s is None else self._at(camera.view_since_mono_s),
            view_id=camera.view.view_id,
            views=health.views,
            detect_ms=None if camera.detect_ms is None else round(camera.detect_ms, 2),
            tiles={reason.value: count for reason, count in list(camera.tiles.items())},
            tile_detections=camera.tile_detections,
        )

    def _status(self, camera: WatchedCamera) -> CameraStatus:
        health = self._node.capture.health(camera.config.camera_id)
        schedule = self._node.pipeline.schedule
        problem = health.problem
        if problem is None and camera.view.fault is not None:
            problem = f"view {camera.view.fault.value}: its other rules are unknown"
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
            if camera.view not in ("good", "doubtful", "no_picture"):
                yield f"camera {camera.camera_id}: view {camera.view}: its other rules are unknown"
            yield from _view_problems(camera)
            if is_lost(camera, self._wall()):
                yield f"camera {camera.camera_id}: {LOST}"
            if camera.falls_short:
                yield f"camera {camera.camera_id}: looked at less often than its rules need"
        for rule in node.not_running:
            yield f"camera {rule.camera_id}: rule {rule.rule_id} not running: {rule.reason}"
        for proposal in list(node.hot_rules.proposing.current.values()):
            yield f"camera {proposal.words}; see: xueliang-edge views proposals"
        refused = node.hot_rules.refused
        for one in refused[:REFUSALS_TOLD]:
            problem, since = one.problem, f"{one.since:%Y-%m-%d %H:%M:%S} UTC"
            what = f"{problem.key}: {problem.text}" if problem.key else problem.text
            hint = f" ({problem.hint})" if problem.hint else ""
            yield f"rules: not taken since {since}: {problem.where}: {what}{hint}"
        if len(refused) > REFUSALS_TOLD:
            yield f"rules: {len(refused) - REFUSALS_TOLD} more changes of the settings file are not taken"
        if node.hot_rules.disk_problem:
            yield f"rules: versions cannot be kept: {node.hot_rules.disk_problem}"
        if node.hot_rules.proposals_problem:
            yield f"rules: proposals cannot be kept: {node.hot_rules.proposals_problem}"
        link = node.forwarder.health()
        if link.phase.value != "connected":
            yield f"broker: {link.phase.value}" + (f": {link.detail}" if link.detail else "")
        elif link.is_unanswered:
            yield "broker: connected, but the centre sends no receipt"
        if node.writer.problem:
            yield f"disk: {node.writer.problem}"
        kept = node.observation_log.report()
        if kept is not None and kept.problem:
            yield f"observation log: not written: {kept.problem}"
        for child in node.capture.reports():
            if child.problem:
                yield f"{child.name}: {child.problem}"
        if node.detection.problem:
            yield node.detection.problem
        if node.pipeline.overload.degradation:
            yield f"overload: {node.pipeline.overload.degradation.words}"
        if node.uploader is not None and node.uploader.problem:
            yield f"pictures: {node.uploader.problem}"

    def _at(self, mono_s: float) -> datetime:
        return self._wall() - timedelta(seconds=max(0.0, self._mono() - mono_s))


def is_lost(camera: CameraReport, at: datetime) -> bool:
    """True when a camera is doubtful for long and nothing else says so: beside a known view, say, and not steady."""
    if camera.view != "doubtful" or camera.view_since is None or not camera.views:
        return False
    is_said = any(view.state != "known" or view.shift_xyn is not None for view in camera.views)
    return not is_said and (at - camera.view_since).total_seconds() > LOST_AFTER_S


def _view_problems(camera: CameraReport) -> Iterable[str]:
    for view in camera.views:
        about = f"camera {camera.camera_id}: view {view.view_id}"
        if view.state == "no_reference":
            todo = f"turn the camera there and run: xueliang-edge views learn {camera.camera_id} {view.view_id}"
            yield f"{about}: its rules are unknown: {view.problem or 'it was not shown to the node yet'}; {todo}"
        elif view.problem is not None:
            yield f"{about}: {view.problem}; its reference from before goes on"


def _workers(node: Node) -> Iterable[CaptureChildReport | WorkerHealth]:
    yield from node.capture.reports()
    yield from node.detection.describe()


def _without_name(one: CaptureChildReport | WorkerHealth) -> dict[str, object]:
    values = asdict(one)
    del values["name"]
    return values


def rules_not_running(
    cameras: Iterable[CameraConfig], detectors: Mapping[str, OpenedModel]
) -> tuple[RuleNotRunning, ...]:
    """Configured rules that this node cannot judge, with the reason and what to do."""
    return tuple(
        RuleNotRunning(camera.camera_id, rule.rule_id, rule.hazard.value, reason)
        for camera in cameras
        for rule in camera.rules
        if (reason := _why_not_running(rule, detectors) or _why_never(camera, rule, detectors)) is not None
    )


def _why_never(camera: CameraConfig, rule: Rule, detectors: Mapping[str, OpenedModel]) -> str | None:
    """The arithmetic by which this machine cannot give the rule its looks, whatever else it does; None: it may."""
    detector = detectors.get(rule.detector)
    if not has_place(rule) or detector is None or detector.warm_ms is None:
        return None
    gap_s = camera.look_every_s or rule.largest_gap_s
    words = why_never(rule.rule_id, gap_s, detector.warm_ms)
    return f"{words}; give it a larger gap (look_every_s) or a smaller model" if words else None


def _why_not_running(rule: Rule, detectors: Mapping[str, OpenedModel]) -> str | None:
    if not RULES[rule.hazard].needs_detector:
        return None
    detector = detectors.get(rule.detector)
    if detector is None:
        known = ", ".join(sorted(detectors)) or "none"
        return f'there is no detector "{rule.detector}" (configured: {known}); add it under detectors'
    return _why_not_known(rule, detector)


def _why_not_known(rule: Rule, detector: OpenedModel) -> str | None:
    """The classes a rule needs and this model does not know."""
    model = f'the model of detector "{rule.detector}" ({detector.model_id})'
    known = _listed(detector.classes)
    classes: tuple[str, ...] = getattr(rule, "classes", ())
    written = classes if "classes" in rule.model_fields_set else ()
    if classes and not set(classes) & set(detector.classes):
        return (
            f"{model} knows none of {', '.join(classes)}, only {known}; "
            "bring a model that does, add it under detectors and name it by the rule's `detector`"
        )
    for name in written:
        if name not in detector.classes:
            near = get_close_matches(name, detector.classes, n=1)
            hint = f'did you mean "{near[0]}"?' if near else "take it out of `classes`, or bring a model that knows it"
            return f'{model} has no class "{name}", only {known}; {hint}'
    missing = [name for name in RULES[rule.hazard].must_know if name not in detector.classes]
    if missing:
        return (
            f"{model} does not know {', '.join(missing)}, only {known}: who passes would be taken for a change; "
            "name a detector that knows people and vehicles"
        )
    return None


def _listed(names: Sequence[str]) -> str:
    """At most a dozen: a model may know eighty."""
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")

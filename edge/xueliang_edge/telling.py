"""A decision on its way to the spool: stills first, then the alert, then what must survive a restart.

Invariants
    - Decisions reach the spool in the order in which they were made, also when the disk refuses for a while: they
      wait in memory (`WAITING_AT_MOST`, counted when one is given up) and are given again about once a second.
    - What a rule with `shadow: true` decides is counted and logged; it never reaches the spool, and has no still.
    - After an alert was accepted, its camera's snapshot is written: the two differ for milliseconds only, and
      `settle_past` brings them together at the next start.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from xueliang_alerts.contract import Alert, EndReason, EvidenceRef, Phase, Reason
from xueliang_alerts.errors import RecordTooLarge, SpoolError
from xueliang_alerts.spool import Spool
from xueliang_configs.cameras import CameraConfig
from xueliang_configs.rules import Rule
from xueliang_edge.errors import NotRepresentable
from xueliang_edge.evidence.gathering import Gatherer
from xueliang_edge.looks import Look
from xueliang_edge.open_alerts import OpenAlerts
from xueliang_edge.publishing import Publisher
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge, Judged
from xueliang_edge.snapshots import BUSY_EVERY_S, SnapshotFiles

log = logging.getLogger(__name__)

WAITING_AT_MOST: Final = 1000  # about 2 MB


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A decision with its stills, not yet accepted by the spool."""

    camera_id: str
    rule: Rule
    decision: Decision
    evidence: tuple[EvidenceRef, ...]


_WAITING: Final = TypeAdapter(_Waiting)


class Telling:
    """The pipeline's `Teller`. One thread."""

    def __init__(
        self,
        spool: Spool,
        publisher: Publisher,
        open_alerts: OpenAlerts,
        gatherer: Gatherer,
        snapshots: SnapshotFiles,
        judges: Mapping[str, CameraJudge],
        mono: Callable[[], float],
    ) -> None:
        self._spool, self._publisher, self._open_alerts = spool, publisher, open_alerts
        self._gatherer, self._snapshots, self._judges, self._mono = gatherer, snapshots, judges, mono
        self._waiting: deque[_Waiting] = deque()
        self._saved_mono_s = mono()
        self.counts: Counter[str] = Counter()

    @property
    def waiting_count(self) -> int:
        """Decisions that the disk has not taken yet."""
        return len(self._waiting)

    def tell(self, camera: CameraConfig, judged: Sequence[Judged], look: Look | None) -> None:
        for rule, decision in judged:
            if rule.shadow:
                self._note_shadow(camera.camera_id, rule, decision)
                continue
            so_far = self._evidence_so_far(camera.camera_id, rule, decision)
            evidence = self._gatherer.gather(camera, rule, decision, look, so_far)
            self._wait(_Waiting(camera.camera_id, rule, decision, evidence))
        if judged:
            self.save(camera.camera_id)
            self._give()

    def _note_shadow(self, camera_id: str, rule: Rule, decision: Decision) -> None:
        """A rule on trial: counted and logged here, told to nobody; no still is made for it."""
        self.counts[f"shadow_{decision.phase.value}"] += 1
        log.info(
            "shadow alert",
            extra={
                "camera_id": camera_id,
                "rule_id": rule.rule_id,
                "phase": decision.phase.value,
                "reason": decision.reason.text,
            },
        )

    def tend(self) -> None:
        """Give again what the disk refused; write the snapshots of busy cameras."""
        self._give()
        if self._mono() - self._saved_mono_s >= BUSY_EVERY_S:
            self._saved_mono_s = self._mono()
            for camera_id, judge in self._judges.items():
                # Something is open, or on its way to be raised.
                if any(episode.open or episode.onset for episode in judge.episodes.values()):
                    self.save(camera_id)

    def save(self, camera_id: str) -> None:
        """What this camera's rules remember, and what they said that the spool has not taken yet, to disk."""
        snapshot = self._judges[camera_id].snapshot()
        waiting = [_WAITING.dump_python(one, mode="json") for one in self._waiting if one.camera_id == camera_id]
        self._snapshots.save(camera_id, snapshot | {"waiting": waiting} if snapshot else {})

    def resume(self, snapshot: Mapping[str, Any]) -> None:
        """Take up what an earlier run had said when it was killed, as far as the spool had not accepted it."""
        for saved in snapshot.get("waiting", ()):
            try:
                one = _WAITING.validate_python(saved)
            except ValidationError as error:
                self.counts["resumed_unreadable"] += 1
                log.warning("decision of an earlier run not readable", extra={"problems": error.error_count()})
                continue
            if not self._is_accepted(one):
                self._wait(one)

    def _is_accepted(self, one: _Waiting) -> bool:
        last = self._open_alerts.last(one.camera_id, one.rule.rule_id)
        if last is None or last.began_at < one.decision.began.at:
            return False
        if last.began_at > one.decision.began.at or last.phase is Phase.CLEARED:
            return True
        return one.decision.phase is not Phase.CLEARED and last.observed_at >= one.decision.observed.at

    def end_all(self, end_reason: EndReason) -> None:
        """End every open episode, for example at a final stop."""
        for judge in self._judges.values():
            self.tell(judge.camera, judge.end_all(end_reason), None)

    def settle_past(self) -> None:
        """End what an earlier run left open and no rule goes on with: said once, at the start.

        An alert goes on when its rule's restored memory holds the same onset. Else its camera or rule is gone
        (rule_removed), or what the rule remembered is lost (node_stopped): in both cases we stopped knowing.
        """
        configured = {(name, rule.rule_id) for name, judge in self._judges.items() for rule in judge.camera.rules}
        for alert in self._open_alerts.all():
            judge = self._judges.get(alert.camera_id)
            if judge is not None and _remembers(judge.snapshot(), alert):
                continue
            is_gone = (alert.camera_id, alert.rule_id) not in configured
            self._end_past(alert, EndReason.RULE_REMOVED if is_gone else EndReason.NODE_STOPPED)

    def _end_past(self, alert: Alert, end_reason: EndReason) -> None:
        book = self._publisher.open_alerts().get(f"{alert.camera_id}/{alert.rule_id}")
        used = book.revision if book is not None and book.alert_id == str(alert.alert_id) else 0
        texts = {
            EndReason.RULE_REMOVED: "the rule or its camera was taken out while its alert was open",
            EndReason.NODE_STOPPED: "the node stopped while the alert was open, and does not remember it",
        }
        ended = Alert.model_validate(
            alert.model_dump()
            | {
                "revision": max(alert.revision, used) + 1,
                "phase": Phase.CLEARED,
                "end_reason": end_reason,
                "ended_at": alert.observed_at,
                "reason": Reason(code=end_reason.value, text=texts[end_reason]).model_dump(),
            }
        )
        try:
            self._spool.accept(ended)
        except SpoolError as error:
            log.error("past alert not ended, tried again at the next start", extra={"why": str(error)})
            return
        self._open_alerts.note(ended, self._spool.last_sequence)
        log.info(
            "past alert ended",
            extra={"camera_id": alert.camera_id, "rule_id": alert.rule_id, "end_reason": end_reason.value},
        )

    def _evidence_so_far(self, camera_id: str, rule: Rule, decision: Decision) -> tuple[EvidenceRef, ...]:
        for one in reversed(self._waiting):
            if one.camera_id == camera_id and one.rule.rule_id == rule.rule_id:
                return one.evidence if one.decision.began.at == decision.began.at else ()
        alert = self._open_alerts.get(camera_id, rule.rule_id)
        return alert.evidence if alert is not None and alert.began_at == decision.began.at else ()

    def _wait(self, one: _Waiting) -> None:
        if len(self._waiting) >= WAITING_AT_MOST:
            self._waiting.popleft()
            self.counts["given_up"] += 1
        self._waiting.append(one)

    def _give(self) -> None:
        while self._waiting:
            one = self._waiting[0]
            try:
                alert = self._publisher.publish(one.camera_id, one.rule, one.decision, one.evidence)
            except (NotRepresentable, RecordTooLarge) as error:
                self.counts["not_representable"] += 1
                log.error("alert cannot be represented", extra={"camera_id": one.camera_id, "why": str(error)})
                self._waiting.popleft()
                continue
            except (SpoolError, OSError) as error:
                self.counts["disk_refused"] += 1
                if self.counts["disk_refused"] == 1 or len(self._waiting) == WAITING_AT_MOST:
                    log.error("alerts wait in memory: the disk refuses", extra={"why": str(error)})
                return
            self._waiting.popleft()
            self._open_alerts.note(alert, self._spool.last_sequence)
            self.counts[alert.phase.value] += 1
            log.info(
                "alert",
                extra={
                    "camera_id": alert.camera_id,
                    "rule_id": alert.rule_id,
                    "phase": alert.phase.value,
                    "revision": alert.revision,
                    "reason": alert.reason.text,
                    "stills": len(alert.evidence),
                },
            )


def _episodes(snapshot: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The episode of each rule in a judge's snapshot."""
    return {name: rule["state"]["episode"] for name, rule in snapshot.get("rules", {}).items()}


def _remembers(snapshot: Mapping[str, Any], alert: Alert) -> bool:
    """The rule's memory holds this alert's onset: raised, or about to be raised again as the same."""
    episode = _episodes(snapshot).get(alert.rule_id)
    if episode is None:
        return False
    onsets = [one for one in ((episode["open"] or {}).get("began"), episode["onset"]) if one]
    return any(datetime.fromisoformat(one["at"]) == alert.began_at for one in onsets)

"""What the main path does with a decision: ask for its stills, copy what its rules remember, hand both to the disk.

Nothing here waits for the disk while the node watches: `writing.py` does, in a thread of its own, and says in its head
what always holds. Only before that thread begins (`resume`, `settle_past`) is something written at once.
What a rule with `shadow: true` decides is counted and logged, and a still of what it would have raised is kept on this
node (`evidence/trials.py`); it never reaches the spool.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from xueliang_alerts.contract import Alert, EndReason, EvidenceRef, Phase, Reason
from xueliang_alerts.errors import SpoolError
from xueliang_alerts.spool import Spool
from xueliang_configs.cameras import CameraConfig
from xueliang_configs.rules import Rule
from xueliang_edge.evidence.gathering import Gatherer
from xueliang_edge.looks import Look
from xueliang_edge.open_alerts import OpenAlerts
from xueliang_edge.publishing import Publisher
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge, Judged
from xueliang_edge.snapshots import BUSY_EVERY_S
from xueliang_edge.writing import WAITING, WaitingDecision, Writer

log = logging.getLogger(__name__)


class Telling:
    """The pipeline's `Teller`. One thread."""

    def __init__(
        self,
        spool: Spool,
        publisher: Publisher,
        open_alerts: OpenAlerts,
        gatherer: Gatherer,
        writer: Writer,
        judges: Mapping[str, CameraJudge],
        mono: Callable[[], float],
    ) -> None:
        self._spool, self._publisher, self._open_alerts = spool, publisher, open_alerts
        self._gatherer, self._writer, self._judges, self._mono = gatherer, writer, judges, mono
        self._saved_mono_s = mono()

    def tell(self, camera: CameraConfig, judged: Sequence[Judged], look: Look | None) -> None:
        said: list[WaitingDecision] = []
        for rule, decision in judged:
            if rule.shadow:
                continue
            so_far = self._evidence_so_far(camera.camera_id, rule, decision)
            evidence = self._gatherer.gather(camera, rule, decision, look, so_far)
            said.append(WaitingDecision(camera.camera_id, rule, decision, evidence))
        if judged:
            self._writer.take(camera.camera_id, said, self._judges[camera.camera_id].snapshot())
        for rule, decision in judged:
            if rule.shadow:
                self._note_trial(camera, rule, decision, look)

    def _note_trial(self, camera: CameraConfig, rule: Rule, decision: Decision, look: Look | None) -> None:
        """A rule on trial: counted, logged and shown here, told to nobody."""
        if self._writer.has_room_for_trials:
            still = self._gatherer.of_trial(camera, rule, decision, look)
            if still is not None:
                self._writer.take_trial(camera.camera_id, rule, decision, still)
        self._writer.counts[f"shadow_{decision.phase.value}"] += 1
        log.info(
            "shadow alert",
            extra={
                "camera_id": camera.camera_id,
                "rule_id": rule.rule_id,
                "phase": decision.phase.value,
                "reason": decision.reason.text,
            },
        )

    def tend(self) -> None:
        """Have the snapshots of busy cameras written."""
        if self._mono() - self._saved_mono_s >= BUSY_EVERY_S:
            self._saved_mono_s = self._mono()
            for camera_id, judge in self._judges.items():
                # Something is open, or on its way to be raised.
                if any(episode.open or episode.onset for episode in judge.episodes.values()):
                    self.save(camera_id)

    def save(self, camera_id: str) -> None:
        """Have written what this camera's rules remember."""
        self._writer.take(camera_id, (), self._judges[camera_id].snapshot())

    def resume(self, snapshot: Mapping[str, Any]) -> None:
        """Take up what an earlier run had said when it was killed, as far as the spool had not accepted it."""
        for saved in snapshot.get("waiting", ()):
            try:
                one = WAITING.validate_python(saved)
            except ValidationError as error:
                self._writer.counts["resumed_unreadable"] += 1
                log.warning("decision of an earlier run not readable", extra={"problems": error.error_count()})
                continue
            if not self._is_accepted(one):
                self._writer.take(one.camera_id, [one], {})

    def _is_accepted(self, one: WaitingDecision) -> bool:
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
        An alert of which a decision still waits for the disk is left to that decision, or to the next start.
        """
        configured = {(name, rule.rule_id) for name, judge in self._judges.items() for rule in judge.camera.rules}
        for alert in self._open_alerts.all():
            if self._writer.newest(alert.camera_id, alert.rule_id) is not None:
                continue
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
        waiting = self._writer.newest(camera_id, rule.rule_id)
        if waiting is not None:
            return waiting.evidence if waiting.decision.began.at == decision.began.at else ()
        alert = self._open_alerts.get(camera_id, rule.rule_id)
        return alert.evidence if alert is not None and alert.began_at == decision.began.at else ()


def _episodes(snapshot: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The episode of each rule in a judge's snapshot."""
    return {name: rule["state"]["episode"] for name, rule in snapshot.get("rules", {}).items()}


def _remembers(snapshot: Mapping[str, Any], alert: Alert) -> bool:
    """The rule's memory holds this alert's onset: raised, or about to be raised again as the same."""
    episode = _episodes(snapshot).get(alert.rule_id)
    if episode is None:
        return False
    known = [] if episode["open"] is None else [datetime.fromisoformat(episode["open"]["began"]["at"])]
    if episode["onset"] is not None:
        # Remembered is the look; told is that, or half-way between it and the look before (`Look.begins_between`).
        at, unseen_s = datetime.fromisoformat(episode["onset"]["at"]), float(episode["onset"]["unseen_s"])
        known += [at, at - timedelta(seconds=unseen_s / 2)]
    return alert.began_at in known

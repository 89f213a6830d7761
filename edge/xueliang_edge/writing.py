"""The one thread that waits for the disk: it brings decisions to the spool, and what rules remember to their files.

Invariants
    - The main path hands over and goes on, however long a write takes: `take` waits for no disk.
    - Decisions reach the spool in the order in which they were made, also when the disk refuses for a while: they wait
      in memory (`WAITING_AT_MOST`, counted when one is given up) and are given again about once a second.
    - Before the spool is given a decision, its stills are on the disk, and so is a snapshot of its camera's rules that
      knows of it, together with every decision of that camera that was not accepted yet. So however the node dies, the
      next start can tell what was said and what was not (`Telling.resume`). A disk that refuses the snapshot therefore
      delays the decision, too.
    - Of several snapshots of one camera that wait, only the newest is written: it names all decisions that still wait.
    - A decision counts as accepted after the spool's fsync only; what was in memory at a kill was never accepted.
    - What fails with a defect of ours, not of the disk, holds up nothing for ever: tried `FAULTS_AT_MOST` times, then
      given up, counted and logged. A snapshot that is given up so does not hold back its decisions: to say an alert
      twice after a kill is better than not to say it.
    - The thread tells nobody that the node lives: a disk that hangs is said on the health page, and looks go on.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from xueliang_alerts.contract import Alert, EvidenceRef
from xueliang_alerts.errors import RecordTooLarge, SpoolError
from xueliang_alerts.spool import Spool
from xueliang_configs.rules import Rule
from xueliang_edge.errors import NotRepresentable
from xueliang_edge.evidence.in_hand import StillsInHand
from xueliang_edge.evidence.stills import Still
from xueliang_edge.evidence.trials import TrialStills
from xueliang_edge.open_alerts import OpenAlerts
from xueliang_edge.publishing import Publisher
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.snapshots import SnapshotFiles

log = logging.getLogger(__name__)

WAITING_AT_MOST: Final = 1000  # about 2 MB
AGAIN_AFTER_S: Final = 1.0
SLOW_S: Final = 1.0  # a usual disk takes milliseconds: longer is said
LATE_S: Final = 3.0  # the same for a decision that waits behind many short writes
TIDY_EVERY_S: Final = 3600.0  # what has grown too old is looked for
FAULTS_AT_MOST: Final = 5  # about 5 s: a defect that passes has passed by then


@dataclass(frozen=True, slots=True)
class WaitingDecision:
    """A decision with its stills, not yet accepted by the spool."""

    camera_id: str
    rule: Rule
    decision: Decision
    evidence: tuple[EvidenceRef, ...]


WAITING: Final = TypeAdapter(WaitingDecision)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A decision in the queue, since when."""

    one: WaitingDecision
    since_mono_s: float


class Writer:
    """`take`, `newest` and the figures are the main path's; everything that touches the disk is the thread's.

    Until `start` there is no thread, and `write` may be called by whoever owns this.
    """

    def __init__(
        self,
        spool: Spool,
        publisher: Publisher,
        open_alerts: OpenAlerts,
        snapshots: SnapshotFiles,
        stills: StillsInHand | None,
        mono: Callable[[], float],
        trials: TrialStills | None = None,
    ) -> None:
        """`stills`, `trials`: None where no still is ever composed."""
        self._spool, self._publisher, self._open_alerts = spool, publisher, open_alerts
        self._files, self._stills, self._mono, self._trials = snapshots, stills, mono, trials
        self._changed = threading.Condition()
        self._waiting: deque[_Taken] = deque()
        self._snapshots: dict[str, Mapping[str, Any]] = {}
        self._is_writing = False
        self._is_stopping = False
        self._refusal: str | None = None  # why something is left that is to be written
        self._is_refusal_said = False
        self._failing: _Taken | None = None
        self._failed_times = 0
        self._memory_failed_times: Counter[str] = Counter()
        self._at_disk_since_mono_s: float | None = None
        self.longest_write_s = 0.0
        self.counts: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="disk", daemon=True)

    # The main path's side.

    def take(self, camera_id: str, decisions: Sequence[WaitingDecision], snapshot: Mapping[str, Any]) -> None:
        """What a camera's rules said, and what they remember after it; an empty snapshot is not written."""
        with self._changed:
            for one in decisions:
                self._queue(one)
            if snapshot:
                self._snapshots[camera_id] = snapshot
            self._changed.notify_all()

    @property
    def has_room_for_trials(self) -> bool:
        """False: a still of a rule on trial would be dropped; none need be made."""
        return self._trials is not None and self._trials.has_room

    def take_trial(self, camera_id: str, rule: Rule, decision: Decision, still: Still) -> None:
        """The still of a rule on trial: written when no alert waits."""
        if self._trials is not None:
            with self._changed:
                self._trials.keep(camera_id, rule, decision, still)
                self._changed.notify_all()

    def newest(self, camera_id: str, rule_id: str) -> WaitingDecision | None:
        """The last decision of this rule that the spool has not accepted yet."""
        with self._changed:
            for taken in reversed(self._waiting):
                if taken.one.camera_id == camera_id and taken.one.rule.rule_id == rule_id:
                    return taken.one
        return None

    @property
    def waiting_count(self) -> int:
        """Decisions that the disk has not taken yet."""
        return len(self._waiting)

    @property
    def write_s(self) -> float:
        """For how long the disk has been at the write in hand; 0 when it has none."""
        since = self._at_disk_since_mono_s
        return self._mono() - since if since is not None else 0.0

    @property
    def problem(self) -> str | None:
        """What is wrong with the disk, or with the thread that writes, in words."""
        with self._changed:
            refusal, count = self._refusal, len(self._waiting)
            late_s = self._mono() - self._waiting[0].since_mono_s if count else 0.0
        said = []
        if self._thread.ident is not None and self.has_ended and not self._is_stopping:
            said.append("the thread that writes has ended: restart the node")
        if (write_s := self.write_s) >= SLOW_S:
            said.append(f"one write takes {write_s:.0f} s")
        if count and (said or refusal or late_s >= LATE_S):
            since = f", the oldest for {late_s:.0f} s" if late_s >= LATE_S else ""
            said.append(f"{count} alerts wait in memory{since}" + (f": {refusal}" if refusal else ""))
        elif refusal:
            said.append(refusal)
        return "; ".join(said) or None

    def _queue(self, one: WaitingDecision) -> None:
        if len(self._waiting) >= WAITING_AT_MOST:
            del self._waiting[1 if self._is_writing else 0]  # the first may be on its way to the disk
            self.counts["given_up"] += 1
        self._waiting.append(_Taken(one, self._mono()))

    @property
    def has_ended(self) -> bool:
        """Nothing is written any more, or not yet by a thread."""
        return not self._thread.is_alive()

    # Begin and end.

    def start(self) -> None:
        self._thread.start()

    def drain(self, timeout_s: float) -> bool:
        """Wait until all that was taken is on the disk; False when that did not come true in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._snapshots or self._is_writing), timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Write what there is, once, and end. False: the disk still holds a write after this time; it is left to it."""
        if self._thread.ident is None:
            self.write()
            return True
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        if self._waiting:
            log.error("stopped with alerts that the disk did not take", extra={"waiting": len(self._waiting)})
        return self.has_ended

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._await_work()
            self.write()

    def _await_work(self) -> bool:
        """True: told to stop, what follows is the last round."""
        with self._changed:
            if self._refusal is not None:
                self._changed.wait_for(lambda: self._is_stopping, AGAIN_AFTER_S)
            else:
                self._changed.wait_for(self._has_work, TIDY_EVERY_S)
            return self._is_stopping

    def _has_work(self) -> bool:
        has_trials = self._trials is not None and self._trials.has_waiting
        return bool(self._waiting or self._snapshots or has_trials or self._is_stopping)

    # What may wait for the disk.

    def write(self) -> None:
        """Everything that can be written now, decisions first. What fails is logged, counted and left for next time."""
        with self._changed:
            self._is_writing = True
        try:
            if self._write_all():
                self._refusal = None
        except OSError as error:
            self._note_refusal(str(error))
        except Exception as error:
            self._note_fault(error)
        finally:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()

    def _write_all(self) -> bool:
        """False: something is left."""
        while self._waiting and self._give(self._waiting[0]):
            pass
        head = self._waiting[0].one.camera_id if self._waiting else None  # its snapshot had its turn with it
        is_all = head is None
        for camera_id in list(self._snapshots):
            if camera_id != head:
                is_all = self._remember(camera_id) and is_all
        if self._stills is not None and not self._waiting:
            with self._at_disk():
                self._stills.write_rest()
        if self._trials is not None and not self._waiting:
            with self._at_disk():
                self._trials.write()
        return is_all

    def _remember(self, camera_id: str) -> bool:
        """The camera's newest snapshot with all it said that the spool has not accepted, to disk, when it is not.

        False: it is not written, and is to be tried again.
        """
        with self._changed:
            snapshot = self._snapshots.pop(camera_id, None)
            said = [taken.one for taken in self._waiting if taken.one.camera_id == camera_id]
        if snapshot is None:
            return True
        try:
            with self._at_disk():
                is_settled = self._save(camera_id, snapshot, said)
            self._memory_failed_times.pop(camera_id, None)
        except OSError as error:
            self._note_refusal(str(error))
            is_settled = False
        except Exception as error:
            self._note_fault(error)
            is_settled = self._is_memory_given_up(camera_id)
        if not is_settled:
            with self._changed:
                self._snapshots.setdefault(camera_id, snapshot)  # unless a newer one came meanwhile
        return is_settled

    def _save(self, camera_id: str, snapshot: Mapping[str, Any], said: Sequence[WaitingDecision]) -> bool:
        waiting = [
            WAITING.dump_python(WaitingDecision(one.camera_id, one.rule, one.decision, self._kept(one)), mode="json")
            for one in said
        ]
        if self._files.save(camera_id, {**snapshot, "waiting": waiting}):
            return True
        self._note_refusal(f"what the rules of {camera_id} remember cannot be written")
        return False

    def _is_memory_given_up(self, camera_id: str) -> bool:
        self._memory_failed_times[camera_id] += 1
        if self._memory_failed_times[camera_id] < FAULTS_AT_MOST:
            return False
        self.counts["memory_given_up"] += 1
        if self._memory_failed_times[camera_id] == FAULTS_AT_MOST:
            log.error("what rules remember cannot be written: given up", extra={"camera_id": camera_id})
        return True

    def _give(self, taken: _Taken) -> bool:
        """False: it is to be given again."""
        if not self._remember(taken.one.camera_id):
            return False
        try:
            self._publish(taken.one)
        except (NotRepresentable, RecordTooLarge) as error:
            self.counts["not_representable"] += 1
            log.error("alert cannot be represented", extra={"camera_id": taken.one.camera_id, "why": str(error)})
        except (SpoolError, OSError) as error:
            self._note_refusal(str(error))
            return False
        except Exception as error:
            self._note_fault(error)
            if not self._is_given_up(taken):
                return False
        self._refusal = None
        with self._changed:
            self._waiting.popleft()
        return True

    def _publish(self, one: WaitingDecision) -> None:
        with self._at_disk():
            alert = self._publisher.publish(one.camera_id, one.rule, one.decision, self._kept(one))
        self._accepted(alert)

    def _is_given_up(self, taken: _Taken) -> bool:
        self._failed_times = self._failed_times + 1 if self._failing is taken else 1
        self._failing = taken
        if self._failed_times < FAULTS_AT_MOST:
            return False
        self._failing = None
        self.counts["given_up_failing"] += 1
        one = taken.one
        log.error(
            "alert given up: it fails again and again",
            extra={"camera_id": one.camera_id, "rule_id": one.rule.rule_id, "phase": one.decision.phase.value},
        )
        return True

    def _note_refusal(self, why: str) -> None:
        """The disk did not take something: counted; said once alerts wait for it, and when no more can wait."""
        self._refusal = why
        self.counts["disk_refused"] += 1
        if self._waiting and (not self._is_refusal_said or len(self._waiting) == WAITING_AT_MOST):
            self._is_refusal_said = True
            log.error("alerts wait in memory: the disk refuses", extra={"why": why})

    def _note_fault(self, error: Exception) -> None:
        """A defect of ours: logged once with its traceback, then counted."""
        self._refusal = f"{type(error).__name__}: {error}"
        self.counts["writer_failed"] += 1
        if self.counts["writer_failed"] == 1:
            log.error("decisions cannot be written", exc_info=error)

    def _accepted(self, alert: Alert) -> None:
        with self._at_disk():
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

    def _kept(self, one: WaitingDecision) -> tuple[EvidenceRef, ...]:
        return self._stills.write(one.evidence) if self._stills is not None else one.evidence

    @contextmanager
    def _at_disk(self) -> Iterator[None]:
        self._at_disk_since_mono_s = since = self._mono()
        try:
            yield
        finally:
            self._at_disk_since_mono_s = None
            self.longest_write_s = max(self.longest_write_s, self._mono() - since)

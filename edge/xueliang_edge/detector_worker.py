"""One detector child, as the node sees it: begun, asked, listened to, given up, begun anew. Numbers only.

Invariants
    - At most one question is in hand. A question is answered once: by the child in time, or here as late or died.
    - Progress is an answer, a beat while idle, or becoming ready; a child without any for longer than its patience is
      killed. What it left unread in its line is read before it is judged: a node that was itself stopped for a while
      does not take it out on its children.
    - A model that changed on the disk while the node runs is not taken up by a restart: rules were checked against the
      one before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from xueliang_edge.children import Child, RestartBudget
from xueliang_edge.detection import ModelSettings, OpenedModel, Seen, StillRequest, Unknown, WorkerHealth, Xyxyn
from xueliang_edge.detection_answers import mean_detect_ms
from xueliang_edge.detector_messages import (
    Answered,
    Beat,
    Compose,
    Detect,
    DetectorSettings,
    NotReady,
    Ready,
    RegionSettings,
)
from xueliang_edge.errors import ChildGone
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Still
from xueliang_edge.looks import PictureHandle, SceneHandle
from xueliang_streams.shared_frames import SharedFrames

log = logging.getLogger(__name__)

PROGRAM: Final = "xueliang_edge.detector_child"
FAILURES_IN_A_ROW: Final = 5  # one bad picture is the picture's fault; five are the worker's
SHARE_WINDOW_S: Final = 60.0

Answer = Seen | Unknown | Still | Refused
State = Literal["starting", "idle", "busy", "down"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a child may take before it counts as hung, in seconds.

    Attributes:
        answer_s: for one question; several times any time-out of the pipeline: slow is not hung.
        idle_s: without a beat while idle; a child beats four times as often.
        start_s: to become ready; opening a large model on a small, busy machine takes its time.
    """

    answer_s: float = 10.0
    idle_s: float = 20.0
    start_s: float = 60.0


@dataclass(slots=True)
class InHand:
    """The question a worker has. `is_settled`: answered on its behalf as late; what still comes is thrown away."""

    number: int
    ticket: int | None
    deadline_mono_s: float
    asked_mono_s: float
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """A question's only answer. `ticket` None: a still."""

    number: int
    ticket: int | None
    answer: Answer


class DetectorWorker:
    """One child at a time, and what followed it. Belongs to one thread."""

    def __init__(
        self,
        name: str,
        models: tuple[ModelSettings, ...],
        regions: Mapping[int, SharedFrames],
        *,
        mono: Callable[[], float],
        patience: Patience,
    ) -> None:
        """Nothing is started yet."""
        self.name = name
        self.state: State = "down"
        self.child: Child | None = None
        self.ready: tuple[OpenedModel, ...] | None = None
        self.refusal: NotReady | None = None
        self.problem: str | None = None
        self.restarts = 0
        self.in_hand: InHand | None = None
        self._models, self._regions = models, regions
        self._mono, self._patience = mono, patience
        self._budget = RestartBudget()
        self._progress_mono_s = mono()
        self._failures = 0
        self._detect_ms: float | None = None
        self._busy = _BusyShare(mono())

    def start(self) -> None:
        """Begin a child; `receive` tells when it is ready. What the machine refuses is said in `problem`."""
        regions = tuple(
            RegionSettings(number, one.fd, one.slots, one.slot_bytes) for number, one in self._regions.items()
        )
        settings = DetectorSettings(self._models, regions, self._patience.idle_s / 4)
        self.refusal = None
        self._failures = 0
        self._progress_mono_s = self._mono()
        try:
            self.child = Child.start(PROGRAM, settings, name=self.name, fds=[one.fd for one in regions])
            self.state = "starting"
        except OSError as error:
            self._say(f"cannot be begun: {error.strerror or error}")

    def ask_detect(
        self,
        number: int,
        ticket: int,
        handle: PictureHandle,
        detector: str,
        deadline_mono_s: float,
        roi_xyxyn: Xyxyn | None,
    ) -> bool:
        """False: it is not idle, or takes nothing."""
        question = Detect(number, handle, detector, deadline_mono_s, roi_xyxyn)
        return self._ask(question, InHand(number, ticket, deadline_mono_s, self._mono()))

    def ask_still(self, number: int, request: StillRequest, scene: SceneHandle | None, deadline_mono_s: float) -> bool:
        """False: it is not idle, or takes nothing."""
        question = Compose(number, request, scene, deadline_mono_s)
        return self._ask(question, InHand(number, None, deadline_mono_s, self._mono()))

    def receive(self) -> list[Settled]:
        """Take in whatever the child has said."""
        settled: list[Settled] = []
        while self.child is not None:
            try:
                message = self.child.receive()
            except ChildGone as error:
                settled += self.give_up(f"died ({self._why(error)})", "detector_died")
                break
            if message is None:
                break
            settled += self._heard(message)
        return settled

    def check(self, now: float) -> list[Settled]:
        """After `receive`: settle what is late, give up what hangs, begin anew what is down and has budget."""
        settled: list[Settled] = []
        hand = self.in_hand
        if hand is not None and not hand.is_settled and now > hand.deadline_mono_s:
            hand.is_settled = True
            settled.append(_late(hand))
        without_s = now - (hand.asked_mono_s if hand is not None else self._progress_mono_s)
        patience_s = {
            "busy": self._patience.answer_s,
            "idle": self._patience.idle_s,
            "starting": self._patience.start_s,
            "down": float("inf"),
        }[self.state]
        if without_s > patience_s:
            what = "was not ready" if self.state == "starting" else "gave no sign"
            settled += self.give_up(f"{what} for {patience_s:g} s; killed", "detector_died")
        if self.state == "down" and self._budget.spend(now):
            self.restarts += 1
            self.start()
        return settled

    def give_up(self, problem: str, reason: str) -> list[Settled]:
        """Kill the child, whatever it does, and settle its question."""
        hand, self.in_hand = self.in_hand, None
        if self.child is not None:
            self.child.kill()
        self.child, self.state = None, "down"
        if hand is not None:
            self._busy.end(self._mono())
        self._say(problem)
        if hand is None or hand.is_settled:
            return []
        return [Settled(hand.number, hand.ticket, Refused(reason) if hand.ticket is None else Unknown(reason))]

    def hang_up(self) -> None:
        """Let the child end by itself; `close` waits for it."""
        if self.child is not None:
            self.child.hang_up()

    def close(self, timeout_s: float) -> None:
        """The child is gone afterwards."""
        if self.child is not None:
            self.child.close(timeout_s)
        self.child, self.in_hand, self.state = None, None, "down"

    def describe(self) -> WorkerHealth:
        child = self.child
        return WorkerHealth(
            name=self.name,
            state=self.state,
            pid=None if child is None else child.pid,
            restarts=self.restarts,
            problem=self.problem,
            detect_ms=self._detect_ms,
            busy_share=self._busy.share(self._mono()),
        )

    def _ask(self, question: Detect | Compose, hand: InHand) -> bool:
        if self.state != "idle" or self.child is None or not self.child.send(question):
            return False
        self.in_hand, self.state = hand, "busy"
        self._busy.begin(hand.asked_mono_s)
        return True

    def _heard(self, message: object) -> list[Settled]:
        if isinstance(message, Answered):
            return self._answered(message)
        if isinstance(message, Ready):
            return self._became_ready(message)
        if isinstance(message, NotReady):
            self.refusal = message
            return self.give_up(message.problem, "detector_died")
        if isinstance(message, Beat):
            self._progress_mono_s = self._mono()
            return []
        return self.give_up(f"said what no detector says ({type(message).__name__}); killed", "detector_died")

    def _became_ready(self, message: Ready) -> list[Settled]:
        known = {one.name: one.digest for one in self.ready or message.models}
        changed = [one.name for one in message.models if known.get(one.name) != one.digest]
        if changed:
            return self.give_up(
                f"the model of {', '.join(changed)} is another file than the one this node started with: put that one "
                "back, or restart the node to use the new one",
                "detector_died",
            )
        self.ready = message.models
        self.state, self._progress_mono_s = "idle", self._mono()
        if self.problem is not None:
            log.info("detector is back", extra={"worker": self.name, "restarts": self.restarts})
        self.problem = None
        return []

    def _answered(self, message: Answered) -> list[Settled]:
        hand, now = self.in_hand, self._mono()
        self._progress_mono_s = now
        if hand is None or hand.number != message.number:
            return []
        self.in_hand, self.state = None, "idle"
        self._busy.end(now)
        answer = message.answer
        if isinstance(answer, Seen):
            self._detect_ms = mean_detect_ms(self._detect_ms, answer.detect_ms)
        settled = [] if hand.is_settled else [_late(hand) if now > hand.deadline_mono_s else _settled(hand, answer)]
        failed = isinstance(answer, Unknown | Refused) and answer.reason == "detector_failed"
        self._failures = self._failures + 1 if failed else 0
        if self._failures >= FAILURES_IN_A_ROW:
            settled += self.give_up(f"failed {self._failures} times in a row; killed", "detector_died")
        return settled

    def _why(self, error: ChildGone) -> str:
        """The end of the line comes a moment before the end of the process that explains it."""
        child = self.child
        if child is None or child.wait(0.2) is None:
            return str(error)
        return child.how_it_ended

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            log.error("detector is down", extra={"worker": self.name, "problem": problem})
        self.problem = problem


class _BusyShare:
    """Share of the time between one and two windows back in which there was a question in hand."""

    def __init__(self, now: float) -> None:
        self._since, self._busy_s = now, 0.0
        self._began: float | None = None

    def begin(self, now: float) -> None:
        self._began = now

    def end(self, now: float) -> None:
        if self._began is not None:
            self._busy_s += now - self._began
            self._began = None
        if now - self._since > 2 * SHARE_WINDOW_S:
            self._since, self._busy_s = now - SHARE_WINDOW_S, self._busy_s * SHARE_WINDOW_S / (now - self._since)

    def share(self, now: float) -> float:
        began = self._began
        running_s = 0.0 if began is None else now - began
        return min(1.0, (self._busy_s + running_s) / max(1e-3, now - self._since))


def _settled(hand: InHand, answer: Answer) -> Settled:
    return Settled(hand.number, hand.ticket, answer)


def _late(hand: InHand) -> Settled:
    reason = "detector_late"
    return Settled(hand.number, hand.ticket, Refused(reason) if hand.ticket is None else Unknown(reason))

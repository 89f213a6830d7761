"""The main path, top to bottom in one place: look → detect → track → log → judge → tell. Numbers only.

Invariants
    - One thread runs it. Nothing in it waits for a camera, and no detector is waited for longer than its deadline.
    - Looks arrive by themselves (capture decides by each camera's plan) and are taken earliest deadline first; as many
      are in hand as there are detectors.
    - A picture that could not be judged is *unknown*, a camera without pictures is *offline*: never "nothing there".
      A camera that sends while this node has no time for it is *unknown*: that is our fault, not the camera's.
    - Rules judge an observation as the observation log encodes it, so that a back-test sees the same.
    - A picture that does not show its place (`view_watch.py`) goes to no detector: every rule gets *unknown*.
    - A detector's answer is carried to a later look only while the places its rules watch show the same picture.
    - A still is asked for before the alert that names it is accepted; when there is none the alert goes without, and
      the reason is counted. No alert waits for a picture longer than `gathering.STILL_TIMEOUT_S`.
    - Rules change between two looks, all of a camera at once; what was on its way then is judged by the new ones.
    - Every handle is given back, whatever happens to its look. What an open alert is about is never learnt as scene.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from multiprocessing import connection
from typing import Final

import numpy as np

from xueliang_edge.attention import overload
from xueliang_edge.attention.levels import LookPlan, attend, plan_of
from xueliang_edge.attention.overload import Load, Overload
from xueliang_edge.attention.schedule import Schedule
from xueliang_edge.attention.signs import signs_of
from xueliang_edge.capture.orders import Release, ViewOrder
from xueliang_edge.capture.service import CaptureService
from xueliang_edge.detection import DetectionService, Seen, Unknown
from xueliang_edge.looks import Look
from xueliang_edge.observations import Observation, ViewState, blind
from xueliang_edge.outcomes import Onlooker, Recorder, Teller
from xueliang_edge.watched_camera import NO_DETECTOR, InHand, WatchedCamera, WatchedRules, pace_of
from xueliang_streams.source import SourceState

log = logging.getLogger(__name__)

DETECT_TIMEOUT_S: Final = 3.0  # some 100 times a compact detector's time; longer is hung, not slow
KEPT_SCORE: Final = 0.10  # what an observation holds (observations.py)
IDLE_S: Final = 0.25
TEND_EVERY_S: Final = 1.0
SENDING_WITHIN_S: Final = (
    4.0  # with a beat of a second: a camera that gave a packet so recently is not offline, whatever we made of it
)


@dataclass(slots=True)
class RulesChange:
    """New rules for one camera, on their way to the main path.

    Attributes:
        is_done: set once they are in force, or cannot be.
        problem: the defect that kept them from coming into force; None: they are, or it is not done yet.
    """

    rules: WatchedRules
    is_done: threading.Event = field(default_factory=threading.Event)
    problem: str | None = None


@dataclass(slots=True)
class PipelineCounts:
    """What happened to looks, by reason; `detections` by why a detector had to look or need not."""

    faults: Counter[str] = field(default_factory=Counter)
    detections: Counter[str] = field(default_factory=Counter)


class Pipeline:
    """Runs the main path over all cameras of the node, until told to stop."""

    def __init__(
        self,
        cameras: Iterable[WatchedCamera],
        capture: CaptureService,
        detection: DetectionService,
        teller: Teller,
        recorder: Recorder,
        *,
        wall: Callable[[], datetime],
        mono: Callable[[], float],
        alive: Callable[[], None] = lambda: None,
        onlooker: Onlooker | None = None,
    ) -> None:
        """`alive` is called about once a second, by the main path itself."""
        self._alive, self._onlooker = alive, onlooker
        self.cameras = {camera.config.camera_id: camera for camera in cameras}
        self._capture, self._detection, self._teller, self._recorder = capture, detection, teller, recorder
        self._wall, self._mono = wall, mono
        self.schedule: Schedule[Look] = Schedule([camera.need for camera in self.cameras.values()], mono())
        self._in_hand: dict[int, InHand] = {}
        self._changes: queue.SimpleQueue[RulesChange] = queue.SimpleQueue()
        self._view_orders: queue.SimpleQueue[ViewOrder] = queue.SimpleQueue()
        self._hurried: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._last_ticket = 0
        self.overload = Overload()
        self._last_tended_mono_s = mono()
        self._began = (mono(), wall())
        self._worst_lag_s = 0.0
        self.counts = PipelineCounts()

    def run(self, stop: threading.Event, *, until_ended: bool = False) -> None:
        """Take whatever comes until `stop`; with `until_ended` also return when every recording has ended."""
        self.begin()
        while not stop.is_set():
            has_come = self.turn()
            if until_ended and self.schedule.is_all_retired and not self._in_hand:
                return
            if not has_come:
                self._wait()

    def begin(self) -> None:
        """Tell capture how each camera is looked at to begin with."""
        self._order_all()

    def turn(self) -> bool:
        """Everything that can be done now; True when something was: then there may be more."""
        self._tend_when_due()
        while not self._changes.empty():
            self._change(self._changes.get())
        while not self._view_orders.empty():
            self._capture.order_view(self._view_orders.get())
        while not self._hurried.empty():
            self._capture.look_now(self._hurried.get())
        self._detection.check(self._mono())
        looks, answers = self._capture.looks(), self._detection.answers()
        for came in looks:
            self._arrived(came)
        for ticket, answer in answers:
            self._answered(ticket, answer)
        self._worst_lag_s = max(self._worst_lag_s, self.schedule.lag_s(self._mono()))
        has_begun = False
        # With no detector alive and no question in hand looks go on all the same: what nobody can judge is unknown.
        while (self._detection.idle_workers > 0 or not self._in_hand) and (
            look := self.schedule.next_look()
        ) is not None:
            has_begun = True
            self._guarded(look, self._begin)
        return bool(looks or answers or has_begun)

    def change(self, rules: WatchedRules) -> RulesChange:
        """Have the main path take these rules; from any thread. They are in force within a quarter of a second."""
        change = RulesChange(rules)
        self._changes.put(change)
        return change

    def order_view(self, order: ViewOrder) -> None:
        """Have capture learn or renew a camera's view; from any thread."""
        self._view_orders.put(order)

    def hurry(self, camera_id: str) -> None:
        """Have this camera's next picture looked at at once; from any thread. Within a quarter of a second."""
        self._hurried.put(camera_id)

    @property
    def in_hand(self) -> int:
        """Looks that wait for a detector's answer."""
        return len(self._in_hand)

    def _wait(self) -> None:
        handles = [*self._capture.wait_handles(), *self._detection.wait_handles()]
        if self._detection.has_answers:
            return
        if handles:
            connection.wait([*handles], IDLE_S)
        else:
            threading.Event().wait(0.005)  # recordings read as fast as they are judged: only when one has ended

    # Its rules change.

    def _change(self, change: RulesChange) -> None:
        """One camera's fault must not end the watch of the others."""
        camera_id = change.rules.config.camera_id
        try:
            self._take_rules(self.cameras[camera_id], change.rules)
        except Exception as error:
            self.counts.faults["rules_not_changed"] += 1
            log.exception("rules not changed", extra={"camera_id": camera_id})
            change.problem = f"{type(error).__name__}: {error}"
        change.is_done.set()

    def _take_rules(self, camera: WatchedCamera, rules: WatchedRules) -> None:
        # What may fail comes first, and changes nothing when it does; then what ended is told, whatever comes after.
        self._teller.tell(rules.config, camera.judge.change(rules.config), None)
        camera.take(rules)
        self._recorder.begin_anew(rules.config.camera_id)
        self.schedule.change_need(rules.need)
        plan = plan_of(camera.attention, camera.need, camera.has_sub, self.overload.degradation)
        self._order(camera, plan, is_anew=True)

    # A look comes.

    def _arrived(self, look: Look) -> None:
        camera = self.cameras.get(look.handle.camera_id)
        if camera is None:
            self._capture.release(Release(look.handle))
            return
        if camera.is_overdue:
            camera.is_overdue = False
            log.info("camera is back", extra={"camera_id": camera.config.camera_id})
        replaced = self.schedule.arrived(look.handle.camera_id, look, self._mono())
        if replaced is not None:
            self._capture.release(Release(replaced.handle))

    def _begin(self, look: Look) -> None:
        """Take a look in hand: which detectors must see it?"""
        camera = self.cameras[look.handle.camera_id]
        camera.looks += 1
        self._notice_view(camera, look)
        if not look.view.is_good:
            self._judge_unseen(camera, look)
            return
        in_hand = InHand(camera, look)
        for detector in camera.detectors or (NO_DETECTOR,):
            reason = camera.detection_reason(detector, look, self.overload.degradation)
            self.counts.detections[reason.value] += 1
            if reason.must_run:
                in_hand.to_ask += camera.questions(detector, look)
            in_hand.detectors.append(detector)
        self._go_on(in_hand)

    def _go_on(self, in_hand: InHand, answer: Seen | Unknown | None = None) -> None:
        """Take the answer, ask the next question; when there is none left, judge."""
        if answer is not None:
            in_hand.answer(*in_hand.asking, answer)
        while in_hand.to_ask:
            detector, part = in_hand.asking = in_hand.to_ask.pop(0)
            self._last_ticket += 1
            deadline_mono_s = self._mono() + DETECT_TIMEOUT_S
            if self._detection.submit(self._last_ticket, in_hand.look.handle, detector, deadline_mono_s, part):
                self._in_hand[self._last_ticket] = in_hand
                return
            in_hand.answer(detector, part, Unknown("no_idle_detector"))
        self._judge(in_hand)

    def _answered(self, ticket: int, answer: Seen | Unknown) -> None:
        in_hand = self._in_hand.pop(ticket, None)
        if in_hand is None:
            self.counts.faults["answer_without_question"] += 1
            return
        self._guarded(in_hand.look, lambda _: self._go_on(in_hand, answer))

    def _guarded(self, look: Look, work: Callable[[Look], None]) -> None:
        """One camera's fault must not end the watch of the others, and gives its picture back."""
        try:
            work(look)
        except Exception:
            self.counts.faults["look_failed"] += 1
            self._capture.release(Release(look.handle))
            self._failed(self.cameras[look.handle.camera_id], look)

    def _failed(self, camera: WatchedCamera, look: Look) -> None:
        """A look that a defect ended is unknown, not silence. Called while the exception is handled."""
        camera.unknown["look_failed"] += 1
        if camera.unknown["look_failed"] == 1:
            log.exception("look failed", extra={"camera_id": camera.config.camera_id})
        try:
            self._say_blind(camera, ViewState.UNKNOWN, look.observed_mono_s, look.observed_at)
        except Exception:
            self.counts.faults["camera_not_judged"] += 1

    def _notice_view(self, camera: WatchedCamera, look: Look) -> None:
        before, camera.view = camera.view, look.view
        if look.view.is_good and look.view.view_id != camera.last_view_id:
            camera.last_view_id = look.view.view_id
            camera.turn()
        if before.fault is look.view.fault and before.is_doubtful == look.view.is_doubtful:
            return
        camera.view_since_mono_s = look.observed_mono_s
        about = {"camera_id": camera.config.camera_id}
        if look.view.fault is not None:
            log.warning("view fault", extra=about | {"fault": look.view.fault.value, "figure": look.view.figure})
        elif before.fault is not None and look.view.is_good:
            log.info("view is good again", extra=about | {"fault": before.fault.value})

    # It is judged.

    def _judge_unseen(self, camera: WatchedCamera, look: Look) -> None:
        """The picture does not show its place: every rule is told so, nothing is learnt from it, no still is made."""
        view = look.view
        camera.unknown[f"view_{view.fault.value}" if view.fault is not None else "view_doubtful"] += 1
        observations = [
            blind(
                camera.config.camera_id,
                ViewState.UNKNOWN,
                mono_s=look.observed_mono_s,
                at=look.observed_at,
                detector=detector,
                view_fault=view.fault,
                view_figure=view.figure,
            )
            for detector in camera.detectors or (NO_DETECTOR,)
        ]
        judged = [self._log_and_judge(camera, observation, None) for observation in observations]
        if self._onlooker is not None:
            self._onlooker.judged(camera, None, judged)
        self._capture.release(Release(look.handle))
        self.schedule.judged(camera.config.camera_id, look.observed_mono_s)
        self._attend(camera, look, judged)

    def _judge(self, in_hand: InHand) -> None:
        """Every detector has spoken, or its last word still holds: track, log, judge, tell, give the picture back."""
        camera, look = in_hand.camera, in_hand.look
        in_hand.count_cost()
        tracked = [self._track(camera, self._observation(in_hand, name)) for name in in_hand.detectors]
        observations = [self._log_and_judge(camera, observation, look) for observation in tracked]
        if self._onlooker is not None:
            self._onlooker.judged(camera, look, observations)
        self._capture.release(in_hand.release())
        self.schedule.judged(camera.config.camera_id, look.observed_mono_s)
        self._attend(camera, look, observations)

    def _log_and_judge(self, camera: WatchedCamera, observation: Observation, look: Look | None) -> Observation:
        """Returns what was judged."""
        logged = self._recorder.record(observation, camera.judge.snapshot)
        self._teller.tell(camera.config, camera.judge.look(logged), look)
        return logged

    def _observation(self, in_hand: InHand, detector: str) -> Observation:
        """What the rules get of one look through one detector."""
        camera, look = in_hand.camera, in_hand.look
        camera_id, mono_s, at = camera.config.camera_id, look.observed_mono_s, look.observed_at
        if detector == NO_DETECTOR:
            return Observation(
                camera_id=camera_id,
                observed_mono_s=mono_s,
                observed_at=at,
                view=ViewState.GOOD,
                frame_size_wh=look.frame_size_wh,
                detector=detector,
                view_id=look.view.view_id,
            )
        answer = in_hand.answers.get(detector)
        seen = camera.last_seen.get(detector) if answer is None else answer
        if isinstance(answer, Seen) and in_hand.config is camera.config:  # else asked for other zones: not carried on
            camera.last_seen[detector] = answer
            camera.seen_mono_s[detector] = mono_s
        if not isinstance(seen, Seen):
            camera.unknown[seen.reason if seen is not None else "no_answer"] += 1
            return blind(camera_id, ViewState.UNKNOWN, mono_s=mono_s, at=at, detector=detector)
        kept = np.flatnonzero(seen.scores >= KEPT_SCORE)
        return Observation(
            camera_id=camera_id,
            observed_mono_s=mono_s,
            observed_at=at,
            view=ViewState.GOOD,
            boxes_xyxyn=seen.boxes_xyxyn[kept],
            scores=seen.scores[kept],
            class_names=tuple(seen.class_names[index] for index in kept),
            track_ids=np.full(len(kept), -1, np.int64),
            frame_size_wh=look.frame_size_wh,
            model_digest=seen.model_digest,
            confident_score=seen.confident_score,
            change=look.change,
            detector=detector,
            is_carried=answer is None,
            view_id=look.view.view_id,
        )

    def _track(self, camera: WatchedCamera, observation: Observation) -> Observation:
        if not observation.is_good or observation.detector == NO_DETECTOR:
            return observation
        track_ids = camera.tracker(observation.detector).update(
            observation.boxes_xyxyn,
            observation.scores,
            observation.class_names,
            observation.observed_mono_s,
            confident_score=observation.confident_score,
        )
        return replace(observation, track_ids=track_ids)

    # How closely it is looked at from here on.

    def _attend(self, camera: WatchedCamera, look: Look, observations: Sequence[Observation]) -> None:
        signs = signs_of(
            camera.config.rules,
            camera.judge.episodes,
            observations,
            look.moved,
            camera.near_zones,
            camera.input_wh,
            now_mono_s=look.observed_mono_s,
            offset_s=camera.judge.offset_s,
        )
        camera.concerned = signs.concerned or camera.concerned
        camera.attention, plan = attend(
            camera.attention, signs, camera.need, camera.has_sub, self.overload.degradation, self._mono()
        )
        self._order(camera, plan)

    def _order(self, camera: WatchedCamera, plan: LookPlan, *, is_anew: bool = False) -> None:
        if plan == camera.plan and not is_anew:
            return
        camera.plan = plan
        self.schedule.plan(camera.config.camera_id, plan.gap_s)
        self._capture.set_pace(camera.config.camera_id, pace_of(plan, self.overload.degradation))

    # What does not come, and what is too much.

    def _tend_when_due(self) -> None:
        now = self._mono()
        if now - self._last_tended_mono_s < TEND_EVERY_S:
            return
        self._last_tended_mono_s = now
        self._alive()
        self._teller.tend()
        self._capture.check()
        self._weigh(now)
        self._retire_ended()
        for camera_id in self.schedule.overdue(now):
            self._say_overdue(self.cameras[camera_id], now)

    def _weigh(self, now: float) -> None:
        """One step of the declared degradation up or down, when it is time for it."""
        decode_lag_s = max((one.lag_s for one in self._capture.reports()), default=0.0)
        busy_share = max((one.busy_share for one in self._detection.describe()), default=0.0)
        before = self.overload.degradation
        self.overload = overload.advance(self.overload, Load(self._worst_lag_s, busy_share, decode_lag_s), now)
        self._worst_lag_s = 0.0
        if self.overload.degradation is before:
            return
        step = self.overload.degradation
        log.warning("degradation", extra={"step": step.name, "words": step.words})
        self._order_all()

    def _order_all(self) -> None:
        for camera in self.cameras.values():
            plan = plan_of(camera.attention, camera.need, camera.has_sub, self.overload.degradation)
            self._order(camera, plan, is_anew=True)

    def _retire_ended(self) -> None:
        for camera_id, camera in self.cameras.items():
            if camera.is_fast and self._capture.health(camera_id).state is SourceState.ENDED:
                self.schedule.retire(camera_id)

    def _say_overdue(self, camera: WatchedCamera, now: float) -> None:
        """No picture for too long: offline, unless it sends and we are the ones who have no time for it."""
        health = self._capture.health(camera.config.camera_id)
        is_sending = health.last_packet_mono_s is not None and now - health.last_packet_mono_s < SENDING_WITHIN_S
        is_ours = camera.lacks_time = is_sending or not health.is_watched
        if not camera.is_overdue:
            camera.is_overdue = True
            log.warning(
                "no picture from camera",
                extra={"camera_id": camera.config.camera_id, "state": health.state.value, "problem": health.problem},
            )
        if now - camera.last_offline_mono_s < camera.need.largest_gap_s:
            return
        if camera.looks == 0 and camera.last_offline_mono_s == float("-inf"):
            self._say_not_watched_before(camera)
        camera.last_offline_mono_s = now
        if is_ours:
            camera.unknown["look_overdue"] += 1
        self._say_blind(camera, ViewState.UNKNOWN if is_ours else ViewState.OFFLINE, now, self._wall())

    def _say_not_watched_before(self, camera: WatchedCamera) -> None:
        """Nothing came since the start: what the node did not watch before it is no time without a picture."""
        mono_s, at = self._began
        self._say_blind(camera, ViewState.UNKNOWN, mono_s, at)

    def _say_blind(self, camera: WatchedCamera, view: ViewState, mono_s: float, at: datetime) -> None:
        observations = [
            self._log_and_judge(camera, blind(camera.config.camera_id, view, mono_s=mono_s, at=at, detector=name), None)
            for name in camera.detectors or (NO_DETECTOR,)
        ]
        if self._onlooker is not None:
            self._onlooker.judged(camera, None, observations)

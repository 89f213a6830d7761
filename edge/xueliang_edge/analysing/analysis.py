"""One recording through the rules of one camera: put together, run, told. `commands.py` calls it."""

from __future__ import annotations

import errno
import math
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final

from xueliang_configs.cameras import CameraConfig
from xueliang_configs.node import NodeConfig
from xueliang_configs.rules import Rule
from xueliang_edge.analysing.clip import AnnotatedClip
from xueliang_edge.analysing.drawing import clock as clock_words
from xueliang_edge.analysing.lanes import Lane, RuleState, figure_of, state_of
from xueliang_edge.analysing.recorded import RecordedCapture, RecordingClock
from xueliang_edge.analysing.slides import said_line
from xueliang_edge.analysing.told import Told, ToldAlert
from xueliang_edge.capture.grouping import group_cameras, reserve
from xueliang_edge.detection import OpenedModel, finder_of_people
from xueliang_edge.detection_in_process import DetectionInProcess
from xueliang_edge.detector_work import open_models
from xueliang_edge.errors import CannotAnalyse
from xueliang_edge.looks import Look
from xueliang_edge.node import model_settings
from xueliang_edge.observation_log.writing import NoLog
from xueliang_edge.observations import Observation
from xueliang_edge.pipeline import Pipeline
from xueliang_edge.reporting import rules_not_running
from xueliang_edge.rules.judge import CameraJudge
from xueliang_edge.rules.registry import RULES
from xueliang_edge.watched_camera import WatchedCamera, watched
from xueliang_streams.errors import EncodingFailed, SharedMemoryTooSmall
from xueliang_streams.recording import recording_facts
from xueliang_streams.shared_frames import SharedFrames
from xueliang_streams.source import Pace

REGION: Final = 0  # of shared memory: there is one
SHORT_S: Final = 3.0  # sound may go on after the last picture
SHORT_SHARE: Final = 0.02  # what a file says of its length is an estimate in some formats
SAID_KEPT: Final = 4  # what a slide shows of what was said last


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be tried.

    Attributes:
        recording: the file. camera: whose rules, of the settings.
        start_at: aware; when its first picture was taken, for schedules and in alerts. is_dated: the file says so.
        length_s: seconds, as the file says; None: it does not.
        clip: where the annotated clip is written; None: none is.
    """

    recording: Path
    camera: CameraConfig
    start_at: datetime
    is_dated: bool = False
    length_s: float | None = None
    clip: Path | None = None


@dataclass(frozen=True, slots=True)
class Analysed:
    """What came of it.

    Attributes:
        lanes: every running rule over the recording.
        told: every revision of every alert, in order.
        looks: pictures judged; unknown: those that could not be, by reason; video_s: of the last one, and its gap.
        slides: of the clip; hidden: those without their picture, by reason; no_clip: why there is none, in words.
        ended_early: why the recording could not be read to its end, in words; None: it was.
        refused: decisions that no alert can carry, by what is wrong with them.
        was_stopped: before its end, by the caller.
    """

    lanes: tuple[Lane, ...]
    told: tuple[ToldAlert, ...]
    looks: int
    unknown: Counter[str]
    video_s: float
    look_every_s: float
    slides: int
    hidden: Counter[str]
    no_clip: str | None
    ended_early: str | None
    refused: Counter[str]
    was_stopped: bool


def asked_of(config: NodeConfig, recording: Path, camera_id: str | None, at: datetime | None, now: datetime) -> Asked:
    """What the command line means. `at` None: when the file says it was made, else `now`.

    Raises:
        CannotAnalyse: no such camera, or one must be named, or it has no rules.
        RecordingUnreadable: missing, no video file, or no pictures in it.
    """
    camera = _camera_of(config, camera_id)
    facts = recording_facts(recording)
    dated_at = facts.created_at.astimezone(now.tzinfo) if facts.created_at is not None else None
    is_dated = at is None and dated_at is not None
    return Asked(recording, camera, at or dated_at or now, is_dated=is_dated, length_s=facts.length_s)


def analyse(
    config: NodeConfig,
    asked: Asked,
    *,
    say: Callable[[ToldAlert], None],
    say_not_running: Callable[[str, str], None],
    progress: Callable[[float, int], None],
    stop: threading.Event,
) -> Analysed:
    """Run the recording through the rules, until its end or `stop`.

    Args:
        say: takes each alert as it comes; an OSError of it ends the analysis.
        say_not_running: rule_id and why, of each rule that cannot be judged.
        progress: seconds of the recording so far, alerts so far.

    Raises:
        CannotAnalyse: none of the rules can run, or no picture could be judged.
        ModelError: a model file or card cannot be used.
        EncodingFailed, OSError: something could not be written, or there is no room for pictures in memory.
    """
    at_clock = RecordingClock(asked.start_at.astimezone(UTC))
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="xueliang-analyse-")))
        capture, frames = _capture_of(asked, folder, at_clock)
        closing.callback(capture.close)
        opened = open_models(model_settings(config))
        detection = DetectionInProcess(opened, {REGION: frames}, mono=at_clock.mono, cpu=time.thread_time)
        closing.callback(detection.close)
        judge = CameraJudge(_able(asked.camera, detection.models, say_not_running))
        told = Told(folder, say, stop.set)
        clip: AnnotatedClip | None = None
        no_clip: str | None = "none was asked for"
        if asked.clip is not None:
            no_clip = _why_no_clip(detection.models)
            if no_clip is None:
                clip = AnnotatedClip(asked.clip, judge.camera, capture, detection, at_clock.mono)
                closing.callback(clip.close)
        onlooker = _Onlooker(asked, judge, told, clip, progress, stop)
        pipeline = Pipeline(
            [camera := watched(judge, detection.models, is_fast=True)],
            capture,
            detection,
            told,
            NoLog(),
            wall=at_clock.wall,
            mono=at_clock.mono,
            onlooker=onlooker,
        )
        capture.start()
        pipeline.run(stop, until_ended=True)
        problem = told.problem or onlooker.problem
        if problem is not None:
            raise problem
        if not camera.looks and not stop.is_set():
            raise CannotAnalyse(capture.problem or f"{asked.recording}: no picture of it could be decoded")
        onlooker.finish()
        return Analysed(
            lanes=tuple(onlooker.lanes.values()),
            told=tuple(told.alerts),
            looks=camera.looks,
            unknown=camera.unknown,
            video_s=onlooker.end_s,
            look_every_s=camera.need.largest_gap_s,
            slides=clip.slides if clip is not None else 0,
            hidden=clip.hidden if clip is not None else Counter(),
            no_clip=no_clip,
            ended_early=capture.problem or _why_short(asked, onlooker.end_s),
            refused=told.refused,
            was_stopped=stop.is_set(),
        )


class _Onlooker:
    """Keeps how every rule stood, and has the slides made. Raises nothing: what cannot be written ends the analysis."""

    def __init__(
        self,
        asked: Asked,
        judge: CameraJudge,
        told: Told,
        clip: AnnotatedClip | None,
        progress: Callable[[float, int], None],
        stop: threading.Event,
    ) -> None:
        self._asked, self._judge, self._told, self._clip = asked, judge, told, clip
        self._progress, self._stop = progress, stop
        self._zone: tzinfo | None = asked.start_at.tzinfo
        self.lanes: dict[str, Lane] = {}
        self.problem: EncodingFailed | OSError | None = None
        self._last_s = self._gap_s = 0.0
        self._heard = 0  # of what was told, before this look

    def judged(self, camera: WatchedCamera, look: Look | None, observations: Sequence[Observation]) -> None:
        """The pipeline's call."""
        at_s = observations[0].observed_mono_s
        self._gap_s, self._last_s = camera.need.largest_gap_s, max(self._last_s, at_s)
        episodes = self._judge.episodes
        states = [(rule, state_of(rule, episodes[rule.rule_id], at_s)) for rule in self._judge.camera.rules]
        for rule, state in states:
            lane = self.lanes.setdefault(rule.rule_id, Lane(rule, camera.need.overdue_after_s))
            seen = [one for one in observations if one.is_good and one.detector == rule.detector]
            figure = figure_of(RULES[rule.hazard].measure(seen, rule)[0]) if seen else None
            lane.add(at_s, state, figure)
        if look is not None and self.problem is None:
            self._show(look, observations, states)
        self._progress(at_s, self._told.raised_count())

    def _show(self, look: Look, observations: Sequence[Observation], states: Sequence[tuple[Rule, RuleState]]) -> None:
        """A slide of this look, where one is wanted."""
        news = self._told.alerts[self._heard :]
        self._heard = len(self._told.alerts)
        if self._clip is None or not self._clip.wants(look.observed_mono_s, has_news=bool(news)):
            return
        said = [
            said_line(one.video_s, one.alert.rule_id, one.alert.phase.value, one.alert.reason.text)
            for one in self._told.alerts[: -SAID_KEPT - 1 : -1]
        ]
        try:
            self._clip.add(look, self._head(look), observations, states, said)
        except (EncodingFailed, OSError) as error:
            self.problem = error
            self._stop.set()

    @property
    def end_s(self) -> float:
        """Of the recording, as far as it was looked at."""
        length_s = self._asked.length_s or math.inf
        return max(self._last_s, min(length_s, self._last_s + self._gap_s))

    def finish(self) -> None:
        """Nothing more comes. Raises EncodingFailed."""
        for lane in self.lanes.values():
            lane.finish(self.end_s)
        if self._clip is not None and self._clip.slides:
            self._clip.finish(self.end_s)

    def _head(self, look: Look) -> str:
        of = f" of {clock_words(self._asked.length_s)}" if self._asked.length_s else ""
        moment = look.observed_at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S %z")
        return f"{clock_words(look.observed_mono_s)}{of}   {moment}   camera {self._asked.camera.camera_id}"


def _capture_of(asked: Asked, folder: Path, at_clock: RecordingClock) -> tuple[RecordedCapture, SharedFrames]:
    """The camera with its pictures from the file, read fast; its long-term scene is learnt anew. Raises OSError."""
    (group,) = group_cameras([asked.camera], 1, folder / "background", Pace.FAST)
    (camera,) = group.cameras
    camera = replace(camera, main_url=str(asked.recording), sub_url=None, is_recording=True, is_fast=True)
    try:
        (group,), (frames,) = reserve([replace(group, region=REGION, cameras=(camera,))])
    except SharedMemoryTooSmall as error:
        raise OSError(errno.ENOSPC, str(error)) from error
    return RecordedCapture(group, frames, at_clock), frames


def _camera_of(config: NodeConfig, camera_id: str | None) -> CameraConfig:
    cameras = {camera.camera_id: camera for camera in config.cameras}
    there = ", ".join(cameras) or "none"
    if camera_id is None and len(cameras) != 1:
        raise CannotAnalyse(f"the settings have {len(cameras)} cameras; say whose rules: --camera ID (there: {there})")
    camera = cameras.get(camera_id) if camera_id is not None else next(iter(cameras.values()))
    if camera is None:
        raise CannotAnalyse(f'--camera: the settings have no camera "{camera_id}" (there: {there})')
    if not camera.rules:
        raise CannotAnalyse(f"camera {camera.camera_id} has no rules to try; add some under its rules:")
    return camera.model_copy(update={"sub_url": None})


def _why_short(asked: Asked, end_s: float) -> str | None:
    """A file that was cut off ends without a word: its length tells."""
    if asked.length_s is None or asked.length_s - end_s <= max(SHORT_S, SHORT_SHARE * asked.length_s):
        return None
    return f"{asked.recording}: its pictures end at {clock_words(end_s)}, it says {clock_words(asked.length_s)}"


def _able(
    camera: CameraConfig, models: Mapping[str, OpenedModel], say_not_running: Callable[[str, str], None]
) -> CameraConfig:
    """The camera with the rules that can be judged: one that cannot must not read an empty answer as "clear"."""
    unable = {one.rule_id: one.reason for one in rules_not_running([camera], models)}
    for rule_id, reason in unable.items():
        say_not_running(rule_id, reason)
    able = tuple(rule for rule in camera.rules if rule.rule_id not in unable)
    if not able:
        raise CannotAnalyse(f"camera {camera.camera_id}: none of its rules can run, see above")
    return camera.model_copy(update={"rules": able})


def _why_no_clip(models: Mapping[str, OpenedModel]) -> str | None:
    """Nobody may be seen in it: so somebody must be able to find people."""
    if finder_of_people({name: one.classes for name, one in models.items()}) is not None:
        return None
    return 'no detector of the settings knows the class "person", so nobody in it could be hidden'

"""The parts of the measurement, one after another. Each starts its own cameras and leaves nothing running."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from tests.bench.edge_bench.clip_cache import clip_path
from tests.bench.edge_bench.figures import exact_interval
from tests.bench.edge_bench.measuring import KEY_FPS, MAIN_FPS, Cost, Watch, measure
from tests.bench.edge_bench.naive_reference import found_by_naive
from tests.bench.edge_bench.node_system import NodeSystem, knows_sub_streams, raised_in_lane
from tests.bench.edge_bench.recall import Verdict, judge, onsets_between
from tests.bench.edge_bench.recipes import BUSY, LIVELY, ONSET_CLIP, ONSETS, EncodingName, Scene, scene_of_camera
from tests.bench.edge_bench.rules import DETECT_FPS, LOOK_EVERY_S
from tests.bench.edge_bench.serving import Cameras
from tests.bench.edge_bench.systems import PeerSystem, SystemFailed

FOLDER: Final = Path(".run/bench/edge")
Part = Literal["mix", "growth", "watch", "busy", "variants", "recall"]
PARTS: Final[tuple[Part, ...]] = ("mix", "growth", "watch", "busy", "variants", "recall")
SYSTEMS: Final = ("node", "a", "b", "c", "d")
GROWTH: Final = (1, 4, 16, 64)
PEER_CAMERAS: Final = 5  # one of them busy, as in the mix; two cores hold five of the naive peer
FAIR_PEER_CAMERAS: Final = 10
FEW_CAMERAS: Final = 2
VARIANT_CAMERAS: Final = 10
RECALL_CAMERAS: Final = 32
RECORDED_AMONG_THEM: Final = 2  # show a real car; reported beside the drawn ones
RECALL_S: Final = 290.0  # five onsets for most cameras: more than 150, at every phase of key pictures and looks
SHORT_S: Final = 40.0  # windows of what is no headline figure
NODE_SETTLES_S: Final = 60.0  # it learns each camera's scene first, most of it within a minute
PEER_SETTLES_S: Final = 15.0  # what came while it started is worked off

MAIN, SUB, WATCH_SUB = "node, main stream", "node, sub stream", "node, sub stream, 1 look/s"
NAIVE, PIPE, KEYFRAMES, ULTRALYTICS = (
    "(a) naive: all decoded, 5 looks/s",
    "(b) ffmpeg pipe 5/s, motion gate",
    "(c) ffmpeg key pictures, our look rate",
    "(d) ultralytics track, yolo11n 320",
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said.

    Attributes:
        cameras, window_s: of the headline figures.
        model: "embedded" or a path with a card beside it; the node and peers a, b and c use the same.
        ultralytics_python: interpreter of an environment that has ultralytics.
    """

    cameras: int = 32
    window_s: float = 60.0
    only: tuple[str, ...] = SYSTEMS
    parts: tuple[Part, ...] = PARTS
    model: str = "embedded"
    ultralytics_python: str = sys.executable
    ultralytics_model: Path | None = None
    rounds: int = 2


@dataclass(slots=True)
class Outcome:
    """What was measured so far. `notes`: what was not, and why."""

    costs: list[Cost] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    naive_found: dict[str, set[int]] = field(default_factory=dict)

    def best(self, label: str, cameras: int | None = None) -> Cost | None:
        """The cheapest window of that row: other work on the machine only ever adds.

        A window in which the system did not keep up, or still caught up, shows another cost: it counts for nothing.
        """
        rows = [cost for cost in self.costs if cost.label == label and cameras in (None, cost.cameras)]
        kept_up = [cost for cost in rows if cost.is_steady is not False]
        return min(kept_up, key=lambda cost: cost.cpu_s_per_camera_minute, default=None)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            print(f"  not measured: {text}", flush=True)


class Phases:
    """Runs parts and keeps what came out in `outcome`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.outcome = Outcome()

    def run(self) -> None:
        """All chosen parts."""
        run: dict[Part, Callable[[], None]] = {
            "mix": self.mix,
            "growth": self.growth,
            "watch": self.watch_closely,
            "busy": self.all_busy,
            "variants": self.variants,
            "recall": self.recall,
        }
        for part in self._options.parts:
            print(f"\n{part}", flush=True)
            run[part]()

    def mix(self) -> None:
        """The headline: one camera in five busy; the node at N, the peers at what they can hold."""
        count = self._options.cameras
        with Cameras([scene_of_camera(n) for n in range(max(count, FAIR_PEER_CAMERAS))], "main", FOLDER) as cameras:
            for _ in range(self._options.rounds):
                self._one(cameras, lambda: self.node_watch(cameras, MAIN, count), is_headline=True)
                if self._has_sub():
                    self._one(cameras, lambda: self.node_watch(cameras, SUB, count, with_sub=True), is_headline=True)
                for letter, make in self.peers(cameras).items():
                    if letter in self._options.only:
                        self._peer(cameras, make)

    def _peer(self, cameras: Cameras, make: Callable[[], Watch]) -> None:
        """At its number of cameras; where it cannot hold them, with two calm ones, which is to its advantage."""
        watch = make()
        self._one(cameras, lambda: watch, settle_s=PEER_SETTLES_S, is_headline=True)
        if self.outcome.best(watch.label) is None:
            few = replace(watch, cameras=cameras.some(FEW_CAMERAS, 1))
            self._one(cameras, lambda: few, settle_s=PEER_SETTLES_S, is_headline=True)

    def growth(self) -> None:
        """From one camera to 64."""
        with Cameras([scene_of_camera(n) for n in range(max(GROWTH))], "main", FOLDER) as cameras:
            for count in GROWTH:
                self._one(cameras, lambda n=count: self.node_watch(cameras, MAIN, n))  # type: ignore[misc]

    def watch_closely(self) -> None:
        """Every camera looked at once a second, on sub streams."""
        if not self._has_sub():
            return
        count = self._options.cameras
        with Cameras([scene_of_camera(n) for n in range(count)], "main", FOLDER) as cameras:
            self._one(cameras, lambda: self.node_watch(cameras, WATCH_SUB, count, with_sub=True, look_every_s=1.0))

    def all_busy(self) -> None:
        """The worst case, every camera busy all the time; and all of them with things that pass beside their zones."""
        count = self._options.cameras
        for words, scenes in (("all busy", BUSY), ("all lively", LIVELY)):
            with Cameras([scenes[n % len(scenes)] for n in range(count)], "main", FOLDER) as cameras:
                self._one(cameras, lambda said=words: self.node_watch(cameras, f"{MAIN}, {said}", count))  # type: ignore[misc]

    def variants(self) -> None:
        """Other codecs, sizes and key picture intervals, with and without the sub stream."""
        names: tuple[EncodingName, ...] = ("hevc", "720p", "gop100")
        for name in names:
            scenes = [scene_of_camera(n) for n in range(VARIANT_CAMERAS)]
            with Cameras(scenes, name, FOLDER) as cameras:
                for label, with_sub in ((f"{MAIN}, {name}", False), (f"{SUB}, {name}", True)):
                    if not with_sub or self._has_sub():
                        self._one(
                            cameras,
                            lambda says=label, sub=with_sub: self.node_watch(  # type: ignore[misc]
                                cameras, says, VARIANT_CAMERAS, with_sub=sub
                            ),
                        )

    def recall(self) -> None:
        """Vehicles that come to stand in drawn lanes, at every phase of key pictures and looks."""
        if "node" not in self._options.only:
            return
        count = min(RECALL_CAMERAS, self._options.cameras)
        drawn = [ONSETS[n % len(ONSETS)] for n in range(max(1, count - RECORDED_AMONG_THEM))]
        scenes: list[Scene] = [*drawn, *[ONSET_CLIP] * RECORDED_AMONG_THEM]
        with Cameras(scenes, "main", FOLDER) as cameras:
            for scene in dict.fromkeys(scenes):
                self.outcome.naive_found[scene.name] = found_by_naive(
                    scene, clip_path(scene, "main"), self._options.model
                )
                print(f"  {scene.name}: naive finds {len(self.outcome.naive_found[scene.name])} of {len(scene.onsets)}")
            self._recall_of(cameras, self.node_watch(cameras, MAIN, len(scenes)), "")
            if self._has_sub():
                self._recall_of(cameras, self.node_watch(cameras, SUB, len(scenes), with_sub=True), "_sub_stream")

    def _recall_of(self, cameras: Cameras, watch: Watch, key: str) -> None:
        system = watch.system
        try:
            system.start(watch.cameras)
            system.await_watching()
            time.sleep(NODE_SETTLES_S)
            begin_s = time.monotonic()
            time.sleep(RECALL_S)
            end_s = time.monotonic()
            alerts = raised_in_lane(system.results().alerts)
        except SystemFailed as error:
            self.outcome.note(str(error))
            return
        finally:
            system.stop()
        onsets = onsets_between(watch.cameras, cameras.t0_mono_s, begin_s, end_s)
        self.outcome.verdicts[key] = verdict = judge(onsets, alerts, begin_s, end_s)
        hits, tries = verdict.found(verdict.onsets)
        low, high = exact_interval(hits, tries)
        print(
            f"  {watch.label}: {hits} of {tries} onsets found ({low:.3f} to {high:.3f}), "
            f"{verdict.false_alerts} false alerts, {cameras.counts().dropped} connections too slow and dropped",
            flush=True,
        )

    def node_watch(
        self, cameras: Cameras, label: str, count: int, *, with_sub: bool = False, look_every_s: float = LOOK_EVERY_S
    ) -> Watch:
        """The node with the first `count` cameras."""
        name = "bench-node-sub" if with_sub else "bench-node"
        system = NodeSystem(name, self._options.model, FOLDER, with_sub_streams=with_sub, look_every_s=look_every_s)
        return Watch(label, system, cameras.some(count))

    def peers(self, cameras: Cameras) -> dict[str, Callable[[], Watch]]:
        """The peers that can be run here, by letter."""
        model = self._options.model

        def peer(label: str, kind: str, count: int, fps: float) -> Callable[[], Watch]:
            return lambda: Watch(label, PeerSystem(kind, kind, model, FOLDER), cameras.some(count), fps)

        found = {"a": peer(NAIVE, "naive", PEER_CAMERAS, MAIN_FPS)}
        if shutil.which("ffmpeg"):
            found["b"] = peer(PIPE, "ffmpeg_pipe", PEER_CAMERAS, DETECT_FPS)
            found["c"] = peer(KEYFRAMES, "keyframe_pipe", FAIR_PEER_CAMERAS, KEY_FPS)
        else:
            self.outcome.note("peers b and c: the ffmpeg program is not installed")
        problem = self._why_no_ultralytics()
        if problem is None:
            made = PeerSystem(
                "ultralytics",
                "ultralytics",
                str(self._options.ultralytics_model),
                FOLDER,
                python=self._options.ultralytics_python,
            )
            found["d"] = lambda: Watch(ULTRALYTICS, made, cameras.some(2))
        elif "d" in self._options.only:
            self.outcome.note(f"peer d: {problem}")
        return found

    def _why_no_ultralytics(self) -> str | None:
        python, model = self._options.ultralytics_python, self._options.ultralytics_model
        if model is None or not model.exists():
            return "its model yolo11n_320_int8_AGPL.onnx is not here"
        if python == sys.executable:
            has = importlib.util.find_spec("ultralytics") is not None
        else:
            has = subprocess.run([python, "-c", "import ultralytics"], capture_output=True).returncode == 0
        return None if has else f"ultralytics is not installed for {python} (see --ultralytics-python)"

    def _one(
        self,
        cameras: Cameras,
        make: Callable[[], Watch],
        *,
        settle_s: float = NODE_SETTLES_S,
        is_headline: bool = False,
    ) -> None:
        watch = make()
        if isinstance(watch.system, NodeSystem) and "node" not in self._options.only:
            return
        window_s = self._options.window_s if is_headline else min(SHORT_S, self._options.window_s)
        self.together(cameras, [watch], settle_s=settle_s, window_s=window_s)

    def together(self, cameras: Cameras, watches: Sequence[Watch], *, settle_s: float, window_s: float) -> None:
        """Measure these in one window, and say what came out."""
        try:
            costs = measure(cameras, watches, settle_s=settle_s, window_s=window_s)
        except SystemFailed as error:
            self.outcome.note(str(error))
            return
        self.outcome.costs += costs
        for cost in costs:
            steady = " (not steady: does not count)" if cost.is_steady is False else ""
            print(
                f"  {cost.label:40} {cost.cameras:3} cameras  "
                f"{cost.cpu_s_per_camera_minute:7.3f} CPU-s per camera-minute{steady}",
                flush=True,
            )

    def _has_sub(self) -> bool:
        if not knows_sub_streams():
            self.outcome.note("sub streams: this version's cameras have no sub_url")
        return knows_sub_streams()

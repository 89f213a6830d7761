"""One camera with what follows it through the pipeline, and one look of it in hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.cameras import CameraConfig
from xueliang_configs.rules import CrowdRule, Rule, has_place, view_of
from xueliang_edge.attention.crops import Crop, crops_for
from xueliang_edge.attention.levels import HOLD_S, Attention, LookPlan
from xueliang_edge.attention.needs import Need, need_of
from xueliang_edge.attention.overload import Degradation
from xueliang_edge.attention.refreshing import DetectionReason, detection_reason, zone_cells
from xueliang_edge.attention.tiles import Shown, TileReason, fits, tiles_for, wants_tiles
from xueliang_edge.brightness import GRID_WH
from xueliang_edge.capture.orders import Pace, Release
from xueliang_edge.detection import OpenedModel, Seen, Unknown, Xyxyn, joined
from xueliang_edge.detection_answers import mean_detect_ms
from xueliang_edge.evidence.masking import VEHICLE_SCORE, VEHICLES
from xueliang_edge.looks import GOOD_VIEW, Look, ViewSign
from xueliang_edge.observations import is_in_view
from xueliang_edge.rules.geometry import Zone
from xueliang_edge.rules.judge import CameraJudge
from xueliang_edge.tracking import Tracker

NO_DETECTOR: Final = "none"  # of a camera whose rules need no boxes: rules that do must not read it as empty


@dataclass(frozen=True, slots=True)
class WatchedRules:
    """The rules of one camera with all that follows from them for its looks.

    Attributes:
        config: the camera with the rules that run, as they are judged (`CameraConfig.as_judged`).
        detectors: the configured names they look through; empty when no rule needs a picture.
        near_zones: bool (18, 32): the cells in or beside a zone of any rule; near_zones_of: of a detector's rules.
    """

    config: CameraConfig
    need: Need
    detectors: tuple[str, ...]
    near_zones: NDArray[np.bool_]
    near_zones_of: Mapping[str, NDArray[np.bool_]]

    @classmethod
    def of(cls, config: CameraConfig) -> Self:
        """Everything is computed here, so that a change of rules costs the main path no more than taking it."""
        config = config.as_judged
        grid_hw = (GRID_WH[1], GRID_WH[0])
        detectors = tuple(sorted({rule.detector for rule in config.rules if has_place(rule)}))
        near_zones_of = {
            name: zone_cells([rule for rule in config.rules if rule.detector == name], grid_hw) for name in detectors
        }
        return cls(config, need_of(config), detectors, zone_cells(config.rules, grid_hw), near_zones_of)


class WatchedCamera:
    """Belongs to the pipeline's thread.

    Attributes:
        config, need, detectors, near_zones: of its `WatchedRules`; other ones after `take`.
        input_sizes_wh: what each detector's network sees, in pixels.
        knows_people: the detectors that have a class "person".
        is_fast: a recording that is read as fast as possible: always due, never late.
        last_seen, seen_mono_s: each detector's last answer, and of which picture.
        concerned: the detectors of the rules that last had a candidate, counted or were open; see `Signs.concerned`.
        detect_ms: CPU milliseconds of the detectors for one look that asked any, closer crops and tiles included; the
            mean of some twenty; None: none yet.
        tiles: looks for which a rule wanted tiles, by what became of them; tile_detections: what the tiles cost.
        looks: pictures that came; unknown: those not judged, by reason.
        view: what the last picture said of its view; view_since_mono_s: since when.
        last_view_id: the view that the last good picture showed.
    """

    def __init__(
        self,
        rules: WatchedRules,
        judge: CameraJudge,
        *,
        input_sizes_wh: Mapping[str, tuple[int, int]] | None = None,
        knows_people: frozenset[str] = frozenset({"objects"}),
        is_fast: bool = False,
    ) -> None:
        self.judge = judge
        self.input_sizes_wh = dict(input_sizes_wh or {})
        self.knows_people = knows_people
        self.is_fast = is_fast
        self.attention = Attention()
        self.plan: LookPlan | None = None
        self._trackers: dict[tuple[str, str | None], Tracker] = {}
        self.last_seen: dict[str, Seen] = {}
        self.seen_mono_s: dict[str, float] = {}
        self.concerned: frozenset[str] = frozenset()
        self.detect_ms: float | None = None
        self.tiles: Counter[TileReason] = Counter()
        self.tile_detections = 0
        self._tiled_until_mono_s: dict[str, float] = {}
        self.looks = 0
        self.unknown: Counter[str] = Counter()
        self.last_offline_mono_s = float("-inf")
        self.is_overdue = False
        self.lacks_time = False  # overdue, and by this node: it sends, or it is not watched
        self.view: ViewSign = GOOD_VIEW
        self.view_since_mono_s: float | None = None
        self.last_view_id: str | None = None
        self.take(rules)

    def take(self, rules: WatchedRules) -> None:
        """These rules from the next look on; the judge is told by its owner.

        No answer of a detector is carried over: it may not have looked closely where a new zone is.
        """
        self.config, self.need, self.detectors = rules.config, rules.need, rules.detectors
        self.near_zones, self._near_zones_of = rules.near_zones, rules.near_zones_of
        self.last_seen.clear()
        self.seen_mono_s.clear()
        self._tiled_until_mono_s.clear()
        self.concerned = frozenset()  # a detector that is gone must not keep the others at their own rate

    @property
    def has_sub(self) -> bool:
        return self.config.sub_url is not None

    @property
    def view_words(self) -> str:
        """For the health page: good, doubtful, the fault, or no_picture."""
        if self.is_overdue:
            return "no_picture"
        if self.view.fault is not None:
            return self.view.fault.value
        return "doubtful" if self.view.is_doubtful else "good"

    @property
    def input_wh(self) -> tuple[int, int]:
        """Of the smallest network that looks at this camera."""
        return min(self.input_sizes_wh.values(), default=(416, 416))

    def turn(self) -> None:
        """The camera shows another of its views: what was found before was somewhere else."""
        self._tiled_until_mono_s.clear()
        self.last_seen.clear()
        self.seen_mono_s.clear()

    def tracker(self, detector: str) -> Tracker:
        """Each detector's boxes are followed by themselves, in each view of the camera."""
        return self._trackers.setdefault((detector, self.view.view_id), Tracker())

    def shows(self, rule: Rule) -> bool:
        """The last picture shows the view of this rule."""
        return is_in_view(self.view.view_id, view_of(rule))

    def detection_reason(self, detector: str, look: Look, degradation: Degradation) -> DetectionReason:
        """Whether this detector must see this look, and why."""
        if detector == NO_DETECTOR:
            return DetectionReason.STILL
        if self.is_fast:
            return DetectionReason.WATCHED  # a recording is looked at picture by picture: it is gone afterwards
        seen_mono_s = self.seen_mono_s.get(detector)
        return detection_reason(
            self.attention.level,
            look.moved,
            self._near_zones_of[detector],
            gap_s=self.need.detector_gaps_s.get(detector, self.need.largest_gap_s),
            age_s=None if seen_mono_s is None else look.observed_mono_s - seen_mono_s,
            is_concerned=not self.concerned or detector in self.concerned,
            refresh_s=degradation.refresh_s,
        )

    def questions(self, detector: str, look: Look) -> list[tuple[str, Xyxyn | None]]:
        """What to ask of this detector: the whole picture, and closer crops where the plan has them.

        What is looked at in tiles anyway gets no crops.
        """
        asked: list[tuple[str, Xyxyn | None]] = [(detector, None)]
        size_wh = self.input_sizes_wh.get(detector)
        if self.plan is not None and self.plan.has_crops and size_wh is not None:
            shown = filter(self.shows, self.config.rules)
            places = [rule for rule in shown if has_place(rule) and rule.detector == detector]
            zones = [rule.zone for rule in places if not self._is_tiled(rule, look)]
            asked += _parts(detector, crops_for(zones, look.handle.size_wh, size_wh), look)
        return asked

    def tiles_after(self, detector: str, look: Look, whole: Seen) -> list[tuple[str, Xyxyn | None]]:
        """What else to ask of this detector, now that it has spoken of the whole picture."""
        zones = self._zones_in_tiles(detector, look, whole)
        tiles = tiles_for(zones, look.handle.size_wh, self.input_sizes_wh[detector]) if zones else ()
        if not tiles:
            return []
        gap_s = self.need.detector_gaps_s.get(detector, self.need.largest_gap_s)
        if self.plan is not None and not self.plan.may_tile:
            reason = TileReason.GIVEN_UP
        elif not self.is_fast and not fits(len(tiles), whole.detect_ms, gap_s):
            reason = TileReason.TOO_DEAR
        else:
            reason = TileReason.TILED
        self.tiles[reason] += 1
        if reason is not TileReason.TILED:
            return []
        self.tile_detections += len(tiles)
        return _parts(detector, tiles, look)

    def _zones_in_tiles(self, detector: str, look: Look, whole: Seen) -> list[Zone]:
        """Of the rules that want tiles, or did a moment ago."""
        input_wh = self.input_sizes_wh.get(detector)
        rules = [rule for rule in self.config.rules if isinstance(rule, CrowdRule)]
        rules = [rule for rule in rules if rule.detector == detector and self.shows(rule)]
        if input_wh is None or not rules:
            return []
        size_wh = look.handle.size_wh
        names, score = whole.class_names, whole.confident_score
        shown = Shown(whole.boxes_xyxyn, whole.scores, names, score, size_wh, input_wh)
        for rule in rules:
            if wants_tiles(rule, shown, is_open=rule.rule_id in self.judge.open_rules):
                self._tiled_until_mono_s[rule.rule_id] = look.observed_mono_s + HOLD_S
        return [rule.zone for rule in rules if self._is_tiled(rule, look)]

    def _is_tiled(self, rule: Rule, look: Look) -> bool:
        """Tiles were wanted for its zone a moment ago, or are now."""
        return look.observed_mono_s <= self._tiled_until_mono_s.get(rule.rule_id, float("-inf"))

    def open_zones(self) -> NDArray[np.float32]:
        """Bounding boxes of the zones that have an open alert, float32 (n, 4)."""
        open_rules = self.judge.open_rules
        zones = [
            getattr(rule, "zone", ()) for rule in self.config.rules if rule.rule_id in open_rules and self.shows(rule)
        ]
        boxes = [[*np.min(zone, axis=0), *np.max(zone, axis=0)] for zone in zones if len(zone)]
        return np.asarray(boxes, np.float32).reshape(-1, 4)


def _parts(detector: str, crops: Iterable[Crop], look: Look) -> list[tuple[str, Xyxyn | None]]:
    """Questions about parts of the picture."""
    width, height = look.handle.size_wh
    return [
        (detector, (crop.left / width, crop.top / height, crop.right / width, crop.bottom / height)) for crop in crops
    ]


def pace_of(plan: LookPlan, degradation: Degradation) -> Pace:
    """What capture is told of a plan."""
    return Pace(
        gap_s=plan.gap_s,
        every_key=plan.every_key,
        stream=plan.stream,
        may_decode_all=degradation < Degradation.KEY_WATCH,
        least_gap_s=plan.least_gap_s,
        look_at_mono_s=plan.look_at_mono_s,
    )


def watched(judge: CameraJudge, models: Mapping[str, OpenedModel], *, is_fast: bool) -> WatchedCamera:
    """A camera as its rules need it, with the detectors they look through; `models` by configured name."""
    return WatchedCamera(
        WatchedRules.of(judge.camera),
        judge,
        input_sizes_wh={name: one.input_size_wh for name, one in models.items()},
        knows_people=frozenset(name for name, one in models.items() if "person" in one.classes),
        is_fast=is_fast,
    )


@dataclass(slots=True)
class InHand:
    """One look on its way through the detectors.

    Attributes:
        detectors: those whose rules will judge it.
        to_ask: questions left: a detector and the part of the picture, None: all of it.
        asking: the question that is out now: the detector, and the part.
        answers: what was answered; a detector that is in `detectors` and not here had nothing new to look at.
        config: of the camera when the look was begun.
    """

    camera: WatchedCamera
    look: Look
    detectors: list[str] = field(default_factory=list)
    to_ask: list[tuple[str, Xyxyn | None]] = field(default_factory=list)
    asking: tuple[str, Xyxyn | None] = ("", None)
    answers: dict[str, Seen | Unknown] = field(default_factory=dict)
    config: CameraConfig = field(init=False)

    def __post_init__(self) -> None:
        self.config = self.camera.config

    def answer(self, detector: str, part: Xyxyn | None, answer: Seen | Unknown) -> None:
        """Parts add to what the whole picture gave: one that failed takes nothing away, and alone they say nothing."""
        whole = self.answers.get(detector)
        if part is None:
            self.answers[detector] = answer
            if isinstance(answer, Seen):
                self.to_ask = [*self.camera.tiles_after(detector, self.look, answer), *self.to_ask]
        elif isinstance(whole, Seen) and isinstance(answer, Seen):
            self.answers[detector] = joined(whole, answer, part)

    def count_cost(self) -> None:
        """Called once, when every detector has spoken."""
        spent_ms = [answer.detect_ms for answer in self.answers.values() if isinstance(answer, Seen)]
        if spent_ms:
            self.camera.detect_ms = mean_detect_ms(self.camera.detect_ms, sum(spent_ms))

    def release(self) -> Release:
        """Give the picture back, with what it may teach: nothing, unless every detector searched this very picture."""
        seen = [self.answers.get(name) for name in self.detectors]
        found = [one for one in seen if isinstance(one, Seen)]
        if not found or len(found) < len(seen):
            return Release(self.look.handle)
        excluded = [self.camera.open_zones(), *(_people_and_vehicles(one) for one in found)]
        boxes = [one.boxes_xyxyn for one in found]
        if not self.camera.knows_people.intersection(self.detectors):  # nobody searched it for people
            return Release(self.look.handle, np.concatenate(boxes))
        return Release(self.look.handle, np.concatenate(boxes), np.concatenate(excluded))


def _people_and_vehicles(seen: Seen) -> NDArray[np.float32]:
    """What never becomes scene: people from the lowest score on, vehicles that are fairly sure."""
    keep = [
        name == "person" or (name in VEHICLES and score >= VEHICLE_SCORE)
        for name, score in zip(seen.class_names, seen.scores, strict=True)
    ]
    boxes: NDArray[np.float32] = seen.boxes_xyxyn[np.array(keep, dtype=np.bool_)]
    return boxes.reshape(-1, 4)

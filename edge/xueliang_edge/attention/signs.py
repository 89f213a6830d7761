"""What a judged look tells attention: candidates in the zones, rules that count towards an alert, movement. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.attention.levels import Signs
from xueliang_edge.attention.refreshing import has_moved
from xueliang_edge.observations import Observation
from xueliang_edge.rules import geometry
from xueliang_edge.rules.episodes import EpisodeState
from xueliang_edge.rules.standing_measure import MIN_INSIDE, WEAK_SHARE


def signs_of(
    rules: Iterable[Any],
    episodes: Mapping[str, EpisodeState],
    observations: Iterable[Observation],
    moved: NDArray[np.float32] | None,
    near_zones: NDArray[np.bool_],
    input_wh: tuple[int, int],
    *,
    now_mono_s: float,
    offset_s: float = 0.0,
) -> Signs:
    """The signs of one look of one camera.

    Args:
        rules: of the camera; those without a zone (the camera itself) give no signs.
        episodes: rule_id to what the rule remembers of time, after this look; a rule without one is not running.
        observations: of this look, one a detector; a carried answer is one too.
        moved, near_zones: `Look.moved` and `zone_cells` of all these rules.
        input_wh: of the network, for the size of what it sees.
        now_mono_s: when the picture of this look was received.
        offset_s: see `CameraJudge.offset_s`.
    """
    seen = {observation.detector: observation for observation in observations}
    watched = [rule for rule in rules if getattr(rule, "zone", ()) and rule.rule_id in episodes]
    sides_px: list[float] = []
    raises_mono_s: list[float] = []
    concerned: set[str] = set()
    for rule in watched:
        episode = episodes[rule.rule_id]
        its_sides_px = _sides_px(rule, seen[rule.detector], input_wh) if rule.detector in seen else []
        at_mono_s = _raises_mono_s(rule, episode, offset_s)
        sides_px += its_sides_px
        if at_mono_s is not None:
            raises_mono_s.append(at_mono_s)
        if its_sides_px or at_mono_s is not None or episode.open is not None:
            concerned.add(rule.detector)
    return Signs(
        # Not comparable is a reason to detect (refreshing.py), not to watch: at dusk all cameras change their optics.
        has_moved=moved is not None and has_moved(moved, near_zones),
        has_candidate=bool(sides_px),
        raises_mono_s=min(raises_mono_s, default=None),
        ends_mono_s=min((at for at in raises_mono_s if at > now_mono_s), default=None),
        has_open_episode=any(episodes[rule.rule_id].open is not None for rule in watched),
        smallest_candidate_px=min(sides_px, default=None),
        concerned=frozenset(concerned),
    )


def _raises_mono_s(rule: Any, episode: EpisodeState, offset_s: float) -> float | None:
    """By the clock of pictures, which begins anew at each boot; what a rule remembers goes on."""
    if episode.open is not None or episode.onset is None or episode.last is None:
        return None
    left_s = float(getattr(rule, "dwell_s", 0.0)) - (episode.last.seen_s - episode.onset.seen_s)
    return episode.last.mono_s + left_s - offset_s


def _sides_px(rule: Any, observation: Observation, input_wh: tuple[int, int]) -> list[float]:
    """Long side of each candidate of the rule, in pixels of the network's input."""
    if not observation.class_names or observation.frame_size_wh is None:
        return []
    classes = getattr(rule, "classes", ())  # none: it watches the place, whatever is there
    counted = np.array([name in classes for name in observation.class_names], dtype=np.bool_)
    counted &= observation.scores >= WEAK_SHARE * observation.confident_score
    boxes = observation.boxes_xyxyn[counted]
    is_in_zone = geometry.points_inside(geometry.feet_of(boxes), rule.zone)
    is_in_zone |= geometry.inside_shares(geometry.ground_of(boxes), rule.zone) >= MIN_INSIDE
    width, height = observation.frame_size_wh
    scale = min(input_wh[0] / width, input_wh[1] / height)  # letterboxed
    sides = (boxes[:, 2:] - boxes[:, :2]) * np.array([width, height]) * scale
    return [float(side) for side in sides.max(axis=1, initial=0.0)[is_in_zone]]

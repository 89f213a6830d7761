"""How often each camera must be looked at: the most demanding of its rules, unless the operator wrote a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xueliang_alerts.contract import Severity
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.rules.registry import RULES

OVERDUE_LOOKS: Final = 3  # so many looks missed in a row are no jitter any more
OVERDUE_AT_LEAST_S: Final = 2.0  # cameras pause for a second at a key picture or a change of light


@dataclass(frozen=True, slots=True)
class Need:
    """What one camera asks of the node.

    Attributes:
        camera_id: which camera.
        largest_gap_s: longest time between two looks that still keeps what its rules promise.
        overdue_after_s: no picture for this long: the camera is seen as offline, until one comes.
        detector_gaps_s: configured detector to the largest gap of its most demanding rule on this camera; a detector
            that no running rule looks through is not in it.
        most_severe: the severity of the rule that would be missed most; a camera without rules has the least.
    """

    camera_id: str
    largest_gap_s: float
    overdue_after_s: float
    detector_gaps_s: Mapping[str, float] = field(default_factory=dict, hash=False)
    most_severe: Severity = Severity.BLUE


def need_of(camera: CameraConfig) -> Need:
    """The need of one camera; a camera without rules is looked at every two seconds, to keep its scene and state.

    A figure of the operator is the camera's: no detector answers more often than there are looks.
    """
    gap_s = camera.needed_look_every_s
    overdue_after_s = max(OVERDUE_AT_LEAST_S, OVERDUE_LOOKS * gap_s)
    most_severe = min((rule.severity for rule in camera.rules), default=Severity.BLUE)
    return Need(camera.camera_id, gap_s, overdue_after_s, _detector_gaps_s(camera, gap_s), most_severe)


def _detector_gaps_s(camera: CameraConfig, gap_s: float) -> Mapping[str, float]:
    gaps_s: dict[str, float] = {}
    for rule in camera.rules:
        if RULES[rule.hazard].needs_detector:
            wanted_s = max(gap_s, rule.largest_gap_s)
            gaps_s[rule.detector] = min(wanted_s, gaps_s.get(rule.detector, wanted_s))
    return gaps_s

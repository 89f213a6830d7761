"""How often each camera must be looked at: the most demanding of its rules, unless the operator wrote a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xueliang_configs.cameras import CameraConfig

OVERDUE_LOOKS: Final = 3  # so many looks missed in a row are no jitter any more
OVERDUE_AT_LEAST_S: Final = 2.0  # cameras pause for a second at a key picture or a change of light


@dataclass(frozen=True, slots=True)
class Need:
    """What one camera asks of the node.

    Attributes:
        camera_id: which camera.
        largest_gap_s: longest time between two looks that still keeps what its rules promise.
        overdue_after_s: no picture for this long: the camera is seen as offline, until one comes.
    """

    camera_id: str
    largest_gap_s: float
    overdue_after_s: float


def need_of(camera: CameraConfig) -> Need:
    """The need of one camera; a camera without rules is looked at every two seconds, to keep its scene and state."""
    gap_s = camera.needed_look_every_s
    return Need(camera.camera_id, gap_s, max(OVERDUE_AT_LEAST_S, OVERDUE_LOOKS * gap_s))

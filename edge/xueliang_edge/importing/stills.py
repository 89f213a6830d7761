"""The masked still of a camera that is imported: what an installer draws zones on, with nobody in it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.evidence.masking import STILL_LONG_SIDE_PX, PersonFinder, Refused, find_people, quiet_luma
from xueliang_edge.evidence.stills import Region, Still, compose, encode
from xueliang_streams.frame import Planes

STILL_WITHIN_S: Final = 5.0
"""Five passes of a compact detector take 0.1 s; a machine that looks at sixteen cameras meanwhile is slower."""
WHOLE_PICTURE: Final = Region(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), np.zeros((0, 4), np.float32))
_TRIALS: Final = 7


def masked_still(pictures: Sequence[Planes], detector: PersonFinder, mono: Callable[[], float]) -> Still | Refused:
    """The first picture with people and all movement filled solid; the others are earlier ones of the same view.

    No scene is known yet: without an earlier picture nobody can say what moves, and there is no still.
    """
    if len(pictures) < 2:
        return Refused("no_earlier_picture")
    newest, *earlier = pictures
    until_s = mono() + STILL_WITHIN_S
    picture = newest.fitted(STILL_LONG_SIDE_PX)
    sighting = find_people(detector, picture, lambda: mono() > until_s)
    if isinstance(sighting, Refused):
        return sighting
    lumas = [quiet_luma(one) for one in (newest, *earlier)]
    composed = compose(picture, lumas[0], lumas[1:], None, sighting, WHOLE_PICTURE)
    return composed if isinstance(composed, Refused) else encode(composed, EvidenceKind.ONSET)


def detect_ms_here(detector: PersonFinder) -> float:
    """CPU milliseconds of one look of this detector on this machine, one thread."""
    grey = Planes.from_bgr(np.full((360, 640, 3), 114, np.uint8))
    samples = []
    for _ in range(_TRIALS):
        began_s = time.thread_time()
        detector.detect(grey, 0.5)
        samples.append(1000 * (time.thread_time() - began_s))
    return statistics.median(samples[1:])

"""The masked still of a camera that is imported: what an installer draws zones on, with nobody in it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.evidence.masking import STILL_LONG_SIDE_PX, PersonFinder, Refused, find_people, quiet_luma
from xueliang_edge.evidence.stills import Region, Still, compose, encode
from xueliang_streams.frame import Planes

STILL_WITHIN_S: Final = 5.0
"""Five passes of a compact detector take 0.1 s; a machine that looks at sixteen cameras meanwhile is slower."""
WHOLE_PICTURE: Final = Region(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), np.zeros((0, 4), np.float32))
_TRIALS: Final = 7


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """What a still needs of some pictures of one view, two megabytes in all.

    Attributes:
        picture: the newest one, as large as a still.
        luma, earlier_luma: `quiet_luma` of it and of those before it.
    """

    picture: Planes
    luma: NDArray[np.uint8]
    earlier_luma: tuple[NDArray[np.uint8], ...]


def reduce(pictures: Sequence[Planes]) -> Reduced | None:
    """Pictures of one size, newest first. None: fewer than two, so that nobody can say what moves."""
    if len(pictures) < 2:
        return None
    lumas = [quiet_luma(one) for one in pictures]
    picture = pictures[0].fitted(STILL_LONG_SIDE_PX)
    if picture is pictures[0]:  # not brought down: a copy, so that the decoder's memory is free again
        picture = Planes(picture.y.copy(), picture.u.copy(), picture.v.copy(), picture.is_full_range)
    return Reduced(picture, lumas[0], tuple(lumas[1:]))


def masked_still(pictures: Reduced | None, detector: PersonFinder, mono: Callable[[], float]) -> Still | Refused:
    """The newest picture with people and all movement filled solid.

    No scene is known yet: without an earlier picture there is no still.
    """
    if pictures is None:
        return Refused("no_earlier_picture")
    until_s = mono() + STILL_WITHIN_S
    sighting = find_people(detector, pictures.picture, lambda: mono() > until_s)
    if isinstance(sighting, Refused):
        return sighting
    composed = compose(pictures.picture, pictures.luma, pictures.earlier_luma, None, sighting, WHOLE_PICTURE)
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

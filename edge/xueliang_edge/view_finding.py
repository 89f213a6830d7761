"""Which of a camera's views a picture shows, and by how much the camera looks beside it. Pure.

Measured on drawn places (day, dusk, night, overcast, rain, fog, lorries, headlights, infrared light): a picture keeps
0.31 or more of the edges of its own view and at most 0.19 of another's; in infrared light, against a reference of the
day, 0.19 at worst. A picture that is shifted by up to a sixth brings back 0.76 or more of them when it is moved back;
another place, however it is moved, 0.24 at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_edge.view_measure import VIEW_WH, Structure, ViewFeatures, shift_between
from xueliang_edge.view_memory import ViewMemory

AT_PLACE: Final = 0.6  # so much is kept within a sample of the place: no shift is asked for
ITS_OWN: Final = 0.25
STILL_ITS_OWN: Final = 0.15  # while the camera has not turned: as `view_watch.GONE_SHARE`
MORE_THAN_OTHERS: Final = 1.5
SURE_SHIFT: Final = 0.5
LARGEST_SHIFT: Final = 0.1  # of the picture: more is another direction, and its zones need drawing
TOLERATED: Final = (2, 1)  # samples: a fortieth of the picture, which poles move by too
_STEPS: Final = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)

Shift = tuple[float, float]
"""Right and down, in shares of the picture."""
NO_SHIFT: Final[Shift] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A view that was recognised.

    Attributes:
        shift_xyn: by how much the scene lies beside its place in the reference; 0, 0: not to be told from none.
        is_tolerated: zones drawn in the reference still fit.
    """

    view_id: str
    shift_xyn: Shift = NO_SHIFT
    is_tolerated: bool = True


def find_view(
    seen: ViewFeatures, references: Mapping[str, ViewMemory], usable: NDArray[np.bool_], last: str | None
) -> Sighting | None:
    """The view that a picture shows; None: none of them. `last`: the one that the look before showed."""
    kept = {
        name: share
        for name, one in references.items()
        if one.is_known and (share := one.kept_share(seen, usable)) is not None
    }
    if not kept:
        return None
    best, *others = sorted(kept, key=lambda name: -kept[name])
    if kept[best] >= AT_PLACE:
        return Sighting(best)
    shifts = {best: _shift(seen, references[best], usable)}
    if (shift := shifts[best]) is None:
        least = max(ITS_OWN, MORE_THAN_OTHERS * max((kept[name] for name in others), default=0.0))
        if kept[best] >= (STILL_ITS_OWN if best == last else least):
            return Sighting(best)
    elif (near := _near(best, shift)) is not None:
        return near
    for name in others:
        if (shift := _shift(seen, references[name], usable)) is not None and (near := _near(name, shift)) is not None:
            return near
    return None


def _shift(seen: ViewFeatures, reference: ViewMemory, usable: NDArray[np.bool_]) -> tuple[int, int] | None:
    """In samples; None: no shift explains the picture."""
    shift, share = shift_between(seen.structure, reference.structure, reference.informative & usable)
    return shift if share >= SURE_SHIFT else None


def _near(view_id: str, shift: tuple[int, int]) -> Sighting | None:
    shift_xyn = (shift[0] / VIEW_WH[0], shift[1] / VIEW_WH[1])
    if max(map(abs, shift_xyn)) > LARGEST_SHIFT:
        return None
    is_tolerated = abs(shift[0]) <= TOLERATED[0] and abs(shift[1]) <= TOLERATED[1]
    return Sighting(view_id, shift_xyn, is_tolerated)


def fine_shift(now: Structure, then: Structure, near_xyn: Shift) -> Shift:
    """The same shift between the samples; `near_xyn` itself where it cannot be had more exactly."""
    warp = np.array([[1, 0, near_xyn[0] * VIEW_WH[0]], [0, 1, near_xyn[1] * VIEW_WH[1]]], np.float32)
    strengths = [np.asarray(np.hypot(one.field[0], one.field[1]), np.float32) for one in (then, now)]
    try:
        _, found = cv2.findTransformECC(*strengths, warp, cv2.MOTION_TRANSLATION, _STEPS, None, 3)  # type: ignore[call-overload]
    except cv2.error:  # it did not converge
        return near_xyn
    shift = (float(found[0, 2]) / VIEW_WH[0], float(found[1, 2]) / VIEW_WH[1])
    is_beside = max(abs(shift[0] - near_xyn[0]) * VIEW_WH[0], abs(shift[1] - near_xyn[1]) * VIEW_WH[1]) <= 1.0
    return shift if is_beside else near_xyn

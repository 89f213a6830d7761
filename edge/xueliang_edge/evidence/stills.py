"""One masked still of an alert: the long-term scene everywhere, the picture only where the hazard is, nobody in either.

Order, from the bottom up: solid fill; the scene where it is known; inside the hazard region the picture; over it what
hides people (boxes with margin, movement that no vehicle explains); on top the static privacy zones. Whatever is not
sure ends in `Refused`: the alert then goes without a picture, and the reason is counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.background import Scene
from xueliang_edge.evidence.masking import (
    MOVING_TOO_MUCH,
    STILL_LONG_SIDE_PX,
    Refused,
    Sighting,
    boxes_mask,
    moving_mask,
    people_mask,
    polygons_mask,
)
from xueliang_streams.frame import Planes

REGION_MARGIN: Final = 0.15  # around the alert's boxes: what stands there, whole, and a little of where it stands
JPEG_QUALITY: Final = 85
LIMIT_BYTES: Final = 400_000  # planned: 150 kB each (DOMAIN.md, evidence for 30 days)
PERSON_FILL_BGR: Final = (96, 64, 48)
UNKNOWN_FILL_BGR: Final = (72, 72, 72)
PRIVACY_FILL_BGR: Final = (0, 0, 0)

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Region:
    """Where the picture itself may be seen.

    Attributes:
        zone_xyn: the rule's zone, corners in 0..1; empty: none.
        boxes_xyxyn: float32, shape (n, 4): the alert's boxes.
        privacy_zones_xyn: never seen, whatever happens there.
    """

    zone_xyn: Polygon
    boxes_xyxyn: NDArray[np.float32]
    privacy_zones_xyn: tuple[Polygon, ...] = ()


@dataclass(frozen=True, slots=True)
class Still:
    """A masked still, ready to be kept and sent."""

    kind: EvidenceKind
    jpeg: bytes
    sha256: str
    size_wh: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Composed:
    """Before encoding: uint8 (h, w, 3), and where the live picture is shown, bool (h, w)."""

    image_bgr: NDArray[np.uint8]
    shown: NDArray[np.bool_]


def compose(
    picture: Planes,
    luma: NDArray[np.uint8],
    earlier_luma: Sequence[NDArray[np.uint8]],
    scene: Scene | None,
    sighting: Sighting,
    region: Region,
) -> Composed | Refused:
    """Put one still together; see the module's first lines for the order.

    `picture` is as large as the still; `sighting` is in its pixels. `luma` is `quiet_luma` of the picture it was made
    of, `earlier_luma` that of the pictures before it.
    """
    size_wh = picture.size_wh
    zone = polygons_mask([region.zone_xyn] if region.zone_xyn else [], size_wh)
    inside = zone | boxes_mask(region.boxes_xyxyn, REGION_MARGIN, size_wh)
    if not inside.any():
        return Refused("no_region")
    moving = moving_mask(size_wh, luma, earlier_luma, sighting)
    if moving[inside].mean() > MOVING_TOO_MUCH:
        return Refused("too_much_moves")
    hidden = people_mask(sighting, size_wh) | moving
    private = polygons_mask(region.privacy_zones_xyn, size_wh)
    shown = inside & ~hidden & ~private

    canvas = _solid(UNKNOWN_FILL_BGR, size_wh)
    if scene is not None:
        known = cv2.resize(scene.known.astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
        canvas = _laid_over(canvas, scene.planes.bgr(size_wh), known)
    canvas = _laid_over(canvas, picture.bgr(), shown)
    canvas = _filled(canvas, PERSON_FILL_BGR, inside & hidden)
    canvas = _filled(canvas, PRIVACY_FILL_BGR, private)
    return Composed(canvas, shown)


def encode(composed: Composed, kind: EvidenceKind) -> Still | Refused:
    """JPEG without metadata, of bounded size; refused when it is longer than 1280 pixels on its long side."""
    size_wh = (composed.image_bgr.shape[1], composed.image_bgr.shape[0])
    if max(size_wh) > STILL_LONG_SIDE_PX:
        return Refused("picture_too_large")
    for quality in (JPEG_QUALITY, 70, 50):
        done, data = cv2.imencode(".jpg", composed.image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            return Refused("not_encoded")
        if len(data) <= LIMIT_BYTES:
            jpeg = data.tobytes()
            return Still(kind, jpeg, hashlib.sha256(jpeg).hexdigest(), size_wh)
    return Refused("too_large")


def _solid(colour_bgr: tuple[int, int, int], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    return np.full((size_wh[1], size_wh[0], 3), colour_bgr, np.uint8)


def _laid_over(canvas: NDArray[np.uint8], image_bgr: NDArray[np.uint8], where: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The canvas with the picture where `where` says so; `canvas[where] = image[where]` takes 50 times longer."""
    return np.asarray(cv2.copyTo(image_bgr, where.view(np.uint8), canvas), dtype=np.uint8)


def _filled(canvas: NDArray[np.uint8], colour_bgr: tuple[int, int, int], where: NDArray[np.bool_]) -> NDArray[np.uint8]:
    if not where.any():
        return canvas
    return _laid_over(canvas, _solid(colour_bgr, (canvas.shape[1], canvas.shape[0])), where)

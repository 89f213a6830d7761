"""The annotated clip: slides of looks that were judged, with the picture masked as a still is.

People move between two looks, and nobody knows where to: so there is no picture in the clip but those that were looked
at and searched for people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from xueliang_alerts.contract import EvidenceKind
from xueliang_configs.cameras import CameraConfig
from xueliang_configs.rules import Rule
from xueliang_edge.analysing.drawing import Image
from xueliang_edge.analysing.lanes import RuleState
from xueliang_edge.analysing.slides import Slide, draw
from xueliang_edge.capture.service import CaptureService
from xueliang_edge.detection import DetectionService, StillRequest
from xueliang_edge.evidence.gathering import STILL_TIMEOUT_S
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Region
from xueliang_edge.looks import Look
from xueliang_edge.observations import Observation
from xueliang_streams.slide_show import SlideShow

SLIDE_EVERY_S: Final = 0.5
"""Rules may look four times a second; searching a picture for people costs five looks, and nobody reads so fast."""
_EARLY_S: Final = 0.01
WHOLE_PICTURE: Final = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


class AnnotatedClip:
    """Asks for masked pictures, draws on them, writes them. One thread; close it.

    Attributes:
        hidden: slides without a picture, by reason.
    """

    def __init__(
        self,
        path: Path,
        camera: CameraConfig,
        capture: CaptureService,
        detection: DetectionService,
        mono: Callable[[], float],
    ) -> None:
        """Raises EncodingFailed: the file cannot be written."""
        self._camera, self._capture, self._detection, self._mono = camera, capture, detection, mono
        self._region = Region(
            WHOLE_PICTURE, np.zeros((0, 4), np.float32), tuple(tuple(zone) for zone in camera.privacy_zones)
        )
        self._show = SlideShow(path)
        self._size_wh: tuple[int, int] | None = None
        self._last_s = float("-inf")
        self.hidden: Counter[str] = Counter()

    @property
    def slides(self) -> int:
        return self._show.count

    def wants(self, at_s: float, *, has_news: bool) -> bool:
        """A slide of the look of this moment: when the last one is old enough, or a rule has just said something."""
        return has_news or at_s - self._last_s >= SLIDE_EVERY_S - _EARLY_S

    def add(
        self,
        look: Look,
        head: str,
        observations: Sequence[Observation],
        states: Sequence[tuple[Rule, RuleState]],
        said: Sequence[str],
    ) -> None:
        """One slide; the look's picture is still in hand. Raises EncodingFailed."""
        picture = self._masked(look)
        hidden = picture.reason if isinstance(picture, Refused) else ""
        if isinstance(picture, Refused):
            self.hidden[picture.reason] += 1
        shown = None if isinstance(picture, Refused) else picture
        slide = draw(Slide(shown, hidden, look.frame_size_wh, head, observations, states, said))
        size_wh = (slide.shape[1], slide.shape[0])
        self._size_wh = self._size_wh or size_wh
        if size_wh != self._size_wh:  # the recording changed its size, or its first slide had no picture
            slide = np.asarray(cv2.resize(slide, self._size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        self._show.add(slide, look.observed_mono_s)
        self._last_s = look.observed_mono_s

    def finish(self, end_s: float) -> None:
        """The clip is whole. Raises EncodingFailed."""
        self._show.finish(end_s)

    def close(self) -> None:
        self._show.close()

    def _masked(self, look: Look) -> Image | Refused:
        """The whole picture as a still of an alert over all of it would show it."""
        deadline_mono_s = self._mono() + STILL_TIMEOUT_S
        scene = self._capture.lend_scene(look.handle, deadline_mono_s)
        if scene is None or scene.earlier_count == 0:
            return Refused("nothing_to_compare")  # what moves cannot be told: somebody unseen could be in it
        request = StillRequest(look.handle, EvidenceKind.ONSET, self._region)
        still = self._detection.compose_still(request, scene, deadline_mono_s)
        if isinstance(still, Refused):
            return still
        image = cv2.imdecode(np.frombuffer(still.jpeg, np.uint8), cv2.IMREAD_COLOR)
        return Refused("not_decoded") if image is None else np.asarray(image, np.uint8)

"""A detector, as the rest of the house sees it."""

from __future__ import annotations

from typing import Final, Protocol

from xueliang_models.detections import Detections
from xueliang_models.pictures import Picture

LOWEST_SCORE: Final = 0.10  # below any rule's threshold: what the observation log keeps


class Detector(Protocol):
    """Pictures in, detections out. One instance belongs to one thread.

    Attributes:
        model_id: name for people and reports.
        digest: sha256 of the model file, 64 hex digits.
        classes: class names in the order of `Detections.class_ids`.
        input_size_wh: what the network sees, in pixels.
        recommended_score: the threshold its card recommends; one default does not fit all models.
    """

    @property
    def model_id(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def input_size_wh(self) -> tuple[int, int]: ...
    @property
    def recommended_score(self) -> float: ...

    def detect(self, picture: Picture, min_score: float = LOWEST_SCORE) -> Detections:
        """Find objects in one picture: an array, or planes that have not become colour yet. Boxes are in its pixels.

        Raises:
            InferenceError: the runtime failed or gave numbers that are not finite.
        """
        ...

    def close(self) -> None: ...

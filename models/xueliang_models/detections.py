"""What one detector found in one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Detections:
    """What one detector found in one frame; n = 0 is normal.

    Attributes:
        boxes_xyxy: float32, shape (n, 4). Pixels of the picture passed in, origin top left, clipped to it.
        scores: float32, shape (n,), 0 to 1, highest first.
        class_ids: int64, shape (n,), index into the detector's `classes`.
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        n = len(self.scores)
        for name, shape in (("boxes_xyxy", (n, 4)), ("scores", (n,)), ("class_ids", (n,))):
            actual = getattr(self, name).shape
            if actual != shape:
                raise ValueError(f"{name} must have shape {shape}, got {actual}")
        if not (np.isfinite(self.boxes_xyxy).all() and np.isfinite(self.scores).all()):
            raise ValueError("boxes and scores must be finite")

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def nothing(cls) -> Detections:
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def keep(self, mask: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """The rows that a boolean mask or an index array names, in that order."""
        return Detections(self.boxes_xyxy[mask], self.scores[mask], self.class_ids[mask])

"""A detector from an ONNX file, its card and the adapter of its layout."""

from __future__ import annotations

import numpy as np

from xueliang_models.detections import Detections
from xueliang_models.detector import LOWEST_SCORE
from xueliang_models.errors import InferenceError, ModelMismatch
from xueliang_models.layouts.layout import Layout
from xueliang_models.pictures import Picture
from xueliang_models.runtime import Session
from xueliang_models.suppression import merge_confused, suppress


class OnnxDetector:
    """Obeys `Detector`. Belongs to one thread."""

    def __init__(
        self,
        session: Session,
        layout: Layout,
        *,
        model_id: str,
        classes: tuple[str, ...],
        recommended_score: float,
        iou_limit: float | None = None,
    ) -> None:
        """Raises ModelMismatch when the file has another number of classes than `classes` names."""
        if layout.class_count is not None and layout.class_count != len(classes):
            raise ModelMismatch(
                f"{session.path}: gives {layout.class_count} classes, its card names {len(classes)}; correct the card"
            )
        self._session, self._layout = session, layout
        self.model_id, self.digest, self.classes = model_id, session.digest, classes
        self.input_size_wh = layout.input_size_wh
        self.recommended_score = recommended_score
        self._iou_limit = layout.iou_limit if iou_limit is None else min(iou_limit, layout.iou_limit)
        self.merges_confused = True  # off only to be measured as others are: AP counts each class by itself

    def detect(self, picture: Picture, min_score: float = LOWEST_SCORE) -> Detections:
        """See `Detector.detect`."""
        if isinstance(picture, np.ndarray) and (
            picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape
        ):
            raise InferenceError(f"expected a uint8 picture (h, w, 3), got {picture.dtype} {picture.shape}")
        feeds, fitted = self._layout.prepare(picture)
        found = self._layout.decode(self._session.run(feeds), fitted, min_score)
        wrong = found.class_ids[(found.class_ids < 0) | (found.class_ids >= len(self.classes))]
        if len(wrong):
            raise InferenceError(f"{self.model_id}: class number {int(wrong[0])} of {len(self.classes)}")
        has_area = np.asarray((found.boxes_xyxy[:, 2:] > found.boxes_xyxy[:, :2]).all(axis=1))
        found = found.keep(has_area)  # a box without area shows nothing
        if self._iou_limit < 1.0:
            found = suppress(found, iou_limit=self._iou_limit)
        return merge_confused(found, self.classes) if self.merges_confused else found

    def close(self) -> None:
        self._session.close()

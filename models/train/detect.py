"""The exported file as it runs in the product: ONNX Runtime on one thread, decode, non-maximum suppression."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
from augment import letterbox
from numpy.typing import NDArray

STRIDES = (8, 16, 32)
NMS_IOU = 0.65
MIN_SCORE = 0.01


@dataclass(frozen=True, slots=True)
class Found:
    """Detections of one picture: boxes float32 (n, 4) in its pixels, scores (n,), class ids (n,); best first."""

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]


def iou_matrix(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 4) and (m, 4) to (n, m)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clip(0).prod(2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    other_area = (others[:, 2:] - others[:, :2]).prod(1)
    return np.asarray(shared / (area[:, None] + other_area[None] - shared + 1e-9), np.float32)


def suppress(found: Found, iou_limit: float = NMS_IOU) -> Found:
    """Greedy, class by class."""
    order = np.argsort(-found.scores, kind="stable")[:1000]
    boxes, classes = found.boxes_xyxy[order], found.class_ids[order]
    # Classes are moved apart so that one pass keeps them separate.
    apart = boxes + (classes[:, None] * 10_000).astype(np.float32)
    overlap = iou_matrix(apart, apart) > iou_limit
    keep = np.ones(len(order), bool)
    for i in range(len(order)):
        if keep[i]:
            keep[i + 1 :] &= ~overlap[i, i + 1 :]
    rows = order[keep]
    return Found(found.boxes_xyxy[rows], found.scores[rows], found.class_ids[rows])


class OnnxDetector:
    """One session with one thread and no spinning."""

    def __init__(self, path: Path, nms_iou: float = NMS_IOU) -> None:
        self._nms_iou = nms_iou
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        _, _, height, width = self._session.get_inputs()[0].shape
        self.size_wh = (int(width), int(height))
        corners, strides = [], []
        for stride in STRIDES:
            ys, xs = np.mgrid[: height // stride, : width // stride]
            corners.append(np.stack([xs.ravel(), ys.ravel()], 1))
            strides.append(np.full((xs.size, 1), stride))
        self._corners = np.concatenate(corners).astype(np.float32)
        self._strides = np.concatenate(strides).astype(np.float32)

    def raw(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(1, 3, h, w) to (1, cells, 11)."""
        return np.asarray(self._session.run(None, {"images": images})[0])

    def detect(self, image_bgr: NDArray[np.uint8], min_score: float = MIN_SCORE) -> Found:
        """Everything from `min_score` up."""
        canvas, scale = letterbox(image_bgr, self.size_wh, cv2.INTER_LINEAR)
        output = self.raw(np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], dtype=np.float32))[0]
        scores = output[:, 4:5] * output[:, 5:]
        rows, classes = np.nonzero(scores >= min_score)
        centres = (output[rows, :2] + self._corners[rows]) * self._strides[rows]
        halves = np.exp(output[rows, 2:4]) * self._strides[rows] / 2
        size = np.array([image_bgr.shape[1], image_bgr.shape[0]] * 2, np.float32)
        boxes = (np.concatenate([centres - halves, centres + halves], 1) / scale).clip(0, size).astype(np.float32)
        return suppress(Found(boxes, scores[rows, classes], classes.astype(np.int64)), self._nms_iou)

    def one_thread_ms(self, rounds: int = 20, runs: int = 15) -> float:
        """Time of the network alone: the smallest median of several rounds, because other programs disturb some."""
        images = np.random.default_rng(0).uniform(0, 255, (1, 3, self.size_wh[1], self.size_wh[0])).astype(np.float32)
        medians = []
        for _ in range(rounds):
            times = []
            for _ in range(runs):
                begun = time.perf_counter()
                self.raw(images)
                times.append(time.perf_counter() - begun)
            medians.append(float(np.median(times)) * 1000)
            time.sleep(0.2)
        return min(medians)

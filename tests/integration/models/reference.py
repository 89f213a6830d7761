"""Plain reference decoders: slow, one box at a time, written from the layouts' description and from nothing of ours.

Same resize (cv2 bilinear) and same suppression settings; that is all they share with the product. Each gives the
boxes of one class (`kind`): suppression is by class, so leaving the others out changes nothing but the time.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

Row = tuple[float, float, float, float, float, int]


def plain_nms(rows: list[Row], limit: float) -> list[Row]:
    kept: list[Row] = []
    for row in sorted(rows, key=lambda one: -one[4]):
        if all(row[5] != other[5] or overlap(row, other) <= limit for other in kept):
            kept.append(row)
    return kept


def overlap(a: Row, b: Row) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inner = width * height
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)


def yolox(
    session: onnxruntime.InferenceSession, image: NDArray[np.uint8], side: int, least: float, kind: int
) -> list[Row]:
    height, width = image.shape[:2]
    ratio = min(side / width, side / height)
    canvas = np.full((side, side, 3), 114, np.uint8)
    small = cv2.resize(image, (round(width * ratio), round(height * ratio)), interpolation=cv2.INTER_LINEAR)
    canvas[: small.shape[0], : small.shape[1]] = small
    feed = canvas.astype(np.float32).transpose(2, 0, 1)[None]
    output = session.run(None, {session.get_inputs()[0].name: feed})[0][0]
    rows: list[Row] = []
    index = 0
    for stride in (8, 16, 32):
        for gy in range(side // stride):
            for gx in range(side // stride):
                values = output[index]
                index += 1
                best = int(np.argmax(values[5:]))
                score = float(values[4] * values[5 + best])
                if score < least or best != kind:
                    continue
                cx, cy = (float(values[0]) + gx) * stride, (float(values[1]) + gy) * stride
                w, h = math.exp(float(values[2])) * stride, math.exp(float(values[3])) * stride
                rows.append(_clip((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), 0, 0, ratio, image, score, best))
    return plain_nms(rows, 0.65)


def yolov8(
    session: onnxruntime.InferenceSession, image: NDArray[np.uint8], side: int, least: float, kind: int
) -> list[Row]:
    height, width = image.shape[:2]
    ratio = min(side / width, side / height)
    new_w, new_h = round(width * ratio), round(height * ratio)
    left, top = (side - new_w) // 2, (side - new_h) // 2
    canvas = np.full((side, side, 3), 114, np.uint8)
    canvas[top : top + new_h, left : left + new_w] = cv2.resize(image, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    feed = (canvas[:, :, ::-1].astype(np.float32) / 255).transpose(2, 0, 1)[None]
    output = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(feed)})[0][0]
    rows: list[Row] = []
    for column in range(output.shape[1]):
        values = output[:, column]
        best = int(np.argmax(values[4:]))
        score = float(values[4 + best])
        if score < least or best != kind:
            continue
        cx, cy, w, h = (float(value) for value in values[:4])
        rows.append(_clip((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), left, top, ratio, image, score, best))
    return plain_nms(rows, 0.7)


def detr(
    session: onnxruntime.InferenceSession, image: NDArray[np.uint8], side: int, least: float, kind: int
) -> list[Row]:
    height, width = image.shape[:2]
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)
    feed = (small[:, :, ::-1].astype(np.float32) / 255).transpose(2, 0, 1)[None]
    feeds = {"images": np.ascontiguousarray(feed), "orig_target_sizes": np.array([[width, height]], np.int64)}
    labels, boxes, scores = session.run(["labels", "boxes", "scores"], feeds)
    return [
        (*(float(value) for value in box), float(score), int(label))
        for label, box, score in zip(labels[0], boxes[0], scores[0], strict=True)
        if score >= least and label == kind
    ]


def _clip(
    box: tuple[float, float, float, float],
    left: int,
    top: int,
    ratio: float,
    image: NDArray[np.uint8],
    score: float,
    kind: int,
) -> Row:
    height, width = image.shape[:2]
    return (
        min(max((box[0] - left) / ratio, 0), width),
        min(max((box[1] - top) / ratio, 0), height),
        min(max((box[2] - left) / ratio, 0), width),
        min(max((box[3] - top) / ratio, 0), height),
        score,
        kind,
    )

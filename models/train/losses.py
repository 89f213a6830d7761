"""Loss of one batch: objectness towards the quality of the box, class where there is a box, CIoU of the box."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from assign import assign
from network import NetworkSettings, cell_grid, decode_boxes
from torch import Tensor
from torch.nn import functional

BOX_GAIN = 5.0
OBJECT_GAIN = 1.0
CLASS_GAIN = 1.0
# Never below this share of its IoU does a positive count for box and class, so that first epochs learn at all.
LEAST_QUALITY = 0.1


@dataclass(frozen=True, slots=True)
class Losses:
    """Scalars; `total` carries the gradient."""

    total: Tensor
    box: float
    objectness: float
    classes: float
    positives: float


def complete_iou(predicted: Tensor, wanted: Tensor) -> Tensor:
    """CIoU of paired boxes (n, 4): IoU less centre distance and aspect penalty."""
    low, high = torch.maximum(predicted[:, :2], wanted[:, :2]), torch.minimum(predicted[:, 2:], wanted[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    size, wanted_size = predicted[:, 2:] - predicted[:, :2], wanted[:, 2:] - wanted[:, :2]
    iou = shared / (size.prod(1) + wanted_size.prod(1) - shared + 1e-6)
    hull = torch.maximum(predicted[:, 2:], wanted[:, 2:]) - torch.minimum(predicted[:, :2], wanted[:, :2])
    diagonal = hull.pow(2).sum(1) + 1e-6
    apart = ((predicted[:, :2] + predicted[:, 2:] - wanted[:, :2] - wanted[:, 2:]) / 2).pow(2).sum(1)
    angles = torch.atan2(wanted_size[:, 0], wanted_size[:, 1]) - torch.atan2(size[:, 0], size[:, 1])
    aspect = (4 / math.pi**2) * angles.pow(2)
    with torch.no_grad():
        share = aspect / (1 - iou + aspect + 1e-6)
    return iou - apart / diagonal - share * aspect


class DetectionLoss:
    """Holds the cell grid of one input size."""

    def __init__(self, settings: NetworkSettings, device: torch.device | str) -> None:
        self.corners, self.strides = cell_grid(settings, device)
        self.centres = (self.corners + 0.5) * self.strides

    def __call__(self, raw: Tensor, labels: Tensor, counts: Tensor) -> Losses:
        """Raw (b, a, 5 + c) float32; labels (b, g, 6) padded: x1, y1, x2, y2, class, weight; counts (b,)."""
        boxes_xyxy = decode_boxes(raw, self.corners, self.strides)
        object_logits, class_logits = raw[..., 4], raw[..., 5:]
        scores = object_logits.detach().sigmoid()[..., None] * class_logits.detach().sigmoid()
        found = assign(boxes_xyxy.detach(), scores, labels, counts, self.centres, self.strides)
        own = labels.gather(1, found.box_index[..., None].expand(-1, -1, 6))
        weight = torch.where(found.positive, own[..., 5], 1.0)
        objectness = functional.binary_cross_entropy_with_logits(object_logits, found.quality, weight, reduction="sum")
        chosen = found.positive
        share = found.quality[chosen].clamp(min=LEAST_QUALITY) * weight[chosen]
        total_share = share.sum().clamp(min=1.0)
        overlap = complete_iou(boxes_xyxy[chosen], own[..., :4][chosen])
        box = ((1 - overlap) * share).sum() / total_share
        one_hot = functional.one_hot(own[..., 4][chosen].long(), class_logits.shape[-1]).float()
        wrong = functional.binary_cross_entropy_with_logits(class_logits[chosen], one_hot, reduction="none").sum(1)
        classes = (wrong * share).sum() / total_share
        objectness = objectness / total_share
        total = BOX_GAIN * box + OBJECT_GAIN * objectness + CLASS_GAIN * classes
        return Losses(total, box.item(), objectness.item(), classes.item(), chosen.sum().item() / len(raw))

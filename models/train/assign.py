"""Which cell answers for which box: a task-aligned assigner (after TOOD).

A cell is a candidate for a box when its centre lies inside the box; for cells of stride 8 also when it lies within one
stride of the box's centre, so that the smallest boxes have candidates too. The best cells by score^0.5 * IoU^4 win.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CANDIDATES_PER_BOX = 9
SCORE_POWER = 0.5
IOU_POWER = 4.0
FINEST_STRIDE = 8.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """Attributes (b pictures, a cells):

    box_index: int64 (b, a), the row of the picture's box table, 0 where not positive.
    positive: bool (b, a).
    quality: float32 (b, a), target of objectness: IoU-like, 0 where not positive.
    """

    box_index: Tensor
    positive: Tensor
    quality: Tensor


def pairwise_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """(g, 4) and (a, 4) to (g, a)."""
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clamp_(min=0).prod(-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    other_area = (others[:, 2:] - others[:, :2]).prod(-1)
    return shared / (area[:, None] + other_area[None] - shared + 1e-6)


def _candidates(boxes: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    x, y = centres[None, :, 0], centres[None, :, 1]
    inside = (x > boxes[:, 0:1]) & (x < boxes[:, 2:3]) & (y > boxes[:, 1:2]) & (y < boxes[:, 3:4])
    box_centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    reach = torch.where(strides == FINEST_STRIDE, strides, torch.zeros_like(strides))
    near = ((x - box_centres[:, 0:1]).abs() < reach) & ((y - box_centres[:, 1:2]).abs() < reach)
    return inside | near


def _assign_one(
    predicted: Tensor, scores: Tensor, boxes: Tensor, class_ids: Tensor, centres: Tensor, strides: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One picture: index of the box (a,), positive (a,), quality (a,)."""
    iou = pairwise_iou(boxes, predicted)
    allowed = _candidates(boxes, centres, strides)
    # The small constant lets cells win before anything is learnt, when every IoU is near zero.
    fit = scores[:, class_ids].T.clamp(min=1e-6) ** SCORE_POWER * (iou**IOU_POWER + 1e-7)
    fit = fit.masked_fill(~allowed, 0.0)
    best = fit.topk(CANDIDATES_PER_BOX, dim=1)
    chosen = torch.zeros_like(allowed).scatter_(1, best.indices, best.values > 0)
    # A cell wanted by several boxes goes to the one it overlaps most.
    box_index = iou.masked_fill(~chosen, -1.0).argmax(0)
    positive = chosen.any(0)
    kept = chosen & (torch.arange(len(boxes), device=boxes.device)[:, None] == box_index[None])
    fit = fit * kept
    top_iou = (iou * kept).amax(1, keepdim=True)
    quality = (fit / (fit.amax(1, keepdim=True) + 1e-12) * top_iou).amax(0)
    return box_index * positive, positive, quality * positive


@torch.no_grad()
def assign(
    predicted_xyxy: Tensor, scores: Tensor, labels: Tensor, counts: Tensor, centres: Tensor, strides: Tensor
) -> Assignment:
    """Predictions (b, a, 4) and scores (b, a, c) against labels (b, g, 6), of which the first `counts` rows are real.

    Picture by picture: most have far fewer boxes than the fullest one, so a padded batch would mostly work on padding.
    """
    cells = predicted_xyxy.shape[1]
    found = []
    for boxes, predicted, score, count in zip(labels, predicted_xyxy, scores, counts.tolist(), strict=True):
        if count == 0:
            none = torch.zeros(cells, device=labels.device)
            found.append((none.long(), none.bool(), none))
            continue
        real = boxes[:count]
        found.append(_assign_one(predicted, score, real[:, :4], real[:, 4].long(), centres, strides[:, 0]))
    index, positive, quality = (torch.stack(parts) for parts in zip(*found, strict=True))
    return Assignment(index, positive, quality)

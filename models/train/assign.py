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
    """(…, g, 4) and (…, a, 4) to (…, g, a)."""
    mine, theirs = boxes[..., :, None, :], others[..., None, :, :]
    low, high = torch.maximum(mine[..., :2], theirs[..., :2]), torch.minimum(mine[..., 2:], theirs[..., 2:])
    shared = (high - low).clamp_(min=0).prod(-1)
    area = (mine[..., 2:] - mine[..., :2]).prod(-1)
    other_area = (theirs[..., 2:] - theirs[..., :2]).prod(-1)
    return shared / (area + other_area - shared + 1e-6)


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


def assign_each(
    predicted_xyxy: Tensor, scores: Tensor, labels: Tensor, counts: Tensor, centres: Tensor, strides: Tensor
) -> Assignment:
    """Picture by picture, for a CPU: most have far fewer boxes than the fullest one, so a padded batch is padding."""
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


def assign_together(
    predicted_xyxy: Tensor, scores: Tensor, labels: Tensor, counts: Tensor, centres: Tensor, strides: Tensor
) -> Assignment:
    """The same for the padded batch at once, for a GPU, where small steps cost more than work on padding."""
    boxes, class_ids = labels[..., :4], labels[..., 4].long()
    cells, rows = predicted_xyxy.shape[1], torch.arange(labels.shape[1], device=labels.device)
    iou = pairwise_iou(boxes, predicted_xyxy)
    real = rows[None] < counts[:, None]
    allowed = _candidates(boxes.reshape(-1, 4), centres, strides[:, 0]).view_as(iou) & real[..., None]
    own_scores = scores.transpose(1, 2).gather(1, class_ids[..., None].expand(-1, -1, cells))
    fit = own_scores.clamp(min=1e-6) ** SCORE_POWER * (iou**IOU_POWER + 1e-7)
    fit = fit.masked_fill(~allowed, 0.0)
    best = fit.topk(CANDIDATES_PER_BOX, dim=2)
    chosen = torch.zeros_like(allowed).scatter_(2, best.indices, best.values > 0)
    box_index = iou.masked_fill(~chosen, -1.0).argmax(1)
    positive = chosen.any(1)
    kept = chosen & (rows[None, :, None] == box_index[:, None])
    fit = fit * kept
    top_iou = (iou * kept).amax(2, keepdim=True)
    quality = (fit / (fit.amax(2, keepdim=True) + 1e-12) * top_iou).amax(1)
    return Assignment(box_index * positive, positive, quality * positive)


@torch.no_grad()
def assign(
    predicted_xyxy: Tensor, scores: Tensor, labels: Tensor, counts: Tensor, centres: Tensor, strides: Tensor
) -> Assignment:
    """Predictions (b, a, 4) and scores (b, a, c) against labels (b, g, 6); the first `counts` rows are real."""
    way = assign_together if predicted_xyxy.is_cuda else assign_each
    return way(predicted_xyxy, scores, labels, counts, centres, strides)

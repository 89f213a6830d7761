"""From a camera picture to what a network wants to see, and the way back for boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

PAD_GREY: Final = 114  # what YOLOX and the Ultralytics family were trained with


class PictureSource(Protocol):
    """A picture that is not in colour yet, such as a decoder's planes: colour is made at the size a network sees."""

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels; boxes are given in them."""
        ...

    def bgr(self, size_wh: tuple[int, int], /) -> NDArray[np.uint8]:
        """The whole picture at this size, uint8 (h, w, 3), blue first, resized bilinearly."""
        ...


Picture = NDArray[np.uint8] | PictureSource
"""uint8 (h, w, 3), blue first; or something that becomes one."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture fitted into a network's input, and how to map its boxes back.

    Attributes:
        image: uint8, shape (input_h, input_w, 3), same channel order as the picture.
        scale_xy: input pixels per picture pixel.
        offset_xy: where the picture's top left corner lies in the input, in input pixels.
        picture_wh: size of the original picture.
    """

    image: NDArray[np.uint8]
    scale_xy: tuple[float, float]
    offset_xy: tuple[float, float]
    picture_wh: tuple[int, int]

    def to_picture(self, boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes in input pixels, shape (n, 4), to boxes in picture pixels, clipped to the picture."""
        offset = np.array([*self.offset_xy, *self.offset_xy], np.float32)
        scale = np.array([*self.scale_xy, *self.scale_xy], np.float32)
        limit = np.array([*self.picture_wh, *self.picture_wh], np.float32)
        mapped: NDArray[np.float32] = np.clip((boxes_xyxy - offset) / scale, 0, limit).astype(np.float32)
        return mapped


def letterbox(picture: Picture, input_wh: tuple[int, int], *, centred: bool) -> Fitted:
    """Keep the aspect, fill the rest with grey; at the top left (YOLOX) or centred (Ultralytics)."""
    width, height = size_of(picture)
    ratio = min(input_wh[0] / width, input_wh[1] / height)
    new_w, new_h = max(1, round(width * ratio)), max(1, round(height * ratio))
    left, top = ((input_wh[0] - new_w) // 2, (input_wh[1] - new_h) // 2) if centred else (0, 0)
    canvas = np.full((input_wh[1], input_wh[0], 3), PAD_GREY, np.uint8)
    canvas[top : top + new_h, left : left + new_w] = _bgr_at(picture, (new_w, new_h))
    return Fitted(canvas, (new_w / width, new_h / height), (float(left), float(top)), (width, height))


def stretch(picture: Picture, input_wh: tuple[int, int]) -> Fitted:
    """Plain resize, aspect not kept (DETR family, FastestDet)."""
    width, height = size_of(picture)
    resized = _bgr_at(picture, input_wh)
    return Fitted(resized, (input_wh[0] / width, input_wh[1] / height), (0.0, 0.0), (width, height))


def size_of(picture: Picture) -> tuple[int, int]:
    """Width and height in pixels."""
    if isinstance(picture, np.ndarray):
        return picture.shape[1], picture.shape[0]
    return picture.size_wh


def planes(image: NDArray[np.uint8], *, rgb: bool, unit_range: bool) -> NDArray[np.float32]:
    """To a network's tensor: float32, shape (1, 3, h, w), channels swapped to RGB and scaled to 0..1 where asked."""
    source = image[:, :, ::-1] if rgb else image
    tensor = np.ascontiguousarray(source.transpose(2, 0, 1)[None], dtype=np.float32)
    if unit_range:
        tensor *= np.float32(1 / 255)
    return tensor


def _bgr_at(picture: Picture, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    if isinstance(picture, np.ndarray):
        return np.asarray(cv2.resize(picture, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)
    return picture.bgr(size_wh)

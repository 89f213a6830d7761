"""A picture reaches a network the same way whether it comes in colour or as planes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from xueliang_models.catalogue import open_detector
from xueliang_models.errors import InferenceError
from xueliang_models.pictures import PAD_GREY, letterbox, size_of, stretch
from xueliang_streams.frame import Planes


def smooth_picture(width: int, height: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 12), dtype=np.uint8)


class Counted:
    """A picture that remembers at which sizes it was asked for."""

    def __init__(self, size_wh: tuple[int, int]) -> None:
        self.size_wh = size_wh
        self.asked: list[tuple[int, int]] = []

    def bgr(self, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        self.asked.append(size_wh)
        return np.full((size_wh[1], size_wh[0], 3), 50, np.uint8)


@pytest.mark.parametrize("size_wh", [(1920, 1080), (640, 360), (333, 517)], ids=["1080p", "360p", "odd"])
def test_planes_fill_the_network_as_the_same_picture_in_colour_does(size_wh: tuple[int, int]) -> None:
    image_bgr = smooth_picture(*size_wh)
    planes = Planes.from_bgr(image_bgr)
    for centred in (False, True):
        of_array = letterbox(image_bgr, (448, 256), centred=centred)
        of_planes = letterbox(planes, (448, 256), centred=centred)
        assert (of_planes.scale_xy, of_planes.offset_xy) == (of_array.scale_xy, of_array.offset_xy)
        assert of_planes.picture_wh == size_wh
        assert np.abs(of_planes.image.astype(int) - of_array.image.astype(int)).max() <= 6
    of_array, of_planes = stretch(image_bgr, (320, 320)), stretch(planes, (320, 320))
    assert np.abs(of_planes.image.astype(int) - of_array.image.astype(int)).max() <= 6
    assert of_planes.picture_wh == size_wh


def test_colour_is_only_ever_made_at_the_size_the_network_sees() -> None:
    picture = Counted((1920, 1080))
    fitted = letterbox(picture, (448, 256), centred=False)
    stretch(picture, (320, 320))
    assert picture.asked == [(448, 252), (320, 320)]
    assert (fitted.image[252:] == PAD_GREY).all()
    assert size_of(picture) == (1920, 1080)


def test_boxes_are_in_pixels_of_the_picture_passed_in() -> None:
    detector = open_detector("embedded")
    image_bgr = smooth_picture(1920, 1080)
    of_array = detector.detect(image_bgr, 1e-7)
    of_planes = detector.detect(Planes.from_bgr(image_bgr), 1e-7)
    assert len(of_array)
    assert len(of_planes)
    assert of_planes.boxes_xyxy[:, 2].max() > 448, "boxes are still in the network's pixels"
    detector.close()


def test_an_array_that_is_no_picture_is_refused() -> None:
    detector = open_detector("embedded")
    with pytest.raises(InferenceError, match=r"expected a uint8 picture \(h, w, 3\)"):
        detector.detect(np.zeros((100, 100), np.uint8))
    detector.close()

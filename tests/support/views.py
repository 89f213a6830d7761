"""A drawn street before a camera that is watched for faults of its view, and what may happen to the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_demo.drawing.light import Hour
from xueliang_demo.scenes import FireLaneScene, PlazaScene
from xueliang_edge.brightness import small_brightness
from xueliang_edge.looks import StreamName, ViewSign
from xueliang_edge.view_memory import ViewMemory
from xueliang_edge.view_watch import Sent, ViewWatch
from xueliang_streams.frame import Planes

Image = NDArray[np.uint8]
Change = Callable[[Image, int], Image]
WIDTH, HEIGHT = 640, 360
EVERY_S = 2.0
_DICE = np.random.default_rng(7)


@cache
def street(hour: Hour = "day", *, is_raining: bool = False) -> tuple[Image, ...]:
    """Twelve pictures of a lane with people and cars passing, sensor noise and all."""
    scene = FireLaneScene(size_wh=(WIDTH, HEIGHT), fps=10, hour=hour, is_raining=is_raining)
    return tuple(scene.frame("empty", second) for second in np.linspace(0, scene.durations_s["empty"], 12, False))


@cache
def square() -> tuple[Image, ...]:
    """Another place."""
    scene = PlazaScene(size_wh=(WIDTH, HEIGHT), fps=10)
    return tuple(scene.frame("crowded", second) for second in range(4))


class Watching:
    """A camera looked at every two seconds."""

    def __init__(
        self,
        memory: ViewMemory | None = None,
        usable: NDArray[np.bool_] | None = None,
        hidden: NDArray[np.bool_] | None = None,
    ) -> None:
        self.watch = ViewWatch(memory or ViewMemory(), usable, hidden)
        self.now_s = 0.0
        self.sent = Sent(0, 0, 0, 10.0)

    def show(self, image_bgr: Image, *, stream: StreamName = "main", sent: Sent | None = None) -> ViewSign:
        planes = Planes.from_bgr(image_bgr)
        sign = self.watch.look(planes, small_brightness(planes), stream, self.now_s, sent)
        self.now_s += EVERY_S
        return sign

    def show_all(self, images: Iterable[Image]) -> list[ViewSign]:
        return [self.show(image) for image in images]

    def learn(self, looks: int = 24, hour: Hour = "day") -> None:
        """A minute or so of the street as it is."""
        signs = self.show_all(changed(lambda image, _: image, looks, hour))
        assert all(sign.is_good for sign in signs), signs

    def arrives(
        self, image_bgr: Image, *, other_bytes: int, key_bytes: int = 40_000, stream: StreamName = "main"
    ) -> ViewSign:
        """The picture as the key picture of a stream that brought so many bytes since the one before."""
        total = self.sent.all_bytes + key_bytes + other_bytes
        self.sent = Sent(self.sent.keys + 1, self.sent.key_bytes + key_bytes, total, 10.0)
        return self.show(image_bgr, sent=self.sent, stream=stream)


def changed(change: Change, looks: int = 15, hour: Hour = "day") -> Iterable[Image]:
    """The street, each picture changed; `change` gets the picture and its number."""
    pictures = street(hour)
    return (change(pictures[number % len(pictures)], number) for number in range(looks))


def noisy(image: NDArray[np.generic], levels: float = 3.0) -> Image:
    noise = _DICE.normal(0, levels, image.shape)
    return np.clip(image.astype(np.float32) + noise, 0, 255).astype(np.uint8)


def even(level: int) -> Change:
    return lambda image, _: noisy(np.full_like(image, level), 2)


def cloth(image: Image, _: int) -> Image:
    """Soft folds close before the lens."""
    folds = np.random.default_rng(1).integers(20, 90, (6, 9, 3)).astype(np.uint8)
    return noisy(cv2.resize(folds, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC))


def blurred(sigma_px: float) -> Change:
    return lambda image, _: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.uint8)


def shifted(right: float, down: float = 0.0) -> Change:
    """By shares of the picture."""
    by = np.array([[1, 0, right * WIDTH], [0, 1, down * HEIGHT]], np.float32)
    return lambda image, _: np.asarray(
        cv2.warpAffine(image, by, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def shaken(image: Image, _: int) -> Image:
    right, down = _DICE.integers(-2, 3, 2)
    return shifted(right / WIDTH, down / HEIGHT)(image, 0)


def elsewhere(_image: Image, number: int) -> Image:
    return square()[number % 4]


def dimmed(factor: float) -> Change:
    return lambda image, _: np.clip(image * factor, 0, 255).astype(np.uint8)


def infrared(image: Image, _: int) -> Image:
    """Grey, lit from the camera: what is far goes dark."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None].repeat(3, 2)
    down, right = np.mgrid[0:HEIGHT, 0:WIDTH]
    cone = np.exp(-(((right - WIDTH / 2) / (WIDTH * 0.35)) ** 2 + ((down - HEIGHT * 0.75) / (HEIGHT * 0.4)) ** 2))
    lit = noisy(grey * cone[..., None] * 1.3 + 8)
    return np.asarray(cv2.cvtColor(cv2.cvtColor(lit, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)


def headlights(image: Image, _: int) -> Image:
    down, right = np.mgrid[0:HEIGHT, 0:WIDTH]
    glare = np.exp(-(((right - WIDTH * 0.4) / (WIDTH * 0.25)) ** 2 + ((down - HEIGHT * 0.6) / (HEIGHT * 0.3)) ** 2))
    return np.asarray(np.clip(image * 0.4 + 255 * glare[..., None], 0, 255), np.uint8)


def lorry(image: Image, _: int) -> Image:
    """Before the left six tenths of the view, from near the top to the bottom."""
    picture, edge = image.copy(), int(WIDTH * 0.6)
    picture[HEIGHT // 10 :, :edge] = (150, 90, 60)
    picture[HEIGHT // 10 : HEIGHT // 7, :edge] = 30
    picture[HEIGHT // 2 : HEIGHT // 2 + 10, :edge] = 220
    return noisy(picture)


def foggy(share: float) -> Change:
    return lambda image, _: noisy(image * (1 - share) + 185 * share)

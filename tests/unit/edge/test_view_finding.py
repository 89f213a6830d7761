"""Which of a camera's views a picture shows: drawn places, turned, nudged, in another light, behind other things."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from tests.support import views
from tests.support.views import HEIGHT, WIDTH, Image, noisy
from xueliang_demo.drawing.light import Hour
from xueliang_demo.scenes import FireLaneScene
from xueliang_edge.brightness import small_brightness
from xueliang_edge.view_finding import LARGEST_SHIFT, Sighting, find_view, fine_shift
from xueliang_edge.view_measure import CELLS_WH, ViewFeatures, features_of
from xueliang_edge.view_memory import ViewMemory
from xueliang_streams.frame import Planes

pytestmark = pytest.mark.timeout(300)  # the first test draws the streets of all
ALL = np.ones((CELLS_WH[1], CELLS_WH[0]), np.bool_)
CORNERS = {"west": (60, 300), "east": (560, 300), "north": (300, 60)}
"""Where in a street of four times the size the camera looks; west and east share a fifth of it."""


@cache
def scene(hour: Hour) -> FireLaneScene:
    return FireLaneScene(size_wh=(2 * WIDTH, 2 * HEIGHT), fps=10, hour=hour)


@cache
def street(hour: Hour = "day", second: float = 2.3) -> Image:
    return scene(hour).frame("empty", second)


def shown(view: str, hour: Hour = "day", second: float = 2.3, *, right: int = 0, down: int = 0) -> Image:
    """What the camera shows when it is turned to the right and down by so many pixels."""
    x, y = CORNERS[view][0] + right, CORNERS[view][1] + down
    return np.ascontiguousarray(street(hour, second)[y : y + HEIGHT, x : x + WIDTH])


def measured(image: Image) -> ViewFeatures:
    planes = Planes.from_bgr(image)
    return features_of(planes, small_brightness(planes))


@cache
def references() -> dict[str, ViewMemory]:
    found = {}
    for name in CORNERS:
        memory = ViewMemory()
        for number, second in enumerate(np.linspace(0, 5, 12)):
            memory.learn(measured(noisy(shown(name, second=float(second)))), 1.0, 2.0 * number)
        assert memory.is_known
        found[name] = memory
    return found


def found(image: Image, last: str | None = None) -> Sighting | None:
    return find_view(measured(image), references(), ALL, last)


@pytest.mark.parametrize("hour", ["day", "overcast", "dusk", "night"])
@pytest.mark.parametrize("name", CORNERS)
def test_each_view_is_recognised_in_every_light(name: str, hour: Hour) -> None:
    assert found(noisy(shown(name, hour))) == Sighting(name)


CHANGES: dict[str, Callable[[Image, int], Image]] = {
    "lorry": views.lorry,
    "headlights": views.headlights,
    "fog": views.foggy(0.4),
    "shaken": views.shaken,
    "dim": views.dimmed(0.5),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("name", CORNERS)
def test_what_stands_or_shines_in_a_view_makes_no_other_of_it(name: str, change: Callable[[Image, int], Image]) -> None:
    assert found(change(shown(name), 0)) == Sighting(name)


@pytest.mark.parametrize("name", CORNERS)
def test_infrared_light_is_no_turn(name: str) -> None:
    """Against the reference of the day, where the camera stood before."""
    assert found(views.infrared(shown(name, "night"), 0), last=name) == Sighting(name)


@pytest.mark.parametrize("last", [None, "west"])
def test_another_place_is_none_of_them(last: str | None) -> None:
    assert [found(image, last) for image in views.square()] == [None] * 4
    assert found(shown("west", right=200), last) is None
    assert found(shown("north", right=120, down=80), last) is None


@pytest.mark.parametrize(("right", "down"), [(26, 0), (-32, 0), (51, 0), (0, 26), (20, -18), (-40, 24)])
@pytest.mark.parametrize("name", CORNERS)
def test_a_nudged_camera_shows_its_view_beside_its_place(name: str, right: int, down: int) -> None:
    """A camera that turns right sees the scene further left."""
    picture = noisy(shown(name, right=right, down=down))
    sighting = found(picture)
    assert sighting is not None
    assert (sighting.view_id, sighting.is_tolerated) == (name, False)
    fine = fine_shift(measured(picture).structure, references()[name].structure, sighting.shift_xyn)
    assert fine == pytest.approx((-right / WIDTH, -down / HEIGHT), abs=0.006)


@pytest.mark.parametrize("name", CORNERS)
def test_a_hair_beside_is_tolerated(name: str) -> None:
    for right, down in ((6, 0), (13, 0), (0, 5), (-10, 3)):
        sighting = found(noisy(shown(name, right=right, down=down)))
        assert sighting is not None, (right, down)
        assert (sighting.view_id, sighting.is_tolerated) == (name, True), (right, down)


def test_more_than_a_tenth_is_another_direction() -> None:
    assert found(shown("west", right=round(1.6 * LARGEST_SHIFT * WIDTH))) is None

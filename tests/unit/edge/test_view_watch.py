"""Whether a camera still shows its place: each fault on drawn pictures, and what is none."""

from __future__ import annotations

import time
from random import Random

import cv2
import numpy as np
import pytest

from tests.support import views
from tests.support.fixtures import require_fixture
from tests.support.views import Change, Image, Watching, changed, noisy, street
from xueliang_edge.background import Background
from xueliang_edge.brightness import small_brightness
from xueliang_edge.evidence.masking import polygons_mask
from xueliang_edge.looks import GOOD_VIEW
from xueliang_edge.observations import ViewFault
from xueliang_edge.view_measure import VIEW_WH
from xueliang_edge.view_memory import ViewMemory, usable_cells
from xueliang_edge.view_watch import Sent, ViewWatch
from xueliang_streams.frame import Planes

FAULTS: dict[str, tuple[Change, ViewFault]] = {
    "black": (views.even(5), ViewFault.BLACK),
    "white": (views.even(252), ViewFault.OVER_EXPOSED),
    "grey-card": (views.even(60), ViewFault.COVERED),
    "cloth": (views.cloth, ViewFault.COVERED),
    "slightly-defocused": (views.blurred(4), ViewFault.DEFOCUSED),
    "badly-defocused": (views.blurred(12), ViewFault.DEFOCUSED),
    "turned-a-little": (views.shifted(0.07), ViewFault.MOVED),
    "turned": (views.shifted(-0.15, 0.05), ViewFault.MOVED),
    "tilted": (views.shifted(0.0, 0.15), ViewFault.MOVED),
    "turned-away": (views.elsewhere, ViewFault.MOVED),
}
NO_FAULTS: dict[str, Change] = {
    "nothing": lambda image, _: image,
    "light-on": views.dimmed(1.5),
    "cloud": views.dimmed(0.5),
    "infrared": views.infrared,
    "headlights": views.headlights,
    "lorry": views.lorry,
    "shaking": views.shaken,
    "grain": lambda image, _: noisy(image, 14),
    "fog": views.foggy(0.7),
    "rain": lambda _, number: street(is_raining=True)[number % 12],
    "lamps-of-the-night": lambda _, number: street("night")[number % 12],
}


@pytest.mark.parametrize(("change", "fault"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_doubtful_at_once_said_within_ten_seconds_and_over_when_the_view_is_back(
    change: Change, fault: ViewFault
) -> None:
    camera = Watching()
    camera.learn()
    signs = camera.show_all(changed(change))
    assert signs[0].is_doubtful, "what is not seen in it is unknown from the first look on"
    assert {sign.fault for sign in signs[:3]} == {None}, "not said before it lasts"
    assert {sign.fault for sign in signs[4:]} == {fault}
    assert all(0 < sign.figure <= 1 for sign in signs[4:])
    assert camera.show_all(changed(NO_FAULTS["nothing"], 4)) == [GOOD_VIEW] * 4


@pytest.mark.parametrize("change", NO_FAULTS.values(), ids=NO_FAULTS)
def test_no_fault_where_the_place_can_still_be_seen(change: Change) -> None:
    camera = Watching()
    camera.learn()
    signs = camera.show_all(changed(change, 30)) + camera.show_all(changed(NO_FAULTS["nothing"], 10))
    assert signs == [GOOD_VIEW] * 40


def test_how_far_a_camera_was_turned_is_said() -> None:
    camera = Watching()
    camera.learn()
    assert camera.show_all(changed(views.shifted(0.15)))[-1].figure == 0.15
    assert camera.show_all(changed(views.elsewhere))[-1].figure == 1.0


def test_dusk_down_to_a_tenth_of_the_light_and_the_morning_after_are_no_faults() -> None:
    camera = Watching()
    camera.learn()
    down = [0.5 ** (number * 60 / 1200) for number in range(67)]  # halves in 20 minutes
    for factor in [*down, *reversed(down)]:
        camera.now_s += 60 - views.EVERY_S
        sign = camera.show(noisy(street()[int(camera.now_s) % 12] * factor, 1.5))
        assert sign == GOOD_VIEW, (camera.now_s, factor)


def test_a_night_without_any_lamp_is_no_fault_when_it_falls_slowly() -> None:
    camera = Watching()
    camera.learn()
    for number in range(120):
        camera.now_s += 60 - views.EVERY_S
        factor = 0.5 ** (number / 15)
        assert camera.show(noisy(street()[number % 12] * factor, 1.0)) == GOOD_VIEW, number


def test_a_camera_that_is_black_from_its_first_look_on_cannot_see() -> None:
    camera = Watching()
    signs = camera.show_all(changed(views.even(5)))
    assert {sign.fault for sign in signs[4:]} == {ViewFault.BLACK}
    assert not ViewFault.BLACK.may_be_tampering
    camera.learn()


def test_nothing_but_darkness_is_said_of_a_camera_that_is_not_known_yet() -> None:
    camera = Watching()
    camera.learn(4)
    assert not any(sign.fault for sign in camera.show_all(changed(views.elsewhere)))


def test_a_camera_that_moves_all_the_time_is_never_called_moved() -> None:
    camera = Watching()
    dice = Random(3)
    for number in range(80):
        image = views.shifted(dice.uniform(-0.4, 0.4), dice.uniform(-0.3, 0.3))(street()[number % 12], 0)
        assert camera.show(image) == GOOD_VIEW
    assert not camera.watch.memory.is_known


def test_a_passing_bus_before_the_whole_view_is_doubtful_and_no_fault() -> None:
    camera = Watching()
    camera.learn()
    signs = camera.show_all(changed(views.cloth, 2)) + camera.show_all(changed(NO_FAULTS["nothing"], 5))
    assert [sign.is_doubtful for sign in signs] == [True, True] + [False] * 5
    assert not any(sign.fault for sign in signs)


def test_what_is_wrong_is_never_learnt_as_usual() -> None:
    camera = Watching()
    camera.learn()
    camera.show_all(changed(views.shifted(0.15), 60))
    camera.now_s += 12 * 3600.0
    assert camera.show_all(changed(views.shifted(0.15), 60))[-1].fault is ViewFault.MOVED
    camera.learn(4)


@pytest.mark.parametrize("before", [views.even(8), views.even(252)], ids=["dark", "blinded"])
def test_the_infrared_light_after_a_dark_or_blinded_moment_is_no_fault(before: Change) -> None:
    """Lamps go out; many cameras wait ten seconds in the dark before they switch."""
    camera = Watching()
    camera.learn()
    assert camera.show_all(changed(before, 6))[-1].fault in {ViewFault.BLACK, ViewFault.OVER_EXPOSED}
    night = camera.show_all(changed(views.infrared, 20))
    assert not any(sign.fault for sign in night)
    assert night[-1] == GOOD_VIEW


def test_a_lens_that_is_covered_in_the_dark_is_covered_when_the_light_is_back() -> None:
    camera = Watching()
    camera.learn()
    assert camera.show_all(changed(views.even(8), 6))[-1].fault is ViewFault.BLACK
    assert camera.show_all(changed(views.cloth, 6))[-1].fault is ViewFault.COVERED


def test_a_card_without_any_soft_edge_does_not_break_the_judging_of_what_follows() -> None:
    card = np.zeros((views.HEIGHT, views.WIDTH, 3), np.uint8)
    card[100:200, 200:400] = 200
    camera = Watching()
    assert camera.show_all([card] * 24)[-1] == GOOD_VIEW
    camera.show_all(changed(NO_FAULTS["nothing"], 4))


def test_where_edges_are_faint_noise_reduction_is_not_called_out_of_focus() -> None:
    def faint(image: Image, _: int) -> Image:
        return np.asarray(60 + 0.06 * image.astype(np.float32), np.uint8)

    camera = Watching()
    camera.show_all(changed(faint, 24))
    signs = camera.show_all(faint(image, 0) for image in changed(views.blurred(2)))
    assert ViewFault.DEFOCUSED not in {sign.fault for sign in signs}


def test_privacy_zones_over_most_of_the_picture_are_not_taken_for_darkness() -> None:
    zones = (((0.0, 0.0), (1.0, 0.0), (1.0, 0.95), (0.0, 0.95)),)

    def hide(image: Image) -> Image:
        picture = image.copy()
        picture[polygons_mask(zones, (views.WIDTH, views.HEIGHT))] = 0
        return picture

    hidden = polygons_mask(zones, VIEW_WH)
    camera = Watching(usable=usable_cells(hidden), hidden=hidden)
    assert set(camera.show_all(hide(image) for image in changed(NO_FAULTS["nothing"], 24))) == {GOOD_VIEW}
    assert camera.show_all(hide(image) for image in changed(views.even(5)))[-1].fault is ViewFault.BLACK


# Frozen.


def test_a_frozen_camera_stays_frozen_on_its_other_stream_and_when_that_is_opened_anew() -> None:
    camera = Watching()
    camera.learn()
    for image in street()[:4]:
        camera.arrives(image, other_bytes=30_000)
    assert [camera.arrives(street()[5], other_bytes=19 * 60) for _ in range(15)][-1].fault is ViewFault.FROZEN
    other = [camera.arrives(street()[5], other_bytes=19 * 60, stream="sub") for _ in range(4)]
    camera.sent = Sent(0, 0, 0, 10.0)
    anew = [camera.arrives(street()[5], other_bytes=19 * 60, stream="sub") for _ in range(4)]
    assert {sign.fault for sign in other + anew} == {ViewFault.FROZEN}
    assert camera.arrives(street()[6], other_bytes=30_000, stream="sub") == GOOD_VIEW


def test_the_same_key_picture_over_and_over_with_nothing_in_between_is_frozen() -> None:
    camera = Watching()
    camera.learn()
    lively = [camera.arrives(image, other_bytes=30_000) for image in street()]
    frozen = [camera.arrives(street()[5], other_bytes=19 * 60) for _ in range(15)]
    alive = camera.arrives(street()[6], other_bytes=30_000)
    assert lively == [GOOD_VIEW] * 12
    assert [sign.fault for sign in frozen][10:] == [ViewFault.FROZEN] * 5, "20 s after the first repeated one"
    assert not any(sign.fault for sign in frozen[:10])
    assert alive == GOOD_VIEW


def test_an_encoder_that_keeps_changing_its_quality_does_not_hide_a_frozen_picture() -> None:
    """As x264 does: a key picture is the one before only now and then, and never looks like another scene."""
    camera = Watching()
    camera.learn()
    dice = np.random.default_rng(5)
    signs = []
    for number in range(40):
        coarser = street()[5].copy()
        if number % 4 == 0:
            coarser[dice.random((views.HEIGHT, views.WIDTH)) < 0.5] += 1
        signs.append(camera.arrives(coarser, other_bytes=19 * 60))
    assert {sign.fault for sign in signs[12:]} == {ViewFault.FROZEN}


def test_a_frozen_camera_that_lives_again_in_a_still_night_is_good_again() -> None:
    camera = Watching()
    camera.learn()
    for _ in range(2):
        camera.arrives(street()[4], other_bytes=30_000)
    assert [camera.arrives(street()[5], other_bytes=19 * 60) for _ in range(15)][-1].fault is ViewFault.FROZEN
    still = [camera.arrives(noisy(street()[5], 0.6), other_bytes=19 * 60) for _ in range(30)]
    assert still[-1] == GOOD_VIEW


def test_frozen_behind_a_clock_in_the_picture_is_frozen() -> None:
    camera = Watching()
    camera.learn()
    camera.arrives(street()[4], other_bytes=30_000)
    signs = []
    for number in range(15):
        image = street()[5].copy()
        cv2.putText(image, f"08:00:{number:02d}", (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
        signs.append(camera.arrives(image, other_bytes=19 * 200))
    assert signs[-1].fault is ViewFault.FROZEN


REPEATED_AND_ALIVE = {
    "a-loop-of-footage": (True, 19 * 2_000),
    "an-empty-scene-with-sensor-noise": (False, 19 * 60),
}


@pytest.mark.parametrize(("is_same", "other_bytes"), REPEATED_AND_ALIVE.values(), ids=REPEATED_AND_ALIVE)
def test_what_only_looks_still_is_not_frozen(is_same: bool, other_bytes: int) -> None:
    camera = Watching()
    camera.learn()
    camera.arrives(street()[4], other_bytes=30_000)
    for _ in range(40):
        image = street()[5] if is_same else noisy(street()[5], 0.6)
        assert camera.arrives(image, other_bytes=other_bytes) == GOOD_VIEW


def test_a_small_thing_that_moves_through_a_scene_without_noise_keeps_it_alive() -> None:
    camera = Watching()
    camera.learn()
    camera.arrives(street()[4], other_bytes=30_000)
    for number in range(40):
        image = street()[5].copy()
        left = 10 * number % 600
        image[200:230, left : left + 20] = 250
        assert camera.arrives(image, other_bytes=19 * 60) == GOOD_VIEW


def test_a_still_scene_coded_as_unchanged_between_rare_key_pictures_is_not_frozen() -> None:
    camera = Watching()
    camera.learn()
    camera.arrives(street()[4], other_bytes=30_000)
    camera.arrives(street()[5], other_bytes=30_000)
    assert [camera.show(street()[5], sent=camera.sent) for _ in range(30)] == [GOOD_VIEW] * 30, "no key came meanwhile"


def test_a_camera_never_seen_alive_and_one_whose_stream_nobody_counts_are_not_called_frozen() -> None:
    camera = Watching()
    assert [camera.arrives(street()[5], other_bytes=0) for _ in range(30)] == [GOOD_VIEW] * 30
    uncounted = Watching()
    uncounted.learn()
    assert uncounted.show_all([street()[5]] * 30) == [GOOD_VIEW] * 30


# What is remembered.


def test_the_usual_view_survives_a_restart_and_what_differs_then_is_a_fault() -> None:
    background = Background((views.WIDTH, views.HEIGHT))
    camera = Watching(background.view)
    camera.learn()
    again = Watching(Background.from_bytes(background.to_bytes()).view)
    assert again.watch.memory.is_known
    assert again.show_all(changed(NO_FAULTS["nothing"], 5)) == [GOOD_VIEW] * 5
    turned = Watching(Background.from_bytes(background.to_bytes()).view)
    assert turned.show_all(changed(views.shifted(0.15)))[-1].fault is ViewFault.MOVED


def test_a_background_file_from_before_views_were_kept_is_read() -> None:
    assert not Background.from_bytes(Background((640, 360)).to_bytes()).view.is_known


def test_another_size_of_view_is_refused() -> None:
    with pytest.raises(ValueError, match="a view of shape"):
        ViewMemory.from_arrays({"view": np.zeros((4, 4), np.uint8), "view_numbers": np.zeros(5)})


def test_the_edges_of_privacy_zones_do_not_hide_a_covered_lens() -> None:
    zones = tuple(
        tuple((x + a * 0.1, y + b * 0.16) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1)))
        for x in (0.05, 0.45, 0.85)
        for y in (0.1, 0.6)
    )

    def hidden(image: Image) -> Image:
        picture = image.copy()
        picture[polygons_mask(zones, (views.WIDTH, views.HEIGHT))] = 0
        return picture

    told = []
    for usable in (usable_cells(polygons_mask(zones, VIEW_WH)), None):
        camera = Watching(usable=usable)
        camera.show_all(hidden(image) for image in changed(NO_FAULTS["nothing"], 24))
        told.append(camera.show_all(hidden(image) for image in changed(views.even(90)))[-1].fault)
    assert told[0] is ViewFault.COVERED
    assert told[1] is not ViewFault.COVERED, "without knowing where the zones are their edges are the scene's"


def test_pictures_of_another_size_have_a_sharpness_of_their_own() -> None:
    """The other stream, or a camera whose picture size was set anew."""
    camera = Watching()
    camera.learn()
    for size_wh in ((320, 180), (1280, 720)):
        for image in street():
            assert camera.show(np.asarray(cv2.resize(image, size_wh), np.uint8)) == GOOD_VIEW
    signs = camera.show_all(np.asarray(cv2.resize(image, (1280, 720)), np.uint8) for image in changed(views.blurred(8)))
    assert signs[-1].fault is ViewFault.DEFOCUSED


# Recorded, and the cost.


@pytest.mark.fixtures
@pytest.mark.parametrize(
    "clip", ["lot_car_stops", "lot_person_bicycle_car", "room_one_by_one", "yard_fire", "road_overhead_cars"]
)
def test_no_fault_is_found_in_recorded_good_views(clip: str) -> None:
    capture = cv2.VideoCapture(str(require_fixture(f"clips/{clip}.mp4")))
    pictures: list[Image] = []
    rate = round(capture.get(cv2.CAP_PROP_FPS))
    while capture.grab():
        pictures.append(np.asarray(capture.retrieve()[1], np.uint8))
        for _ in range(2 * rate - 1):
            capture.grab()
    camera = Watching()
    looks = [camera.show(picture) for _ in range(3) for picture in pictures]
    assert not any(sign.fault for sign in looks), "three times round, so that it is known"


def test_a_look_costs_about_a_millisecond_at_most() -> None:
    image = np.asarray(cv2.resize(street()[0], (1920, 1080)), np.uint8)
    planes, watch = Planes.from_bgr(image), ViewWatch(ViewMemory())
    small = small_brightness(planes)
    costs_ms = []
    for number in range(60):
        began_s = time.thread_time()
        watch.look(planes, small, "main", number * 2.0)
        costs_ms.append((time.thread_time() - began_s) * 1e3)
    assert float(np.median(costs_ms)) < 2.0, "measured: 0.6 ms; twice that and more on a busy machine"

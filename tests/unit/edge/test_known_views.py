"""A camera that turns, look by look: its views are learnt when told, recognised, and never called moved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.views import WIDTH, Change, Image, blurred, cloth, even, noisy, square
from tests.unit.edge.test_view_finding import shown
from xueliang_edge.background import BackgroundFiles
from xueliang_edge.brightness import small_brightness
from xueliang_edge.capture.known_views import ELSEWHERE_S, KnownViews
from xueliang_edge.looks import ViewSign
from xueliang_edge.observations import ViewFault
from xueliang_streams.frame import Planes

SECONDS = (0.0, 0.6, 1.2, 1.8, 2.4)


class Turning:
    """Looked at once a second."""

    def __init__(self, folder: Path) -> None:
        self.files = BackgroundFiles(folder)
        self.views = KnownViews("ptz", ("west", "east"), self.files, ())
        self.now_s = 0.0

    def show(self, image: Image) -> ViewSign:
        planes = Planes.from_bgr(image)
        self.now_s += 1.0
        return self.views.look(planes, small_brightness(planes), (640, 360), "main", self.now_s, None)

    def look(self, view: str, looks: int, *, right: int = 0) -> ViewSign:
        """The last of so many looks."""
        signs = [self.show(noisy(shown(view, second=SECONDS[n % 5], right=right))) for n in range(looks)]
        return signs[-1]

    def states(self) -> dict[str, str]:
        return {one.view_id: one.state for one in self.views.states()}

    def learn(self) -> None:
        for view in ("west", "east"):
            self.views.learn(view)
            self.look(view, 25)
        assert self.states() == {"west": "known", "east": "known"}


@pytest.fixture
def camera(tmp_path: Path) -> Turning:
    return Turning(tmp_path)


@pytest.fixture
def learnt(camera: Turning) -> Turning:
    camera.learn()
    return camera


def test_nothing_is_known_before_it_was_shown(camera: Turning) -> None:
    assert camera.look("west", 200) == ViewSign(is_doubtful=True)
    assert camera.states() == {"west": "no_reference", "east": "no_reference"}


def test_presets_are_recognised_and_never_moved(learnt: Turning) -> None:
    for view in ("west", "east", "west", "east"):
        assert learnt.look(view, 20) == ViewSign(view_id=view)
    assert learnt.views.scene is learnt.views.scenes["east"]


def test_only_looking_elsewhere_for_long_is_moved(learnt: Turning) -> None:
    signs = [learnt.show(noisy(square()[n % 4])) for n in range(int(ELSEWHERE_S) + 5)]
    assert signs[0] == signs[30] == ViewSign(is_doubtful=True)
    assert signs[-1] == ViewSign(ViewFault.MOVED, figure=1.0)
    assert learnt.look("west", 1) == ViewSign(view_id="west")


@pytest.mark.parametrize(
    ("show", "fault"),
    [(even(150), ViewFault.COVERED), (cloth, ViewFault.COVERED), (blurred(12), ViewFault.MOVED)],
    ids=["wall", "cloth", "smeared"],
)
def test_a_turn_or_a_wall_is_no_covered_lens_before_it_lasts(learnt: Turning, show: Change, fault: ViewFault) -> None:
    """A slow pan is smeared, and a wall or the sky has no edges: what the camera left says nothing about them."""
    learnt.look("west", 5)
    signs = [learnt.show(show(square()[n % 4], n)) for n in range(int(ELSEWHERE_S) + 10)]
    assert set(signs[: int(ELSEWHERE_S)]) == {ViewSign(is_doubtful=True)}
    assert {one.fault for one in signs[int(ELSEWHERE_S) :]} == {fault}
    assert learnt.look("west", 2) == ViewSign(view_id="west")


def test_learning_that_was_given_up_begins_the_time_elsewhere_anew(learnt: Turning) -> None:
    for n in range(50):
        learnt.show(noisy(square()[n % 4]))
    learnt.views.learn("east")
    for n in range(12):
        learnt.show(noisy(square()[n % 4]))
    learnt.views.learn("east")
    learnt.look("north", 6)
    learnt.show(square()[0])
    assert learnt.views.states()[1].problem == "not learnt: the camera turned while it was learnt"
    assert learnt.show(noisy(square()[0])) == ViewSign(is_doubtful=True)


def test_a_black_picture_is_black_at_any_preset(learnt: Turning) -> None:
    learnt.look("west", 5)
    signs = [learnt.show(even(4)(shown("west"), n)) for n in range(10)]
    assert signs[-1].fault is ViewFault.BLACK


def test_a_nudge_is_unknown_measured_when_steady_and_good_again_when_renewed(learnt: Turning) -> None:
    assert learnt.look("west", 20, right=40) == ViewSign(is_doubtful=True, view_id="west")
    assert learnt.views.states()[0].shift_xyn is None, "not for long enough yet"
    learnt.look("west", 20, right=40)
    shift = learnt.views.states()[0].shift_xyn
    assert shift == pytest.approx((-40 / WIDTH, 0), abs=0.006)
    assert shift is not None
    learnt.views.renew("west", shift, "order-1")
    assert learnt.look("west", 3, right=40) == ViewSign(view_id="west")
    assert learnt.views.states()[0].shift_xyn is None
    assert learnt.look("east", 3) == ViewSign(view_id="east")


def test_the_light_of_a_view_is_followed_beside_its_place_too(learnt: Turning) -> None:
    memory = learnt.views.scenes["west"].view
    edges = memory.structure
    for n in range(240):
        dusk = shown("west", second=SECONDS[n % 5], right=16) * max(0.25, 1 - n / 240)
        sign = learnt.show(noisy(dusk))
        assert sign == ViewSign(view_id="west"), n
    assert memory.mean < 0.7 * float(np.mean(shown("west", right=16)))
    assert memory.structure is edges, "they lie elsewhere"


def test_a_shift_that_is_set_right_is_forgotten(learnt: Turning) -> None:
    learnt.look("west", 40, right=40)
    learnt.look("west", 2)
    assert learnt.views.states()[0].shift_xyn is None


def test_a_view_is_not_learnt_from_another_nor_while_the_camera_turns(learnt: Turning) -> None:
    learnt.views.learn("east")
    learnt.look("west", 2)
    assert learnt.views.states()[1].problem == "not learnt: the camera shows view west: turn it first"
    learnt.views.learn("east")
    learnt.look("north", 6)
    learnt.show(square()[0])
    assert learnt.views.states()[1].problem == "not learnt: the camera turned while it was learnt"
    assert learnt.look("east", 2) == ViewSign(view_id="east"), "what was known before goes on"


def test_what_was_shown_is_known_after_a_restart(learnt: Turning, tmp_path: Path) -> None:
    for name, scene in learnt.views.to_save(learnt.now_s):
        learnt.files.save(name, scene)
    again = Turning(tmp_path)
    assert again.look("east", 1) == ViewSign(view_id="east")
    assert not list(learnt.views.to_save(learnt.now_s)), "written once"


def test_a_view_is_renewed_once_an_order_also_after_a_restart(learnt: Turning, tmp_path: Path) -> None:
    learnt.look("west", 40, right=40)
    shift = learnt.views.states()[0].shift_xyn
    assert shift is not None
    for _ in range(2):
        learnt.views.renew("west", shift, "order-1")
    assert learnt.look("west", 3, right=40) == ViewSign(view_id="west"), "told twice, moved once"
    for name, scene in learnt.views.to_save(learnt.now_s):
        learnt.files.save(name, scene)
    again = Turning(tmp_path)
    again.views.renew("west", shift, "order-1")
    assert again.look("west", 3, right=40) == ViewSign(view_id="west"), "kept with the scene"
    again.views.learn("west")
    again.look("west", 25)
    again.views.renew("west", shift, "order-1")
    assert again.look("west", 3) == ViewSign(view_id="west"), "learnt after it: the order is an old one"

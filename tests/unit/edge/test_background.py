"""The long-term scene: learns what is always there, never what stands, and survives a restart."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from xueliang_edge.background import Background, BackgroundFiles
from xueliang_edge.brightness import small_brightness
from xueliang_edge.stillness import Stillness
from xueliang_streams.frame import Planes

SIZE_WH = (320, 180)
NOBODY = np.zeros((0, 4), np.float32)
BOX = np.array([[0.25, 0.4, 0.5, 0.8]], np.float32)


def street(brightness: float = 1.0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(7)
    coarse = np.repeat(rng.integers(40, 190, (18, 32, 1)), 3, axis=2).astype(np.float32)
    picture = np.repeat(np.repeat(coarse, 10, axis=0), 10, axis=1) * brightness
    return np.clip(picture, 0, 255).astype(np.uint8)


def with_box(picture: NDArray[np.uint8], value: int = 250) -> NDArray[np.uint8]:
    changed = picture.copy()
    changed[72:144, 80:160] = value
    return changed


def learn(background: Background, image_bgr: NDArray[np.uint8], excluded: NDArray[np.float32], mono_s: float) -> None:
    background.learn(Planes.from_bgr(image_bgr), excluded, mono_s)


def change(background: Background, image_bgr: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    return background.change(small_brightness(Planes.from_bgr(image_bgr)))


def taught(seconds: int = 12, excluded: NDArray[np.float32] = NOBODY) -> Background:
    background = Background(SIZE_WH)
    for second in range(seconds):
        learn(background, street(), excluded, float(second))
    return background


def inside(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    return grid[8:14, 9:15]


def test_nothing_is_known_before_it_was_seen_for_a_while() -> None:
    background = taught(seconds=3)
    assert background.known_share == 0.0
    assert change(background, street()) is None


def test_an_unchanged_street_shows_no_change_and_an_object_shows_where_it_is() -> None:
    background = taught()
    calm = change(background, street())
    assert calm is not None
    assert calm.shape == (18, 32)
    assert calm.max() == 0.0
    changed = change(background, with_box(street()))
    assert changed is not None
    assert inside(changed).min() == 1.0
    assert changed[:, 20:].max() == 0.0


def test_what_stands_for_hours_is_not_absorbed() -> None:
    background = taught()
    for second in range(12, 3 * 3600, 5):
        learn(background, with_box(street()), NOBODY, float(second))
    changed = change(background, with_box(street()))
    assert changed is not None
    assert inside(changed).min() == 1.0


def test_what_no_alert_is_about_becomes_scene_after_half_a_day() -> None:
    background = taught()
    first_calm_s = None
    for second in range(30, 14 * 3600, 30):
        learn(background, with_box(street()), NOBODY, float(second))
        changed = change(background, with_box(street()))
        if first_calm_s is None and changed is not None and changed.max() == 0.0:
            first_calm_s = second
    assert first_calm_s is not None
    assert 12 * 3600 <= first_calm_s <= 12.1 * 3600
    assert np.abs(background.scene().image_bgr[72:144, 80:160].astype(int) - 250).max() <= 4


def test_excluded_boxes_stay_unknown_and_say_so() -> None:
    background = taught(excluded=BOX)
    changed = change(background, street())
    assert changed is not None
    assert np.isnan(inside(changed)).all()
    scene = background.scene()
    assert not scene.known[90:130, 90:150].any()
    assert scene.known[:, 200:].all()


def test_slow_dusk_is_followed_and_is_no_change() -> None:
    background = taught()
    for step in range(240):  # twenty minutes to half the light
        now = street(1.0 - 0.5 * step / 240)
        learn(background, now, NOBODY, 12.0 + 5 * step)
        changed = change(background, now)
        assert changed is not None
        assert changed.max() == 0.0, f"step {step}"


def test_a_sudden_global_dimming_is_compensated_and_still_shows_an_object() -> None:
    background = taught()
    dim = street(0.7)
    calm = change(background, dim)
    assert calm is not None
    assert calm.mean() < 0.02
    changed = change(background, with_box(dim, 255))
    assert changed is not None
    assert inside(changed).min() == 1.0


def test_another_picture_altogether_is_unknown_then_learnt_anew() -> None:
    background = taught()
    other = 240 - street()
    assert change(background, other) is None
    for second in range(12, 150, 2):
        learn(background, other, NOBODY, float(second))
    calm = change(background, other)
    assert calm is not None
    assert calm.max() == 0.0


def test_a_passer_by_leaves_no_trace_in_the_scene() -> None:
    background = taught()
    for second in range(12, 600):
        picture = street()
        left = (second * 7) % 280
        picture[60:120, left : left + 20] = 255
        learn(background, picture, NOBODY, float(second))
    difference = np.abs(background.scene().image_bgr.astype(int) - street().astype(int))
    assert difference.max() <= 4


def test_a_picture_teaches_only_when_it_is_due() -> None:
    background = taught(seconds=200)
    assert not background.learn(Planes.from_bgr(street()), NOBODY, 205.0)
    assert background.learn(Planes.from_bgr(street()), NOBODY, 209.0)


def test_what_parks_is_unknown_until_it_leaves_and_then_learnt() -> None:
    background = taught(excluded=BOX)
    for second in range(12, 400, 4):
        learn(background, street(), NOBODY, float(second))
    scene = background.scene()
    assert scene.known.all()
    assert np.abs(scene.image_bgr.astype(int) - street().astype(int)).max() <= 4


def test_three_pictures_are_needed_however_far_apart_they_are() -> None:
    """A look every 12 s: somebody the detector missed may stand still in two of them."""
    background = Background(SIZE_WH)
    known = []
    for second in (0.0, 12.0, 24.0):
        learn(background, street(), NOBODY, second)
        known.append((background.known_share, bool(background.scene().known.any())))
    assert known == [(0.0, False), (0.0, False), (1.0, True)]


@pytest.mark.parametrize("size_wh", [(320, 180), (322, 181), (101, 77), (1920, 1080)])
def test_a_block_that_a_box_only_touches_is_not_learnt(size_wh: tuple[int, int]) -> None:
    box = np.array([[0.301, 0.401, 0.499, 0.799]], np.float32)
    background = Background(size_wh)
    picture = np.full((size_wh[1], size_wh[0], 3), 120, np.uint8)
    for second in range(0, 40, 4):
        learn(background, picture, box, float(second))
    scene = background.scene()
    width, height = scene.planes.size_wh
    assert scene.known.shape == (height, width)
    inside = scene.known[int(0.401 * height) : int(0.799 * height) + 1, int(0.301 * width) : int(0.499 * width) + 1]
    assert not inside.any()
    assert scene.known[-1, -1]
    assert scene.known.mean() > 0.75


def test_the_scene_is_no_larger_than_its_memory_allows() -> None:
    background = Background((3840, 2160))
    for second in range(0, 40, 4):
        background.learn(Planes.from_bgr(np.full((2160, 3840, 3), 90, np.uint8)), NOBODY, float(second))
    scene = background.scene()
    assert scene.planes.size_wh == (960, 540)
    assert scene.known.all()


def test_pictures_of_the_other_stream_teach_the_same_scene() -> None:
    """A sub stream of another size and with video levels shows the same street."""
    background = taught()
    y = (16 + street()[::2, ::2, 0] * (219 / 255)).astype(np.uint8)
    half = np.full((45, 80), 128, np.uint8)
    sub = Planes(y, half, half, is_full_range=False)
    changed = background.change(small_brightness(sub))
    assert changed is not None
    assert changed.max() == 0.0
    for second in range(12, 300, 4):
        background.learn(sub, NOBODY, float(second))
    assert np.abs(background.scene().image_bgr.astype(int) - street().astype(int)).mean() < 4


def test_colour_is_learnt_too() -> None:
    background = Background(SIZE_WH)
    picture = street()
    picture[:, :, 0] //= 2
    picture[:, :, 2] = np.minimum(255, picture[:, :, 2] + 30)
    for second in range(12):
        learn(background, picture, NOBODY, float(second))
    difference = np.abs(background.scene().image_bgr.astype(int) - picture.astype(int))
    assert np.median(difference) <= 2  # colour planes are half the size: edges of the blocks differ


def test_scene_survives_a_restart(tmp_path: Path) -> None:
    files = BackgroundFiles(tmp_path / "background")
    files.save("lane-east", taught(excluded=BOX))
    again = files.load("lane-east")
    assert again is not None
    changed = change(again, with_box(street()))
    assert changed is not None
    assert np.isnan(inside(changed)).all()
    assert np.nanmax(changed[:, 20:]) == 0.0
    scene = again.scene()
    assert not scene.known[90:130, 90:150].any()
    assert np.abs(scene.image_bgr[:, 200:].astype(int) - street()[:, 200:].astype(int)).mean() < 2  # it is kept as JPEG
    mode = next((tmp_path / "background").iterdir()).stat().st_mode & 0o777
    assert mode == 0o600


def test_what_is_parked_when_the_node_starts_again_is_not_learnt(tmp_path: Path) -> None:
    files = BackgroundFiles(tmp_path)
    files.save("lane-east", taught())
    again = files.load("lane-east")
    assert again is not None
    for second in range(0, 3600, 4):
        learn(again, with_box(street()), NOBODY, float(second))
    changed = change(again, with_box(street()))
    assert changed is not None
    assert inside(changed).min() == 1.0
    assert np.abs(again.scene().image_bgr[72:144, 80:160].astype(int) - 250).min() > 20


def test_restless_places_are_saved_with_the_scene(tmp_path: Path) -> None:
    background = taught()
    rng = np.random.default_rng(5)
    stillness = Stillness(background.restlessness)
    for look in range(30):
        screen = np.full((90, 160), 100, np.uint8)
        screen[:20, :40] = rng.integers(60, 140, (20, 40))
        stillness.judged(screen, NOBODY, 4.0 * look)
    files = BackgroundFiles(tmp_path)
    files.save("lane-east", background)
    again = files.load("lane-east")
    assert again is not None
    assert again.restlessness.levels[:20, :40].mean() > 40
    assert again.restlessness.levels[30:].max() == background.restlessness.levels[30:].max()


def test_a_file_of_an_earlier_version_is_learnt_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, format=np.array([1, 320, 180]))
    (tmp_path / "lane-east.background").write_bytes(buffer.getvalue())
    assert BackgroundFiles(tmp_path).load("lane-east") is None
    assert "learning anew" in caplog.text


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not really", b"\x00" * 4000])
def test_a_damaged_file_is_learnt_anew_not_a_crash(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "lane-east.background").write_bytes(damage)
    assert BackgroundFiles(tmp_path).load("lane-east") is None


def test_a_truncated_file_is_learnt_anew(tmp_path: Path) -> None:
    files = BackgroundFiles(tmp_path)
    files.save("lane-east", taught())
    path = tmp_path / "lane-east.background"
    path.write_bytes(path.read_bytes()[:-500])
    assert files.load("lane-east") is None

"""The long-term scene: learns what is always there, never what stands, and survives a restart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from xueliang_edge.background import Background, BackgroundFiles

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


def taught(seconds: int = 12, excluded: NDArray[np.float32] = NOBODY) -> Background:
    background = Background(SIZE_WH)
    for second in range(seconds):
        background.learn(street(), excluded, float(second))
    return background


def inside(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    return grid[8:14, 9:15]


def test_nothing_is_known_before_it_was_seen_for_a_while() -> None:
    background = taught(seconds=3)
    assert background.known_share == 0.0
    assert background.change(street()) is None


def test_an_unchanged_street_shows_no_change_and_an_object_shows_where_it_is() -> None:
    background = taught()
    calm = background.change(street())
    assert calm is not None
    assert calm.shape == (18, 32)
    assert calm.max() == 0.0
    changed = background.change(with_box(street()))
    assert changed is not None
    assert inside(changed).min() == 1.0
    assert changed[:, 20:].max() == 0.0


def test_what_stands_for_hours_is_not_absorbed() -> None:
    background = taught()
    for second in range(12, 3 * 3600, 5):
        background.learn(with_box(street()), NOBODY, float(second))
    changed = background.change(with_box(street()))
    assert changed is not None
    assert inside(changed).min() == 1.0


def test_excluded_boxes_stay_unknown_and_say_so() -> None:
    background = taught(excluded=BOX)
    changed = background.change(street())
    assert changed is not None
    assert np.isnan(inside(changed)).all()
    scene = background.scene()
    assert not scene.known[90:130, 90:150].any()
    assert scene.known[:, 200:].all()


def test_slow_dusk_is_followed_and_is_no_change() -> None:
    background = taught()
    for step in range(240):  # twenty minutes to half the light
        now = street(1.0 - 0.5 * step / 240)
        background.learn(now, NOBODY, 12.0 + 5 * step)
        changed = background.change(now)
        assert changed is not None
        assert changed.max() == 0.0, f"step {step}"


def test_a_sudden_global_dimming_is_compensated_and_still_shows_an_object() -> None:
    background = taught()
    dim = street(0.7)
    calm = background.change(dim)
    assert calm is not None
    assert calm.mean() < 0.02
    changed = background.change(with_box(dim, 255))
    assert changed is not None
    assert inside(changed).min() == 1.0


def test_another_picture_altogether_is_unknown_then_learnt_anew() -> None:
    background = taught()
    other = 240 - street()
    assert background.change(other) is None
    for second in range(12, 150, 2):
        background.learn(other, NOBODY, float(second))
    calm = background.change(other)
    assert calm is not None
    assert calm.max() == 0.0


def test_a_passer_by_leaves_no_trace_in_the_scene() -> None:
    background = taught()
    for second in range(12, 60):
        picture = street()
        left = (second * 7) % 280
        picture[60:120, left : left + 20] = 255
        background.learn(picture, NOBODY, float(second))
    difference = np.abs(background.scene().image_bgr.astype(int) - street().astype(int))
    assert difference.max() <= 4


def test_scene_survives_a_restart(tmp_path: Path) -> None:
    files = BackgroundFiles(tmp_path / "background")
    files.save("lane-east", taught(excluded=BOX))
    again = files.load("lane-east")
    assert again is not None
    changed = again.change(with_box(street()))
    assert changed is not None
    assert np.isnan(inside(changed)).all()
    assert np.nanmax(changed[:, 20:]) == 0.0
    mode = next((tmp_path / "background").iterdir()).stat().st_mode & 0o777
    assert mode == 0o600


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

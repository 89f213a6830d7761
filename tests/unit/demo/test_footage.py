"""Footage that two programs make at the same moment is made once, and whole for both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from xueliang_demo.footage import render
from xueliang_demo.scenes import PlazaScene


def _short() -> PlazaScene:
    """One state of four seconds, in small pictures."""
    scene = PlazaScene(size_wh=(160, 90), fps=5)
    scene.durations_s = {"calm": 4.0}
    return scene


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    said: list[str] = []
    scenes = [_short() for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda scene: render(scene, tmp_path / "plaza", said.append), scenes)
    assert len(said) == 1
    assert first.segments == second.segments
    assert all(path.stat().st_size for path in first.segments.values())

"""Clips by recipe, made once and kept in `.run/bench/clips`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from tests.bench.edge_bench.onset_scene import DRAWN_FPS, drawing_sha256, drawn_pictures
from tests.bench.edge_bench.recipes import ENCODINGS, EncodingName, RecordedScene, RenderedScene, Scene, digest
from tests.bench.edge_bench.transcoding import Image, encode, pictures_at, recorded_pictures
from tests.support.fixtures import fixtures_dir
from xueliang_streams.encoding import encode_clip

DRAWN_CRF: Final = 14
CLIPS_DIR: Final = Path(".run/bench/clips")


class ClipsMissing(Exception):
    """The shared recordings are not here; the bench's cameras have nothing to show."""


def clip_path(scene: Scene, encoding: EncodingName) -> Path:
    """Where the clip lies, or will lie. Raises ClipsMissing when its recording is not there."""
    return CLIPS_DIR / f"{scene.name}-{encoding}-{digest(scene, ENCODINGS[encoding], _source_sha256(scene))}.mp4"


def make_clips(wanted: Iterable[tuple[Scene, EncodingName]]) -> dict[tuple[str, EncodingName], Path]:
    """Make what is not there yet, saying so, and return every path by scene name and encoding."""
    paths: dict[tuple[str, EncodingName], Path] = {}
    for scene, encoding in wanted:
        path = paths[scene.name, encoding] = clip_path(scene, encoding)
        if path.exists():
            continue
        CLIPS_DIR.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        count = encode(path, _pictures(scene, ENCODINGS[encoding].fps), ENCODINGS[encoding], seed=len(scene.name))
        mbit_s = path.stat().st_size * 8e-6 * ENCODINGS[encoding].fps / count
        print(
            f"made {scene.name} {encoding}: {count} pictures, {mbit_s:.2f} Mbit/s, {time.monotonic() - began:.0f} s",
            flush=True,
        )
    return paths


def _pictures(scene: Scene, fps: int) -> Iterator[Image]:
    if isinstance(scene, RecordedScene):
        return recorded_pictures(scene, _recording(scene), fps)
    return pictures_at(_drawing(scene), 0.0, fps, round(scene.length_s * fps))


def _drawing(scene: RenderedScene) -> Path:
    """The scene drawn once, hardly compressed, for all its encodings: drawing costs more than coding."""
    path = CLIPS_DIR / f"{scene.name}-drawn-{digest(scene, ENCODINGS['main'], drawing_sha256())}.mp4"
    if not path.exists():
        encode_clip(path, drawn_pictures(scene), DRAWN_FPS, crf=DRAWN_CRF)
    return path


def _recording(scene: RecordedScene) -> Path:
    return fixtures_dir() / "clips" / scene.clip


@cache
def _source_sha256(scene: Scene) -> str:
    if not isinstance(scene, RecordedScene):
        return drawing_sha256()
    path = _recording(scene)
    if not path.exists():
        raise ClipsMissing(f"no shared clip {path}; set XUELIANG_FIXTURES to the folder that holds clips/")
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Days of `suggest_days.py` drawn and seen by the detector, look by look, into observation logs that can be kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.bench.rules_bench.pixel_suite import PixelCamera
from tests.bench.rules_bench.suggest_days import windows_of
from xueliang_edge.observation_log.files import write_segment
from xueliang_edge.observation_log.groups import Group
from xueliang_models.catalogue import open_detector


def run(folder: Path, places: Sequence[int], days: Sequence[int], processes: int | None = None) -> Iterable[str]:
    """Renders what the folder does not have yet, a day at a time; says how far it is."""
    asked = [(seed, day) for day in days for seed in places if not _day_folder(folder, seed, day).exists()]
    pool = ProcessPoolExecutor(processes or os.cpu_count() or 1, mp_context=get_context("spawn"))
    try:
        done = pool.map(partial(render_day, folder), *zip(*asked, strict=True)) if asked else ()
        for number, _ in enumerate(done, 1):
            yield f"suggest: {number} of {len(asked)} days rendered"
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # cut off by a deadline: what has begun ends by itself


def _day_folder(folder: Path, seed: int, day: int) -> Path:
    return folder / str(seed) / f"{day:02}"


def render_day(folder: Path, seed: int, day: int) -> None:
    """One day of a place into a folder of segments, there whole or not at all."""
    made = _day_folder(folder, seed, day).with_suffix(".tmp")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    detector = open_detector("embedded")
    try:
        for number, window in enumerate(windows_of(seed, day)):
            looks = PixelCamera(window.case, detector, window.begins_at).run()
            serial = day * 100 + number + 1
            group = Group(f"run-{serial}")  # between windows nobody knows what stood there
            for sequence, one in enumerate(looks, 1):
                group.add(one, sequence, None)
            write_segment(made, serial, group.segment())
    finally:
        detector.close()
    made.rename(made.with_suffix(""))


def log_of(folder: Path, seed: int, days: Sequence[int]) -> Path:
    """The segments of these days in one folder, as a node has them."""
    log = folder / str(seed) / "log"
    shutil.rmtree(log, ignore_errors=True)
    log.mkdir()
    for day in days:
        for segment in _day_folder(folder, seed, day).iterdir():
            shutil.copy(segment, log / segment.name)
    return log

"""`backtest --suggest` on rendered days: what an operator who takes its first proposal gains and loses afterwards.

Every look is drawn, seen by the detector and judged as in `pixel_suite.py`, and lies in an observation log. Alerts of
the first days are judged by the truth, as operators would; the search finds its proposals on every other one of these
days and checks them on the rest. The first proposal is then taken, and counted on later days, which the search has not
seen: false alarms that are gone, true alerts that are lost.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from tests.bench.rules_bench.judging import camera_of
from tests.bench.rules_bench.pixel_suite import PixelCamera
from tests.bench.rules_bench.suggest_days import (
    FIRST_SEED,
    HELD_OUT_DAYS,
    MIDNIGHT,
    SEARCHED_DAYS,
    Happening,
    Window,
    rule_of,
    windows_of,
)
from xueliang_configs.loading import rule_from
from xueliang_edge.backtest.alerts import WouldBeAlert
from xueliang_edge.backtest.answering import KnownModel
from xueliang_edge.backtest.judgements import Judgement, Verdict
from xueliang_edge.backtest.report import Asked, backtest
from xueliang_edge.backtest.suggesting.searching import suggest
from xueliang_edge.observation_log.files import write_segment
from xueliang_edge.observation_log.groups import Group
from xueliang_edge.observation_log.reading import read_parts
from xueliang_models.catalogue import open_detector

PLACES: Final = (FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 2)  # a lane, a square, another lane
CAMERA: Final = "made-up"
DAYS: Final = SEARCHED_DAYS + HELD_OUT_DAYS
_LATE_S: Final = 10.0  # an alert that is open so shortly after something still is about it


@dataclass(frozen=True, slots=True)
class Suggested:
    """What became of one place.

    Attributes:
        words: the proposal that was taken; "" where there was none.
        searched, checked: false alarms it removes on the days that were searched and checked, and of how many.
        before, after: alerts of the held-out days by cause, with the rule as it was and with the proposal.
        true_before, true_lost: true hazards of the held-out days that were told, and of these those that would not be.
        lost_known: true alerts of the first days that the search itself says would be lost.
        later_s: how much later a true one of the first days is raised at most.
    """

    seed: int
    hazard: str
    words: str
    searched: tuple[int, int]
    checked: tuple[int, int]
    before: dict[str, int]
    after: dict[str, int]
    true_before: int
    true_lost: int
    lost_known: int
    later_s: float

    @property
    def false_before(self) -> int:
        return sum(self.before.values())

    @property
    def false_after(self) -> int:
        return sum(self.after.values())


def run(folder: Path, processes: int | None = None, days: int = DAYS, places: Sequence[int] = PLACES) -> Iterable[str]:
    """Renders what the folder does not have yet, a day at a time; says how far it is."""
    asked = [(seed, day) for day in range(days) for seed in places if not _day_folder(folder, seed, day).exists()]
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


def judge_place(folder: Path, seed: int, searched: int = SEARCHED_DAYS, days: int = DAYS) -> Suggested:
    """Search on the first days, take the first proposal, count on the others. `folder`: has all the days."""
    read = partial(read_parts, _log_of(folder, seed, days), CAMERA)
    held_out = MIDNIGHT + timedelta(days=searched)
    windows = [window for day in range(days) for window in windows_of(seed, day)]
    camera, model = camera_of([rule_of(seed)]), _model()
    asked = Asked(camera, camera.rules[0], model)
    judgements = [_judgement(one, windows) for one in backtest(asked, read(None, held_out)).alerts]
    found = suggest(replace(asked, judgements=judgements), partial(read, None, held_out))
    best = found.proposals[0] if found.proposals else None
    changed = rule_from(asked.draft.model_dump(mode="json") | (best.values if best else {}))
    before, after = (backtest(replace(asked, draft=rule), read(held_out)).alerts for rule in (asked.draft, changed))
    told = [one for one in _true_ones(windows) if any(_is_about(alert, *one) for alert in before)]
    searched_false = len(found.judged.false_tuned)
    return Suggested(
        seed=seed,
        hazard=asked.draft.hazard.value,
        words=best.words if best else "",
        searched=(best.outcome.gone_tuned if best else 0, searched_false),
        checked=(best.outcome.gone_checked if best else 0, len(found.judged.false_alarms) - searched_false),
        before=_false_by_cause(before, windows),
        after=_false_by_cause(after, windows),
        true_before=len(told),
        true_lost=sum(not any(_is_about(alert, *one) for alert in after) for one in told),
        lost_known=len(best.outcome.lost) if best else 0,
        later_s=best.outcome.later_s if best else 0.0,
    )


def _log_of(folder: Path, seed: int, days: int) -> Path:
    """The segments of all days in one folder, as a node has them."""
    log = folder / str(seed) / "log"
    shutil.rmtree(log, ignore_errors=True)
    log.mkdir()
    for day in range(days):
        for segment in _day_folder(folder, seed, day).iterdir():
            shutil.copy(segment, log / segment.name)
    return log


def _model() -> KnownModel:
    detector = open_detector("embedded")
    try:
        return KnownModel(detector.digest, detector.classes)
    finally:
        detector.close()


def _judgement(alert: WouldBeAlert, windows: Sequence[Window]) -> Judgement:
    """As an operator who was there would judge it."""
    is_true = any(_is_about(alert, *one) for one in _true_ones(windows))
    return Judgement(Verdict.TRUE if is_true else Verdict.FALSE, alert.raised_at, None)


def _true_ones(windows: Sequence[Window]) -> list[tuple[Window, Happening]]:
    return [(window, one) for window in windows for one in window.happenings if one.is_true]


def _is_about(alert: WouldBeAlert, window: Window, happening: Happening) -> bool:
    """Raised while it was, or shortly after."""
    raised_s = (alert.raised_at - window.begins_at).total_seconds()
    return happening.span.from_s <= raised_s <= happening.span.until_s + _LATE_S


def _false_by_cause(alerts: Sequence[WouldBeAlert], windows: Sequence[Window]) -> dict[str, int]:
    every = [(window, one) for window in windows for one in window.happenings]
    causes = (next((pair[1] for pair in every if _is_about(alert, *pair)), None) for alert in alerts)
    return dict(Counter("nothing" if one is None else one.cause for one in causes if one is None or not one.is_true))

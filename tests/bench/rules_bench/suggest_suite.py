"""`backtest --suggest` on rendered days: what an operator who takes its first proposal gains and loses afterwards.

The days lie in observation logs (`suggest_rendering.py`). Alerts of the first days are judged by the truth, as an
operator would; the search finds its proposals on every other one of these days and checks them on the rest. The first
proposal is then taken, and counted on later days, which the search has not seen: false alarms that are gone, true
alerts that are lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.rules_bench.judging import camera_of
from tests.bench.rules_bench.suggest_days import (
    FIRST_SEED,
    MIDNIGHT,
    Happening,
    Window,
    rule_of,
    windows_of,
)
from tests.bench.rules_bench.suggest_rendering import log_of
from xueliang_configs.loading import rule_from
from xueliang_edge.backtest.alerts import WouldBeAlert
from xueliang_edge.backtest.answering import KnownModel
from xueliang_edge.backtest.judgements import Judgement, Verdict
from xueliang_edge.backtest.report import Asked, backtest
from xueliang_edge.backtest.suggesting.searching import suggest
from xueliang_edge.observation_log.reading import read_parts
from xueliang_models.catalogue import open_detector

PLACES: Final = (FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 2)  # a lane, a square, a lane where goods are put down
CAMERA: Final = "made-up"
SEARCHED: Final = range(6)
HELD_OUT: Final = range(13, 17)  # not 6 to 9, the week before: the search was mended with those in sight
DAYS: Final = (*SEARCHED, *HELD_OUT)
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


def judge_place(folder: Path, seed: int) -> Suggested:
    """Search on the first days, take the first proposal, count on the others. `folder`: has all the days."""
    read = partial(read_parts, log_of(folder, seed, DAYS), CAMERA)
    held_out = MIDNIGHT + timedelta(days=HELD_OUT.start)
    windows = [window for day in DAYS for window in windows_of(seed, day)]
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

"""Settings that could rid a rule of false alarms, a few steps of each. Pure.

All steps go one way, to fewer alerts. Time is multiplied, since what is short for a fire is not for a parked lorry;
shares and scores are steps of the picture and of the detector's own scale. Further than a step is half its way again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from xueliang_configs.judging import BoxSettings
from xueliang_configs.rules import Rule
from xueliang_edge.backtest.suggesting.changes import Change, ChangeKind

_TIMES: Final[dict[str, tuple[float, ...]]] = {
    "dwell_s": (1.5, 2.0, 3.0),  # more than three times as late is another rule
    "clear_after_s": (2.0, 4.0, 8.0),  # joins alerts that follow each other
    "min_distance": (1.5, 2.0),
    "raise_at_count": (1.25, 1.5, 2.0),
    "offline_after_s": (2.0, 4.0),
    "view_after_s": (2.0, 4.0),
}
_STEPS: Final[dict[str, tuple[float, ...]]] = {
    "min_height": (0.03, 0.06, 0.1, 0.15, 0.2),
    "min_cover": (0.05, 0.1, 0.2),
    "min_changed": (0.1, 0.15, 0.2, 0.3),
    "min_flicker": (0.04, 0.08),
    "cooldown_s": (300.0, 900.0, 1800.0),
}
_SCORES: Final = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)
_LOOKS: Final = ((3, 4), (4, 6), (6, 8))  # needed, of so many
_FURTHER: Final = 1.5  # of the way from what it is to the step


def ladder(rule: Rule, confident_score: float) -> Iterator[Change]:
    """`confident_score`: the highest that a class without a score of its own had to have in these looks."""
    written = rule.model_dump(mode="json")
    for name, factors in _TIMES.items():
        value = written.get(name)
        if value:
            yield from (_setting(name, value, _rounded(value, factor)) for factor in factors)
    for name, steps in _STEPS.items():
        if name in written:
            yield from (_setting(name, written[name], step) for step in steps if step > written[name])
    if written.get("any_object"):
        words = "any_object false, not true: what the detector has no name for counts no more"
        yield Change(ChangeKind.SETTING, "any_object", words, {"any_object": False})
    if "needed_looks" in written:
        yield from _looks(written["needed_looks"], f"{written['needed_looks']} of {written['of_looks']}")
    if isinstance(rule, BoxSettings):
        yield from _scores(rule, confident_score)


def _looks(needed_before: int, before: str) -> Iterator[Change]:
    steps = [step for step in _LOOKS if step[0] > needed_before]
    made = [
        Change(
            ChangeKind.SETTING,
            "looks",
            f"seen in {needed} of {of_looks} looks, not {before}",
            {"needed_looks": needed, "of_looks": of_looks},
        )
        for needed, of_looks in steps
    ]
    yield from (replace(one, further=after) for one, after in zip(made, [*made[1:], None], strict=True))


def _scores(rule: BoxSettings, confident_score: float) -> Iterator[Change]:
    before = {name: rule.min_scores.get(name, confident_score) for name in rule.classes}
    lowest = min(before.values())

    def believed(score: float) -> Change:
        values = {"min_scores": {name: max(score, own) for name, own in before.items()}}
        return Change(ChangeKind.SETTING, "min_scores", f"boxes believed from score {score:g} on", values)

    for score in _SCORES:
        if score > lowest:
            yield replace(believed(score), further=believed(_beyond(lowest, score)))


def _setting(name: str, before: float, value: float) -> Change:
    further = Change(ChangeKind.SETTING, name, f"{name} {_beyond(before, value):g}", {name: _beyond(before, value)})
    return Change(ChangeKind.SETTING, name, f"{name} {value:g}, not {before:g}", {name: value}, further=further)


def _beyond(before: float, value: float) -> float | int:
    beyond = before + _FURTHER * (value - before)
    return math.ceil(beyond) if isinstance(value, int) else round(beyond, 3)


def _rounded(value: float, factor: float) -> float | int:
    if isinstance(value, int):  # a count
        return max(value + 1, round(value * factor))
    return round(value * factor, 2)

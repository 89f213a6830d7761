"""The bench's suggestions on a small version of its rendered days: drawn, detected, logged, searched, held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.rules_bench import suggest_suite
from tests.bench.rules_bench.report import Results, figures_of, suggested_rows
from tests.bench.rules_bench.suggest_days import FIRST_SEED, Window, windows_of

SEARCHED, DAYS = 2, 3


@pytest.fixture
def two_windows_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree's shadow and a car that is parked: a sixth of the bench's looks."""

    def some(seed: int, day: int) -> list[Window]:
        causes = ("tree's shadow", "parked by day")
        return [window for window in windows_of(seed, day) if window.happenings[0].cause in causes]

    monkeypatch.setattr(suggest_suite, "windows_of", some)


@pytest.mark.usefixtures("two_windows_a_day")
def test_a_trees_shadow_goes_on_days_that_no_search_has_seen_and_the_parked_car_stays(tmp_path: Path) -> None:
    for day in range(DAYS):
        suggest_suite.render_day(tmp_path, FIRST_SEED, day)
    found = suggest_suite.judge_place(tmp_path, FIRST_SEED, SEARCHED, DAYS)
    assert found.before == {"tree's shadow": 1}
    assert found.after == {}
    assert (found.true_before, found.true_lost, found.lost_known) == (1, 0, 0)
    assert found.searched == found.checked == (1, 1)
    figures = figures_of(Results(suggested=[found]))
    assert (figures["suggest_false_removed_share"], figures["suggest_true_lost"]) == (1.0, 0.0)
    place = f"fire_lane_obstruction {FIRST_SEED}"
    assert suggested_rows([found]) == [
        (place, "tree's shadow", "1", "0"),
        (place, "all false alarms", "1", "0"),
        (place, "(true alerts)", "1", "1"),
    ]

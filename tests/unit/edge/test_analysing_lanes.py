"""How a rule stood over a recording: what is kept of each look, and where it is drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.edge.observing import CAR, LANE, camera, seen
from xueliang_alerts.contract import Severity
from xueliang_configs.node import NodeConfig
from xueliang_edge.analysing import timeline
from xueliang_edge.analysing.analysis import asked_of
from xueliang_edge.analysing.drawing import HATCH_BGR, PAPER, SEVERITY_BGR, STATE_BGR, clock, cut_to, text_width
from xueliang_edge.analysing.lanes import Lane, RuleState, StateKind, Stretch, figure_of, state_of
from xueliang_edge.analysing.progress import progress_words
from xueliang_edge.analysing.whole_files import WholeFiles
from xueliang_edge.errors import CannotAnalyse
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules.judge import CameraJudge
from xueliang_edge.rules.registry import RULES

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
RULE = {"rule_id": "lane", "hazard": "fire_lane_obstruction", "zone": LANE, "dwell_s": 10, "clear_after_s": 3}
QUIET, UNKNOWN = RuleState(StateKind.QUIET), RuleState(StateKind.UNKNOWN)
OPEN = RuleState(StateKind.OPEN, 12.0, 10.0, Severity.ORANGE)


def states(observations: list[Observation], **rule: Any) -> list[RuleState]:
    """How the rule stood after each look."""
    judge = CameraJudge(camera(RULE | rule))
    (settings,) = judge.camera.rules
    stood = []
    for one in observations:
        judge.look(one)
        stood.append(state_of(settings, judge.episodes["lane"], one.observed_mono_s))
    return stood


def test_a_car_that_comes_stands_and_goes_is_quiet_counting_open_quiet() -> None:
    looks = [seen(s, [CAR] if 3 <= s < 20 else []) for s in range(30)]
    kinds = [one.kind for one in states(looks)]
    assert list(dict.fromkeys(kinds)) == [StateKind.QUIET, StateKind.COUNTING, StateKind.OPEN]
    assert kinds[0] is kinds[2] is kinds[-1] is StateKind.QUIET
    assert StateKind.UNKNOWN not in kinds


def test_counting_says_how_far_it_is() -> None:
    counting = [one for one in states([seen(s, [CAR]) for s in range(9)]) if one.kind is StateKind.COUNTING][-1]
    assert counting.needed_s == 10.0
    assert 5.0 <= counting.counted_s < 10.0
    assert counting.words == f"counting {counting.counted_s:.0f} s of 10 s"


def test_a_look_that_could_not_be_judged_is_unknown_and_an_open_alert_keeps_its_colour() -> None:
    looks = [seen(s, [CAR]) for s in range(20)]
    stood = states([*looks, seen(20, view=ViewState.UNKNOWN)], severity=2)
    assert stood[-2].kind is StateKind.OPEN
    assert (stood[-1].kind, stood[-1].severity) == (StateKind.UNKNOWN, Severity.ORANGE)
    assert states([seen(0, view=ViewState.OFFLINE)])[0] == RuleState(StateKind.UNKNOWN, needed_s=10.0)


def test_outside_its_schedule_a_rule_is_paused() -> None:
    night = {"bands": [{"start": "01:00", "until": "02:00"}]}
    (stood,) = states([seen(0, [CAR])], schedule=night)
    assert (stood.kind, stood.words) == (StateKind.PAUSED, "outside its schedule")


def test_a_lane_joins_equal_looks_and_holds_a_state_no_longer_than_it_may() -> None:
    (rule,) = camera(RULE).rules
    lane = Lane(rule, holds_s=3.0)
    for at_s, state in ((0.0, QUIET), (1.0, QUIET), (2.0, OPEN), (2.0, QUIET), (10.0, QUIET), (11.0, UNKNOWN)):
        lane.add(at_s, state, figure=4.0 if at_s < 2.5 else None)
    lane.finish(12.0)
    assert lane.stretches == [
        Stretch(0.0, 2.0, StateKind.QUIET),
        Stretch(2.0, 5.0, StateKind.OPEN, Severity.ORANGE),
        Stretch(5.0, 10.0, StateKind.UNKNOWN, Severity.ORANGE),  # nothing came: nobody knows
        Stretch(10.0, 11.0, StateKind.QUIET),
        Stretch(11.0, 12.0, StateKind.UNKNOWN),
    ]
    assert lane.figures == [(0.0, 4.0), (5.0, None)]
    assert not lane.is_open


def test_the_figure_of_a_rule_is_what_it_counts_or_the_share_that_changed() -> None:
    def figure(rule: dict[str, Any], observation: Observation) -> float | None:
        (settings,) = camera(rule).rules
        return figure_of(RULES[settings.hazard].measure([observation], settings)[0])

    crowd = {"rule_id": "r", "hazard": "crowd", "zone": LANE, "raise_at_count": 4, "clear_at_count": 2}
    people = [("person", 0.8, (0.2 + 0.1 * n, 0.5, 0.25 + 0.1 * n, 0.8)) for n in range(3)]
    assert figure(crowd, seen(0, people)) == 3.0
    assert figure(RULE, seen(0, [CAR])) == 1.0
    assert figure(RULE, seen(0, view=ViewState.UNKNOWN)) is None
    water = {"rule_id": "r", "hazard": "water_level", "zone": LANE}
    assert figure(water, seen(0, change=np.full((18, 32), 0.25, np.float32))) == pytest.approx(0.25)
    assert figure(water, seen(0)) is None


@pytest.mark.parametrize(
    ("length_s", "ticks"),
    [(53.0, tuple(range(0, 54, 5))), (9.0, tuple(range(10))), (3600.0, tuple(range(0, 3601, 300))), (0.0, (0,))],
)
def test_ticks_are_round_and_leave_room_for_their_labels(length_s: float, ticks: tuple[int, ...]) -> None:
    scale = timeline.Scale(length_s)
    assert scale.ticks_s() == ticks
    columns = [scale.x(one) for one in ticks]
    assert all(after - before >= timeline.TICK_GAP_PX for before, after in pairwise(columns))


def test_moments_become_columns_and_nothing_is_too_short_to_be_seen() -> None:
    scale = timeline.Scale(100.0, left_px=200, right_px=1200)
    assert [scale.x(one) for one in (-5.0, 0.0, 25.0, 100.0, 130.0)] == [200, 200, 450, 1200, 1200]
    assert timeline.columns(Stretch(25.0, 25.001, StateKind.OPEN), scale) == (450, 452)
    assert timeline.apart([10, 20, 36, 40, 70], 26) == [True, False, True, False, True]


def test_a_timeline_has_the_colours_of_what_was() -> None:
    (rule,) = camera(RULE).rules
    lane = Lane(rule, holds_s=10.0)
    for at_s, state in ((0.0, QUIET), (10.0, OPEN), (20.0, UNKNOWN)):
        lane.add(at_s, state, figure=1.0)
    lane.finish(30.0)
    image = timeline.draw([lane], [], 30.0, "东巷 on clip.mp4", "")
    assert image.shape[1] == timeline.WIDTH_PX
    scale = timeline.Scale(30.0)
    bar = image[92 + timeline.CURVE_PX + 14 + timeline.BAR_PX // 2]
    assert tuple(bar[scale.x(5.0)]) == STATE_BGR[StateKind.QUIET]
    assert tuple(bar[scale.x(15.0)]) == SEVERITY_BGR[Severity.ORANGE]
    hatched = bar[scale.x(21.0) : scale.x(29.0)].astype(int)
    assert (np.abs(hatched - HATCH_BGR).max(axis=1) < 30).any()  # lines
    assert tuple(bar[-5]) == PAPER


def test_text_is_cut_to_its_room() -> None:
    assert cut_to("short", 400, 12.0) == "short"
    cut = cut_to("a-rule-id-that-is-far-too-long-for-its-lane", 120, 12.0)
    assert cut.endswith("...")
    assert text_width(cut, 12.0) <= 120
    assert [clock(one) for one in (9.9, 309, 3909)] == ["0:09", "5:09", "1:05:09"]


def test_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    names = ("one", "two", "three")
    (tmp_path / "three").write_text("of an earlier run")
    with WholeFiles(tmp_path, names) as files:
        files.part("one").write_text("not finished")
    assert [path.name for path in tmp_path.iterdir()] == ["three"]
    with WholeFiles(tmp_path, names) as files:
        files.part("one").write_text("new")
        files.part("two")
        files.drop("two")
        assert files.finish() == (tmp_path / "one",)
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600


def test_progress_says_how_far_how_fast_and_what_was_raised() -> None:
    words = "[############............]  50 %  0:30 of 1:00  6.0 x  1 alert"
    assert progress_words(30.0, 60.0, 5.0, 1) == words
    assert progress_words(30.0, None, 5.0, 2) == "0:30  6.0 x  2 alerts"


@pytest.mark.parametrize(
    ("camera_ids", "asked_for", "words"),
    [
        (("a", "b"), None, r"have 2 cameras; say whose rules: --camera ID \(there: a, b\)"),
        (("a", "b"), "c", r'no camera "c" \(there: a, b\)'),
        ((), None, r"0 cameras"),
        (("bare",), None, r"camera bare has no rules to try"),
    ],
    ids=["must_be_named", "unknown", "none", "no_rules"],
)
def test_what_cannot_be_tried_is_refused(camera_ids: tuple[str, ...], asked_for: str | None, words: str) -> None:
    def one(camera_id: str) -> dict[str, Any]:
        rules = [] if camera_id == "bare" else [RULE]
        return {"camera_id": camera_id, "name": camera_id, "url": f"rtsp://{camera_id}.local/1", "rules": rules}

    config = NodeConfig.model_validate(
        {"node": {"node_id": "edge-01", "data_dir": "data"}, "cameras": [one(name) for name in camera_ids]}
    )
    with pytest.raises(CannotAnalyse, match=words):
        asked_of(config, Path("no-such-file.mp4"), asked_for, None, NOW)

"""The bench of rules: what its scenes call true, that seeds give the same again, how alerts and events are matched."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.bench import rules
from tests.bench.rules_bench import page, suggest_days, suggest_suite
from tests.bench.rules_bench.cases import FIRST_SEED, Event, is_blind, joined, watched_s, zone_events
from tests.bench.rules_bench.clips import false_alerts
from tests.bench.rules_bench.counting import Told, f1_of, matched, outcome_of, score_of, wilson
from tests.bench.rules_bench.crowd_cases import Square, counts_of, crowd_case, crowd_events, enough
from tests.bench.rules_bench.judging import told_by_us
from tests.bench.rules_bench.kept import CannotKeep, Kept, made_by
from tests.bench.rules_bench.noise import KindNoise, NoiseModel, found_states
from tests.bench.rules_bench.observing import observations_of
from tests.bench.rules_bench.peers import Anchor, frames_of, told_by_frames
from tests.bench.rules_bench.pixel_cases import pixel_case
from tests.bench.rules_bench.report import Results, failures, figures_of, hazard_rows, rows_of
from tests.bench.rules_bench.scene import Point, Span, Thing, boxes_of, drive, hidden_shares, stay
from tests.bench.rules_bench.standing_cases import standing_case
from tests.bench.rules_bench.suggest_days import windows_of
from tests.bench.rules_bench.suggest_suite import Suggested
from tests.bench.rules_bench.suite import CROWD_SEEDS_FROM, FRAMES, OURS, Judged, case_of, system_of
from tests.bench.rules_bench.supervision_peer import NoSupervision, version_of
from tests.support.recordings import Episode
from xueliang_alerts.contract import Severity
from xueliang_edge.backtest.alerts import WouldBeAlert

PERFECT = KindNoise(1.0, 0.1, 0.8, 0.0, 0.0, 0.0, 0.0, 0.0)
CLEAN = NoiseModel(PERFECT, PERFECT, 0.4, 0.0, 0.0, "none: a detector without faults")


def car(*points: Point) -> Thing:
    return Thing("car", (0.2, 0.1), points)


# What is called true.


def test_a_stand_lasts_from_the_moment_a_thing_is_still_to_the_moment_it_moves() -> None:
    points = [Point(3.0, -0.2, 0.6)]
    drive(points, (0.5, 0.6), 4.0, brakes=True)
    stay(points, 20.0)
    drive(points, (1.2, 0.6), 3.0, starts=True)
    assert car(*points).stands() == [Span(7.0, 27.0)]
    assert car(*points).stands((0.6, 0.0, 1.0, 1.0)) == []


def test_braking_and_starting_slow_down_towards_the_stand() -> None:
    points = [Point(0.0, 0.0, 0.5)]
    drive(points, (1.0, 0.5), 4.0, brakes=True)
    steps = np.diff([point.x for point in points])
    assert (np.diff(steps) < 0).all()
    assert points[-1] == Point(4.0, 1.0, 0.5)


@pytest.mark.parametrize(
    ("stands", "each_alone", "expected"),
    [
        pytest.param([Span(10, 30)], False, (Event(10, 30),), id="long_enough"),
        pytest.param([Span(10, 24)], False, (), id="too_short"),
        pytest.param([Span(10, 22), Span(20, 34)], False, (Event(10, 34),), id="one_takes_the_others_turn_in_a_lane"),
        pytest.param([Span(10, 22), Span(20, 34)], True, (), id="neither_of_two_parks"),
        pytest.param([Span(10, 22), Span(27, 40)], False, (), id="the_lane_was_free_in_between"),
        pytest.param([Span(10, 30), Span(50, 80)], True, (Event(10, 30), Event(50, 80)), id="two_events"),
        pytest.param([Span(10, 60), Span(30, 90)], True, (Event(10, 90),), id="two_at_once_are_one_alert"),
    ],
)
def test_what_stands_long_enough_is_an_event(stands: list[Span], each_alone: bool, expected: tuple[Event, ...]) -> None:
    assert zone_events(stands, 15.0, 5.0, (), each_alone=each_alone) == expected


def test_a_blind_stretch_does_not_count_towards_the_dwell() -> None:
    blind = (Span(12, 20),)
    assert watched_s(Span(10, 30), blind) == 12
    assert zone_events([Span(10, 30)], 15.0, 5.0, blind, each_alone=False) == ()
    assert zone_events([Span(10, 34)], 15.0, 5.0, blind, each_alone=False) == (Event(10, 34),)


def test_spans_close_to_each_other_are_one() -> None:
    assert joined([Span(5, 6), Span(0, 2), Span(2.5, 4)], 1.0) == [Span(0, 6)]
    assert joined([], 1.0) == []


def square_of(raise_at: int, clear_at: int, dwell_s: float = 5.0) -> Square:
    return Square(np.random.default_rng(1), 1.0, dwell_s, 4.0, raise_at, clear_at, 0.2, 0.4, 0.8, 0.9, 0.1, 0.9)


def visitor(enters_s: float, leaves_s: float) -> Thing:
    """Feet cross the left edge of the square at these moments."""
    ways = (Point(enters_s - 1, 0.1, 0.6), Point(enters_s + 1, 0.3, 0.6))
    return Thing("person", (0.04, 0.1), (*ways, Point(leaves_s - 1, 0.3, 0.6), Point(leaves_s + 1, 0.1, 0.6)))


def test_people_are_counted_from_when_their_feet_cross_the_edge() -> None:
    counts = counts_of([visitor(10, 30), visitor(12, 20)], square_of(2, 0))
    assert [(round(t, 6), count) for t, count in counts] == [(0, 0), (10, 1), (12, 2), (20, 1), (30, 0)]


def test_somebody_who_walks_straight_through_is_counted_once_and_taken_off_again() -> None:
    through = Thing("person", (0.04, 0.1), (Point(0, 0.0, 0.6), Point(10, 1.0, 0.6)))
    assert [(round(t, 6), count) for t, count in counts_of([through], square_of(1, 0))] == [(0, 0), (2, 1), (8, 0)]


def test_a_crowd_is_true_from_the_count_on_and_over_at_the_lower_one() -> None:
    people = [visitor(10, 50), visitor(11, 50), visitor(12, 30), visitor(13, 40)]
    assert crowd_events(people, square_of(3, 1)) == (Event(12.0, 50.0),)
    assert crowd_events(people, square_of(3, 2)) == (Event(12.0, 40.0),)
    assert crowd_events(people, square_of(3, 1, dwell_s=40.0)) == ()


def test_enough_people_are_seen_to_be_enough_at_nineteen_looks_of_twenty() -> None:
    assert enough(10, 1.0) == 10
    people = enough(10, 0.85)
    seen = np.random.default_rng(1).binomial(people, 0.85, 20_000)
    assert (seen >= 10).mean() == pytest.approx(0.95, abs=0.04)


# Seeds.


@pytest.mark.parametrize("make", [standing_case, crowd_case], ids=["standing", "crowd"])
def test_a_seed_gives_the_same_scene_and_the_same_looks_again(make: type) -> None:
    first, again, other = make(123_456), make(123_456), make(123_457)
    assert first == again != other
    noise = NoiseModel.read()
    for one, two in zip(observations_of(first, noise), observations_of(again, noise), strict=True):
        assert one.observed_mono_s == two.observed_mono_s
        assert np.array_equal(one.boxes_xyxyn, two.boxes_xyxyn)
        assert np.array_equal(one.track_ids, two.track_ids)
        assert one.class_names == two.class_names


def test_no_seed_is_one_of_those_that_training_and_demo_have() -> None:
    assert FIRST_SEED >= 100_000 <= CROWD_SEEDS_FROM
    assert case_of(FIRST_SEED).hazard != "crowd" == case_of(CROWD_SEEDS_FROM).hazard


def test_every_scene_is_clear_of_what_no_look_could_tell() -> None:
    """Whatever stands in the zone stands for clearly less, or clearly more, than the dwell."""
    for seed in range(FIRST_SEED, FIRST_SEED + 300):
        case = standing_case(seed)
        for event in case.events:
            margin = watched_s(Span(event.onset_s, event.ends_s), case.blind) - case.rule["dwell_s"]
            assert margin >= 2 * case.gap_s, (seed, case.plot, case.disturbance)
        assert all(is_blind(span.from_s, case.blind) for span in case.blind)
        assert case.looks_s[-1] > max((event.ends_s for event in case.events), default=0.0) + case.rule["clear_after_s"]


def test_a_rendered_scene_of_a_seed_is_the_same_again_and_says_what_is_true() -> None:
    one, again, square = pixel_case(300_003), pixel_case(300_003), pixel_case(300_002)
    assert (one.rule, one.looks_s, one.events) == (again.rule, again.looks_s, again.events)
    assert [mover.path for mover in one.movers] == [mover.path for mover in again.movers]
    assert square.hazard == "crowd" != one.hazard
    for case in (one, square):
        (event,) = case.events
        assert event.ends_s - event.onset_s >= case.rule["dwell_s"] + 2 * case.gap_s


# What a detector would see.


def test_without_noise_every_visible_thing_is_found_where_it_is() -> None:
    case = standing_case(100_000)
    times = np.array(case.looks_s)
    boxes = boxes_of(case.things, times)
    hidden = hidden_shares(boxes)
    seen = {one.observed_mono_s: one for one in observations_of(replace(case, id_switch_every_s=None), CLEAN)}
    for look, t in enumerate(case.looks_s):
        if is_blind(t, case.blind):
            continue
        visible = [
            index
            for index, thing in enumerate(case.things)
            if thing.class_name and not np.isnan(boxes[index, look, 0]) and hidden[index, look] < 0.6
        ]
        assert len(seen[t].class_names) == len(visible)


def test_nearer_things_hide_what_stands_behind() -> None:
    boxes = np.array([[[0.2, 0.2, 0.4, 0.5]], [[0.2, 0.35, 0.4, 0.6]], [[0.7, 0.2, 0.8, 0.5]]])
    assert hidden_shares(boxes)[:, 0] == pytest.approx([0.5, 0.0, 0.0])


def test_misses_have_the_measured_share_and_length() -> None:
    kind = replace(PERFECT, found_share=0.9, missed_for_s=1.0)
    states = found_states(np.random.default_rng(1), kind, np.arange(0, 400, 0.1), 40)
    assert states.mean() == pytest.approx(0.9, abs=0.01)
    begins = (states[:, :-1] & ~states[:, 1:]).sum()
    assert (~states).sum() * 0.1 / begins == pytest.approx(1.0, rel=0.1)


def test_the_kept_noise_says_where_it_was_measured() -> None:
    noise = NoiseModel.read()
    assert "measure_noise" in noise.source
    assert noise.vehicles.found_share <= noise.people.found_share
    assert 0.5 < noise.people.sure_share(noise.confident_score) < noise.people.found_share


def test_a_rule_and_a_peer_see_a_plain_stop_and_the_peer_loses_it_when_ids_change() -> None:
    case = standing_case(100_000)
    points = [Point(0.0, 0.5, 0.6), Point(40.0, 0.5, 0.6)]
    zone = [[0.3, 0.4], [0.7, 0.4], [0.7, 0.62], [0.3, 0.62]]
    rule = {"rule_id": "r", "hazard": "illegal_parking", "zone": zone, "dwell_s": 15.0, "clear_after_s": 4.0}
    plain = replace(
        case,
        rule=rule,
        things=(Thing("car", (0.2, 0.15), tuple(points)),),
        looks_s=tuple(float(t) for t in range(40)),
        gap_s=1.0,
        blind=(),
        id_switch_every_s=None,
        vehicles_found=None,
    )
    looks = observations_of(plain, CLEAN)
    assert frames_of(plain) == 15
    assert [round(one.began_s) for one in told_by_us(looks, rule)] == [0]
    assert [round(one.began_s) for one in told_by_frames(looks, plain, Anchor.CENTRE)] == [0]
    switched = observations_of(replace(plain, id_switch_every_s=8.0), CLEAN)
    assert [round(one.began_s) for one in told_by_us(switched, rule)] == [0]
    assert told_by_frames(switched, plain, Anchor.CENTRE) == []


# Counting.


def test_an_alert_is_matched_to_one_event_and_the_nearest() -> None:
    told = [Told(11, 30), Told(12, 40), Told(60, 70)]
    events = [Event(10, 50), Event(45, 90)]
    assert matched(told, events) == [(0, 0)]
    assert matched([Told(55, 70)], events) == [(0, 1)]
    assert matched([Told(55.1, 70)], events) == []
    outcome = outcome_of(told, events, gap_s=1.0, hours=0.5)
    assert (outcome.hits, outcome.false, outcome.missed, outcome.onset_errors_s) == (1, 2, 1, (1,))


def test_a_score_adds_up_cases_and_has_no_share_of_nothing() -> None:
    right = outcome_of([Told(11, 30)], [Event(10, 50)], gap_s=1.0, hours=0.5)
    silent = outcome_of([], [], gap_s=1.0, hours=0.5)
    score = score_of([right, silent, silent])
    assert (score.cases, score.events, score.false, score.hours) == (3, 1, 0, 1.5)
    assert score.precision == score.recall == score.f1 == 1.0
    assert score.onset_p95_s == 1.0
    nothing = score_of([silent])
    assert nothing.precision is nothing.recall is nothing.f1 is nothing.onset_p95_s is None


def test_shares_have_the_intervals_of_the_textbook() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(9, 10) == pytest.approx((0.596, 0.982), abs=0.001)
    assert f1_of(8, 2, 2) == pytest.approx(0.8)
    assert f1_of(0, 0, 0) is None


def test_an_alert_outside_every_window_is_false_and_a_second_one_inside_too() -> None:
    case = {"expect": [{"raised_between_s": [10, 20], "cleared_between_s": None}]}
    assert false_alerts([Episode(0, 15, None)], case) == 0
    assert false_alerts([Episode(0, 15, None), Episode(0, 16, None)], case) == 1
    assert false_alerts([Episode(0, 25, None)], case) == 1


def test_a_peer_is_told_of_with_the_anchor_that_suits_it_better() -> None:
    hit = outcome_of([Told(11, 30)], [Event(10, 50)], gap_s=1.0, hours=0.5)
    missed = outcome_of([], [Event(10, 50)], gap_s=1.0, hours=0.5)
    by = {OURS: hit, system_of(FRAMES, Anchor.CENTRE): missed, system_of(FRAMES, Anchor.FEET): hit}
    one = Judged(1, "crowd", "gathers", "nothing", 1.0, by, {})
    assert figures_of(Results(synthetic=[one]))["baseline_f1_crowd"] == 1.0
    assert [row[1] for row in rows_of("crowd", [one])] == ["ours", "frames per track, feet", "supervision"]


def test_a_box_above_its_zone_has_its_feet_inside_and_its_centre_outside() -> None:
    """A van in a lane seen from above: most of its box lies beyond the lane's far edge."""
    case = replace(
        standing_case(100_000),
        rule={
            "hazard": "illegal_parking",
            "zone": [[0.3, 0.6], [0.7, 0.6], [0.7, 0.7], [0.3, 0.7]],
            "dwell_s": 15.0,
            "clear_after_s": 4.0,
        },
        things=(Thing("car", (0.2, 0.3), (Point(0.0, 0.5, 0.65), Point(40.0, 0.5, 0.65))),),
        looks_s=tuple(float(t) for t in range(40)),
        gap_s=1.0,
        blind=(),
        id_switch_every_s=None,
        vehicles_found=None,
    )
    looks = observations_of(case, CLEAN)
    assert told_by_frames(looks, case, Anchor.CENTRE) == []
    assert len(told_by_frames(looks, case, Anchor.FEET)) == 1


# What is kept.


def test_what_is_kept_comes_back_as_it_was_and_the_later_of_two_counts(tmp_path: Path) -> None:
    outcome = outcome_of([Told(11, 30)], [Event(10, 50)], gap_s=1.0, hours=0.5)
    first = Judged(7, "crowd", "gathers", "nothing", 1.0, {OURS: outcome}, {OURS: (Told(11, 30),)})
    later, other = replace(first, plot="swings"), replace(first, seed=8)
    kept = Kept(tmp_path / "new", "pixels")
    assert kept.read() == {}
    kept.add([first, other])
    kept.add([later])
    assert Kept(tmp_path / "new", "pixels").read() == {7: later, 8: other}
    assert Kept(tmp_path / "new", "synthetic").read() == Kept(None, "pixels").read() == {}


def test_half_a_kept_line_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "pixels.jsonl").write_text('{"seed": 7, "haz')
    with pytest.raises(CannotKeep, match=r"pixels.jsonl: line 1: expected a judged case.*\nhint: .*delete it"):
        Kept(tmp_path, "pixels").read()


def test_other_code_or_another_model_is_another_folder(tmp_path: Path) -> None:
    (tmp_path / "rule.py").write_text("DWELL = 1")
    before = made_by([tmp_path])
    assert made_by([tmp_path]) == before
    (tmp_path / "rule.py").write_text("DWELL = 2")
    assert made_by([tmp_path]) != before
    (tmp_path / "rule.py").write_text("DWELL = 1")
    (tmp_path / "backtest").mkdir()
    (tmp_path / "backtest" / "search.py").write_text("TOGETHER = 4")
    assert made_by([tmp_path]) == before  # it reads logs, at every run anew
    (tmp_path / "model.onnx").write_bytes(b"weights")
    assert made_by([tmp_path]) != before


# Days for suggestions.


@pytest.mark.parametrize("seed", [400_000, 400_001], ids=["lane", "square"])
def test_days_for_suggestions_are_one_place_with_other_times_and_all_causes(seed: int) -> None:
    days = [windows_of(seed, day) for day in (0, 1)]
    zones = [str(window.case.rule["zone"]) for day in days for window in day]
    assert len(set(zones)) == 1
    for day, windows in enumerate(days):
        local = [window.begins_at.astimezone(timezone(timedelta(hours=8))) for window in windows]
        assert {at.date() for at in local} == {date(2026, 11, 23) + timedelta(days=day)}
        assert all(one.ends_at < other.begins_at for one, other in pairwise(windows))
        assert sum(one.is_true for window in windows for one in window.happenings) == 2
    causes = [{one.cause for window in windows for one in window.happenings if not one.is_true} for windows in days]
    assert causes[0] < causes[1]  # what no rule can tell comes every third day
    for window in days[1]:
        (one,) = window.happenings
        assert window.case.rule["dwell_s"] < one.span.length_s < window.case.looks_s[-1]


def test_in_every_second_lane_true_hazards_without_a_name_are_put_down() -> None:
    def causes(seed: int, day: int) -> set[str]:
        return {window.happenings[0].cause for window in windows_of(seed, day)}

    assert [("goods put down" in causes(*place)) for place in ((400_000, 0), (400_002, 0), (400_002, 1))] == [
        False,
        True,
        False,  # that day somebody gets out
    ]
    (window,) = [one for one in windows_of(400_002, 0) if one.case.disturbed.goods]
    (happening,), case = window.happenings, window.case
    empty = np.zeros((360, 640, 3), np.uint8)
    rng = np.random.default_rng(1)
    during, after = (
        case.disturbed.on(empty, at_s, 200.0, rng) for at_s in (happening.span.from_s + 1, happening.span.until_s + 1)
    )
    assert happening.is_true
    assert 0.005 < (during.max(axis=2) > 0).mean() < 0.2
    assert not after.any()


def test_windows_of_a_day_that_would_run_into_each_other_are_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[suggest_days.Window]] = []

    def lane_day(rng: np.random.Generator, seed: int, day: int) -> list[suggest_days.Window]:
        made = original(rng, seed, day)
        drawn.append([replace(made[0], begins_at=made[1].begins_at), *made[1:]] if not drawn else made)
        return drawn[-1]

    original = suggest_days._lane_day
    monkeypatch.setattr(suggest_days, "_lane_day", lane_day)
    windows = windows_of(400_000, 0)
    assert len(drawn) == 2
    assert windows == sorted(drawn[1], key=lambda window: window.begins_at)


def test_an_alert_is_about_what_it_was_raised_in() -> None:
    (window, *_) = windows_of(400_000, 0)
    (happening,) = window.happenings
    for after_s, is_about in ((happening.span.from_s + 61, True), (happening.span.until_s + 30, False)):
        alert = would_be(window.begins_at + timedelta(seconds=after_s))
        assert suggest_suite._is_about(alert, window, happening) is is_about


def would_be(raised_at: datetime) -> WouldBeAlert:
    return WouldBeAlert("r", raised_at, raised_at, raised_at, None, Severity.ORANGE, 1.0, "", None, (), {}, 0)


@pytest.mark.parametrize("text", ["7", "a:b", "9:3", "-1:4"])
def test_a_slice_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected A:B"):
        rules._span(text)


# Reporting.


def test_what_was_not_measured_is_null_and_its_row_says_so() -> None:
    assert set(figures_of(Results()).values()) == {None}
    outcome = outcome_of([Told(11, 30)], [Event(10, 50)], gap_s=1.0, hours=0.5)
    missed = outcome_of([], [Event(10, 50)], gap_s=1.0, hours=0.5)
    by = {OURS: outcome, system_of(FRAMES, Anchor.CENTRE): missed}
    one = Judged(1, "illegal_parking", "stops", "id switches", 1.0, by, {})
    figures = figures_of(Results(synthetic=[one]))
    assert figures["synthetic_f1_standing"] == 1.0
    assert figures["baseline_f1_standing_hiding"] == 0.0
    assert figures["synthetic_f1_crowd"] is figures["pixels_f1_standing"] is None
    rows = hazard_rows([one])
    assert [row[1] for row in rows] == ["ours", "frames per track, centre", "supervision"] * 3
    assert rows[2][-1] == "not measured"
    assert failures([one]) == []


@pytest.mark.parametrize("python", [None, "/nothing/here"], ids=["none_given", "none_there"])
def test_without_supervision_the_reason_is_said(python: str | None) -> None:
    with pytest.raises(NoSupervision, match=r"supervision-python|does not run"):
        version_of(python)


def test_a_part_writes_its_own_section_of_the_page_and_leaves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "PAGE", tmp_path / "quality.md")
    place = Suggested(1, "crowd", "fewer", (2, 3), (1, 2), {"school": 4}, {"school": 1}, 5, 0, 0, 0.0)
    results = Results(suggested=[place])
    page.write_page(results, figures_of(results), "bench --parts suggest", ["suggest"])
    before, _, rest = page.PAGE.read_text().partition(page.MARKS["suggest"][0])
    assert "| crowd 1 | all false alarms | 4 | 1 |" in rest
    assert "0.750, asked for ≥ 0.5: reached" in rest
    assert "Not measured" not in before
    page.write_page(Results(), figures_of(Results()), "bench --parts pixels", ["pixels"])
    assert "Rendered scenes\n\nNot measured" in page.PAGE.read_text()
    assert rest in page.PAGE.read_text()
    page.PAGE.write_text("# Another page\n")
    with pytest.raises(ValueError, match="expected the lines <!-- --parts pixels"):
        page.write_page(results, figures_of(results), "bench", ["pixels"])


@pytest.mark.parametrize(
    ("parts", "expected"), [(rules.PARTS, True), (["pixels", "suggest"], True), (["pixels", "clips"], False)]
)
def test_parts_that_fill_no_section_are_not_written(parts: list[str], expected: bool) -> None:
    assert page.can_write(parts) is expected

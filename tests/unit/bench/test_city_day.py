"""The synthetic day: the same for the same seed, whole; its scores are checked on days made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.bench.city_day.city import City, Site, cut, make_city
from tests.bench.city_day.folded import Folding, Incident
from tests.bench.city_day.grouping_baseline import GROUP_INTERVAL_S, GROUP_WAIT_S, grouped
from tests.bench.city_day.raw_alerts import RawAlert, raw_alerts
from tests.bench.city_day.scoring import scored
from tests.bench.city_day.seats import Limit, seated
from tests.bench.city_day.truth import DAY_S, TrueHazard, true_hazards
from xueliang_central.incidents.folding import FoldingRule
from xueliang_central.incidents.seating import SeatingRule
from xueliang_central.incidents.shedding import SheddingRule, is_collective

SMALL = 1_500


@pytest.fixture(scope="module")
def city() -> City:
    return make_city(seed=5, cameras=SMALL)


def test_the_same_seed_gives_the_same_day_and_another_seed_another(city: City) -> None:
    again = make_city(seed=5, cameras=SMALL)
    assert again.sites == city.sites
    assert np.array_equal(again.longitude, city.longitude)
    hazards = true_hazards(city, 5)
    assert true_hazards(again, 5) == hazards
    assert true_hazards(city, 6) != hazards
    assert raw_alerts(city, hazards, 5) == raw_alerts(again, hazards, 5)


def test_rectangles_are_cut_without_gap_or_overlap() -> None:
    for parts in range(1, 30):
        found = cut((0.0, 0.0, 2.0, 1.0), parts)
        assert len(found) == parts
        assert sum((east - west) * (north - south) for west, south, east, north in found) == pytest.approx(2.0)


def test_every_camera_lies_near_its_grid_and_no_node_crosses_a_township(city: City) -> None:
    for camera in range(SMALL):
        west, south, east, north = city.grid_boxes[int(city.grid_of[camera])]
        assert west - 0.002 < city.longitude[camera] < east + 0.002
        assert south - 0.002 < city.latitude[camera] < north + 0.002
    townships = {
        int(node): {city.area_code(int(c))[:9] for c in np.flatnonzero(city.node_of == node)} for node in city.node_of
    }
    assert all(len(one) == 1 for one in townships.values())
    assert np.bincount(city.node_of).max() <= 16


def test_every_true_hazard_is_reported_and_the_total_is_what_was_asked_for(city: City) -> None:
    hazards = true_hazards(city, 5)
    alerts, permitted = raw_alerts(city, hazards, 5)
    assert {one.true_hazard for one in alerts if one.cause == "true"} == {one.number for one in hazards}
    assert not {one.number for one in permitted} & {one.number for one in hazards}
    assert len(alerts) == pytest.approx(90_000 * SMALL / 30_000, rel=0.02)
    for alert in alerts:
        assert alert.began_s < alert.raised_s < alert.ended_s < DAY_S
        assert alert.raised_s <= alert.received_s <= alert.told_end_s
    assert [one.received_s for one in alerts] == sorted(one.received_s for one in alerts)


def two_sites() -> City:
    """Two sites 20 m apart in one grid, a camera each, and a third far away."""
    sites = tuple(Site(number, 0, "street", (number,)) for number in range(3))
    return City(
        grid_codes=("990101001001001",),
        grid_boxes=((100.0, 30.0, 100.01, 30.01),),
        sites=sites,
        longitude=np.array([100.005, 100.0052, 100.009]),
        latitude=np.array([30.005, 30.005, 30.005]),
        site_of=np.arange(3),
        grid_of=np.zeros(3, np.int64),
        node_of=np.zeros(3, np.int64),
    )


def alert(camera: int, began_s: float, ended_s: float, hazard: int | None = None, late_s: float = 1.0) -> RawAlert:
    raised_s = began_s + 10
    told_end_s = max(ended_s, raised_s) + late_s
    return RawAlert(camera, "crowd", 3, began_s, raised_s, ended_s, raised_s + late_s, told_end_s, "made", hazard)


def there(number: int, site: int, begins_s: float, ends_s: float) -> TrueHazard:
    return TrueHazard(number, site, "crowd", 3, begins_s, ends_s, 0.0)


def test_two_hazards_in_one_incident_at_once_are_told_as_merged_away() -> None:
    city, hazards = two_sites(), [there(0, 0, 100, 900), there(1, 1, 200, 900)]
    alerts = [alert(0, 100, 900, 0), alert(1, 200, 900, 1)]
    score = scored(city, hazards, alerts, Folding(city, alerts, {}).run())
    assert (score.incidents, score.asked, score.merged_away, score.hidden) == (1, 1, 1, 0)
    far = [alert(0, 100, 900, 0), alert(2, 200, 900, 1)]
    score = scored(city, [hazards[0], there(1, 2, 200, 900)], far, Folding(city, far, {}).run())
    assert (score.incidents, score.merged_away) == (2, 0)


def test_what_is_told_when_it_is_over_asks_nobody_and_hides_nothing() -> None:
    city, hazards = two_sites(), [there(0, 0, 100, 900)]
    alerts = [alert(0, 100, 900, 0, late_s=5_000)]
    alerts = [RawAlert(0, "crowd", 3, 100, 110, 900, 5_110, 5_110, "made", 0)]
    score = scored(city, hazards, alerts, Folding(city, alerts, {}).run())
    assert (score.incidents, score.asked, score.hidden) == (1, 0, 0)


def test_a_flap_within_the_reopen_window_asks_again_and_a_night_seat_counts_it() -> None:
    alerts = [alert(0, begin, begin + 60) for begin in (3_600.0, 3_700.0, 3_800.0)]
    score = scored(two_sites(), [], alerts, Folding(two_sites(), alerts, {}).run())
    assert (score.incidents, score.asked, score.seat_10_min_max) == (1, 3, 2)  # two seats take turns


def test_a_loaded_county_asks_once_for_what_flickers_and_lets_go_what_stays() -> None:
    """Two far places flicker in turn; then one of them stays for longer than its limit."""
    flickering = [alert(place, begin, begin + 60) for begin in (3_600.0, 4_200.0, 4_800.0) for place in (0, 2)]
    alerts = [*flickering, alert(0, 5_400.0, 7_200.0, 0)]
    hazards = [there(0, 0, 5_400.0, 7_200.0)]
    rules = {"crowd": FoldingRule(confirm_s=300.0, places_at_once=4)}
    loaded = Folding(two_sites(), alerts, rules, SheddingRule(above_per_hour=0.5, quiet_s=14_400.0)).run()
    calm = Folding(two_sites(), alerts, rules, SheddingRule()).run()
    score = scored(two_sites(), hazards, alerts, loaded)
    assert (score.hidden, score.merged_away) == (0, 0)
    assert score.asked < scored(two_sites(), hazards, alerts, calm).asked
    assert [one.place_key for one in loaded if is_collective(one.place_key)]
    (alone,) = [one for one in loaded if not is_collective(one.place_key)]
    assert alone.members == [len(alerts) - 1]


def test_a_node_that_fails_asks_a_few_times_and_its_laggard_once_more() -> None:
    """Sixteen cameras within seconds, three times; afterwards one of them stays away."""
    city = one_node(16)
    outages = [
        replace(alert(camera, begin + camera / 10, begin + 400), hazard="camera_fault", severity=4, is_offline=True)
        for begin in (3_600.0, 4_300.0, 5_000.0)
        for camera in range(16)
    ]
    stays = replace(outages[-1], ended_s=9_000.0, told_end_s=9_001.0)
    alerts = sorted([*outages[:-1], stays], key=lambda one: one.received_s)
    rules = {"camera_fault": FoldingRule(settle_s=300.0, node_cameras=4)}
    folded = Folding(city, alerts, rules).run()
    assert scored(city, [], alerts, folded).asked == 5  # three cameras, their node, the one that stayed away
    of_node = next(one for one in folded if is_collective(one.place_key))
    assert len(of_node.members) == len(alerts) - 1
    every_one = scored(city, [], alerts, Folding(city, alerts, {"camera_fault": FoldingRule(node_cameras=0)}).run())
    assert every_one.asked > 16


def test_what_the_policy_sends_at_once_waits_for_no_seat() -> None:
    alerts = [alert(0, begin, begin + 60) for begin in (3_600.0, 3_700.0, 3_800.0)]
    incidents = Folding(two_sites(), alerts, {}).run()
    score = scored(two_sites(), [], alerts, incidents, is_sent=lambda one: one.hazard == "crowd")
    assert (score.seat_10_min_max, score.judged_10_min_max) == (2, 0)


def _seen(number: int, severity: int = 3, at_s: float = 3_600.0, lasts_s: float = 1_000.0) -> Incident:
    return Incident(
        number=number,
        area_code="990101001001001",
        hazard="crowd",
        place_key=f"cam-{number:05d}",
        longitude=None,
        latitude=None,
        began_s=at_s,
        severity=severity,
        last_observed_s=at_s,
        asked_s=[at_s],
        open_spans_s=[(at_s, at_s + lasts_s)],
    )


def test_the_nights_seats_get_rows_and_judge_them_in_time_or_are_told_to_be_late() -> None:
    alike = [_seen(number, at_s=3_600.0 + number) for number in range(5)]
    in_time = seated(alike, lambda _: Limit(300.0, is_sent=False), SeatingRule())
    # Two people take the first two at once; what comes while both look is one row.
    assert (in_time.rows, in_time.incidents, in_time.past_limit, in_time.waited) == (3, 5, 0, 0)
    assert in_time.ten_min_max == 2
    late = seated(alike, lambda _: Limit(20.0, is_sent=False), SeatingRule())
    assert late.past_limit == 5
    gone = seated([_seen(0, lasts_s=10.0)], lambda _: Limit(20.0, is_sent=False), SeatingRule())
    assert gone.past_limit == 0
    sent = seated(alike, lambda _: Limit(20.0, is_sent=True), SeatingRule())
    assert (sent.rows, sent.sent_rows, sent.past_limit) == (1, 1, 0)


def test_what_waits_is_shown_later_and_hides_a_hazard_that_is_over_by_then() -> None:
    rule = SeatingRule(rows=1, hold_s=200.0, gathers_s=0.001)
    incidents = [_seen(number, at_s=3_600.0 + number) for number in range(4)]
    for one in incidents:
        one.members = [one.number]
    seats = seated(incidents, lambda _: Limit(400.0, is_sent=False), rule)
    assert (seats.waited, round(seats.longest_wait_s)) == (2, 200)
    alerts = [alert(0, 3_590.0 + number, 3_700.0, number) for number in range(4)]
    short = [there(number, number % 3, 3_590.0, 3_700.0) for number in range(4)]
    assert scored(two_sites(), short, alerts, incidents, seats=seats).hidden == 2
    assert scored(two_sites(), short, alerts, incidents).hidden == 0


def one_node(cameras: int) -> City:
    """So many sites of one camera each, a kilometre apart, on one node."""
    return City(
        grid_codes=("990101001001001",),
        grid_boxes=((100.0, 30.0, 101.0, 30.01),),
        sites=tuple(Site(number, 0, "street", (number,)) for number in range(cameras)),
        longitude=100.0 + np.arange(cameras) / 100,
        latitude=np.full(cameras, 30.005),
        site_of=np.arange(cameras),
        grid_of=np.zeros(cameras, np.int64),
        node_of=np.zeros(cameras, np.int64),
    )


def test_the_baseline_tells_after_its_wait_and_then_at_most_every_interval() -> None:
    alerts = [alert(0, 0, 4_000), alert(2, 20, 4_000), alert(2, 1_000, 1_050)]
    (group,) = grouped(two_sites(), alerts)
    first_s = alerts[0].received_s + GROUP_WAIT_S
    assert group.told_s[0] == first_s
    assert all((told_s - first_s) % GROUP_INTERVAL_S == 0 for told_s in group.told_s)
    # The two at the begin in one; what came at about 1,000 s; its end in the same; the end of the others.
    assert len(group.told_s) == 3

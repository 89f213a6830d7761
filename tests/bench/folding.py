"""How many times a synthetic day of a city asks its operators, with the centre's folding and with a common one.

The day, its true hazards and its false sources: `city_day/`. Rules are those of `configs/examples/policies.yaml`. By
night the queues of desks without anybody have risen to two seats in each county (`city_day/seats.py`), which judge what
the centre puts before them; by day nobody takes part, so that nothing closes but by its own end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.city_day.city import CAMERAS, City, make_city
from tests.bench.city_day.folded import Folding, Incident, at
from tests.bench.city_day.grouping_baseline import grouped
from tests.bench.city_day.raw_alerts import RawAlert, raw_alerts
from tests.bench.city_day.scoring import Score, scored
from tests.bench.city_day.seats import Limit, Seated, seated
from tests.bench.city_day.truth import TrueHazard, true_hazards
from tests.bench.figures import Figures
from xueliang_central.clocks.limits import choose, rows_of
from xueliang_central.incidents.change import folding_of
from xueliang_central.incidents.seating import SeatingRule, seating_of
from xueliang_central.incidents.shedding import SheddingRule, is_collective
from xueliang_configs.loading import load_policies
from xueliang_configs.policies import PolicyTable
from xueliang_configs.values import AreaLevel, PlaceClass

SEED: Final = 1  # the policy was tuned on it
OTHER_SEEDS: Final = (2, 3, 4)  # what seats are given was tuned on 1 and 2; 3 and 4 were never tuned on
QUICK_CAMERAS: Final = 3_000
OF_SEED: Final = (
    "fold_ratio",
    "hazards_hidden",
    "hazards_merged_away",
    "seat_hour_p50",
    "seat_10_min_max",
    "waited_past_limit",
    "baseline_groups_ratio",
    "baseline_told_ratio",
)
POLICIES: Final = Path(__file__).parents[2] / "configs" / "examples" / "policies.yaml"

KEYS = (
    "raw_alerts_count",
    "true_hazards_count",
    "fold_ratio",
    "hazards_hidden",
    "hazards_merged_away",
    "hazards_in_false_company",
    "seat_hour_p50",
    "seat_10_min_max",
    "waited_past_limit",
    "seat_rows_count",
    "seat_sent_rows_count",
    "seat_incidents_count",
    "seat_held_back_count",
    "seat_held_back_max_s",
    "seat_incidents_hour_p50",
    "seat_incidents_10_min_max",
    "seat_judged_incidents_hour_p50",
    "seat_judged_incidents_10_min_max",
    "baseline_groups_ratio",
    "baseline_told_ratio",
    *(f"seed_{seed}_{name}" for seed in OTHER_SEEDS for name in OF_SEED),
)


@dataclass(frozen=True, slots=True)
class Day:
    """One seed's day."""

    city: City
    hazards: Sequence[TrueHazard]
    alerts: Sequence[RawAlert]
    score: Score
    seats: Seated


def measure(is_quick: bool, figures: Figures) -> None:
    """Fill in all keys; quick: one seed, a city of a tenth of the size, which sheds at a tenth of the alerts.

    Its ratio is far lower: it has as many counties, and a collective incident stands for a tenth of the alerts.
    """
    cameras = QUICK_CAMERAS if is_quick else CAMERAS
    day = folded_day(SEED, cameras)
    figures |= _of_seed(day) | {
        "raw_alerts_count": len(day.alerts),
        "true_hazards_count": len(day.hazards),
        "hazards_in_false_company": day.score.in_false_company,
        "seat_rows_count": day.seats.rows,
        "seat_sent_rows_count": day.seats.sent_rows,
        "seat_incidents_count": day.seats.incidents,
        "seat_held_back_count": day.seats.waited,
        "seat_held_back_max_s": day.seats.longest_wait_s,
        "seat_incidents_hour_p50": day.score.seat_hour_p50,
        "seat_incidents_10_min_max": day.score.seat_10_min_max,
        "seat_judged_incidents_hour_p50": day.score.judged_hour_p50,
        "seat_judged_incidents_10_min_max": day.score.judged_10_min_max,
    }
    if is_quick:
        return
    for seed in OTHER_SEEDS:
        figures |= {f"seed_{seed}_{name}": value for name, value in _of_seed(folded_day(seed, cameras)).items()}


def _of_seed(day: Day) -> dict[str, float]:
    """`OF_SEED`."""
    groups = grouped(day.city, day.alerts)
    return {
        "fold_ratio": day.score.ratio,
        "hazards_hidden": day.score.hidden,
        "hazards_merged_away": day.score.merged_away,
        "seat_hour_p50": day.seats.hour_p50,
        "seat_10_min_max": day.seats.ten_min_max,
        "waited_past_limit": day.seats.past_limit,
        "baseline_groups_ratio": len(day.alerts) / len(groups),
        "baseline_told_ratio": len(day.alerts) / sum(len(group.told_s) for group in groups),
    }


def folded_day(seed: int, cameras: int = CAMERAS) -> Day:
    """The day of a seed, folded by the rules of `POLICIES` and scored."""
    city = make_city(seed, cameras)
    table = load_policies(POLICIES)
    limit = table.shedding.above_per_hour
    shedding = SheddingRule(limit and limit * cameras / CAMERAS, table.shedding.quiet_s)
    hazards = true_hazards(city, seed)
    alerts, _ = raw_alerts(city, hazards, seed)
    incidents = Folding(city, alerts, folding_of(table), shedding).run()
    limit_of = _limits(table, city)
    seats = seated(incidents, limit_of, seating_of(table) or SeatingRule())
    score = scored(city, hazards, alerts, incidents, lambda one: limit_of(one).is_sent, seats)
    return Day(city, hazards, alerts, score, seats)


def _limits(table: PolicyTable, city: City) -> Callable[[Incident], Limit]:
    """What the table says of an incident; a collective one is of the county and is never dispatched at once."""
    classes = {city.camera_id(n): site.place_class for site in city.sites for n in site.cameras}
    rows = rows_of(table)

    def limit_of(incident: Incident) -> Limit:
        if is_collective(incident.place_key):
            place_class, level = PlaceClass.OTHER, AreaLevel.COUNTY
        else:
            place_class, level = PlaceClass(classes[incident.place_key]), AreaLevel.GRID
        limits = choose(rows, incident.hazard, incident.severity, place_class.value, level.value, at(incident.began_s))
        return Limit(limits.judge_s, limits.auto_dispatch and level is AreaLevel.GRID)

    return limit_of

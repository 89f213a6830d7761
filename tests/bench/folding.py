"""How many times a synthetic day of a city asks its operators, with the centre's folding and with a common one.

The day, its true hazards and its false sources: `city_day/`. Rules are those of `configs/examples/policies.yaml`; no
operator takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.city_day.city import CAMERAS, City, make_city
from tests.bench.city_day.folded import Folding, Incident
from tests.bench.city_day.grouping_baseline import grouped
from tests.bench.city_day.raw_alerts import RawAlert, raw_alerts
from tests.bench.city_day.scoring import Score, scored
from tests.bench.city_day.truth import TrueHazard, true_hazards
from tests.bench.figures import Figures
from xueliang_alerts.contract import Hazard, Severity
from xueliang_central.incidents.change import folding_of
from xueliang_central.incidents.shedding import SheddingRule, is_collective
from xueliang_configs.loading import load_policies
from xueliang_configs.policies import PolicyTable
from xueliang_configs.values import AreaLevel, PlaceClass

SEED: Final = 1  # the policy was tuned on it
OTHER_SEEDS: Final = (2, 3, 4)  # looked at only after a change, never tuned on
QUICK_CAMERAS: Final = 3_000
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
    "seat_judged_hour_p50",
    "seat_judged_10_min_max",
    "baseline_groups_ratio",
    "baseline_told_ratio",
    "other_seeds_fold_ratio_min",
    "other_seeds_hidden_max",
    "other_seeds_merged_away_max",
    "other_seeds_seat_hour_p50_max",
    "other_seeds_seat_10_min_max",
)


@dataclass(frozen=True, slots=True)
class Day:
    """One seed's day."""

    city: City
    hazards: Sequence[TrueHazard]
    alerts: Sequence[RawAlert]
    score: Score


def measure(is_quick: bool, figures: Figures) -> None:
    """Fill in all keys; quick: one seed, a city of a tenth of the size, which sheds at a tenth of the alerts.

    Its ratio is far lower: it has as many counties, and a collective incident stands for a tenth of the alerts.
    """
    cameras = QUICK_CAMERAS if is_quick else CAMERAS
    day = folded_day(SEED, cameras)
    groups = grouped(day.city, day.alerts)
    figures |= {
        "raw_alerts_count": len(day.alerts),
        "true_hazards_count": len(day.hazards),
        "fold_ratio": day.score.ratio,
        "hazards_hidden": day.score.hidden,
        "hazards_merged_away": day.score.merged_away,
        "hazards_in_false_company": day.score.in_false_company,
        "seat_hour_p50": day.score.seat_hour_p50,
        "seat_10_min_max": day.score.seat_10_min_max,
        "seat_judged_hour_p50": day.score.judged_hour_p50,
        "seat_judged_10_min_max": day.score.judged_10_min_max,
        "baseline_groups_ratio": len(day.alerts) / len(groups),
        "baseline_told_ratio": len(day.alerts) / sum(len(group.told_s) for group in groups),
    }
    if is_quick:
        return
    others = [folded_day(seed, cameras).score for seed in OTHER_SEEDS]
    figures |= {
        "other_seeds_fold_ratio_min": min(one.ratio for one in others),
        "other_seeds_hidden_max": max(one.hidden for one in others),
        "other_seeds_merged_away_max": max(one.merged_away for one in others),
        "other_seeds_seat_hour_p50_max": max(one.seat_hour_p50 for one in others),
        "other_seeds_seat_10_min_max": max(one.seat_10_min_max for one in others),
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
    return Day(city, hazards, alerts, scored(city, hazards, alerts, incidents, _sent_by(table, city)))


def _sent_by(table: PolicyTable, city: City) -> Callable[[Incident], bool]:
    """True for an incident of a camera that its row of the table dispatches at once."""
    classes = {city.camera_id(n): site.place_class for site in city.sites for n in site.cameras}

    def is_sent(incident: Incident) -> bool:
        if is_collective(incident.place_key):
            return False
        place_class = PlaceClass(classes[incident.place_key])
        row = table.policy_for(Hazard(incident.hazard), Severity(incident.severity), place_class, AreaLevel.GRID)
        return row.auto_dispatch

    return is_sent

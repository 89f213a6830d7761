"""How many times a synthetic day of a city asks its operators, with the centre's folding and with a common one.

The day, its true hazards and its false sources: `city_day/`. Rules are the defaults; no operator takes part.
"""

from __future__ import annotations

from tests.bench.city_day.city import CAMERAS, make_city
from tests.bench.city_day.folded import Folding
from tests.bench.city_day.grouping_baseline import grouped
from tests.bench.city_day.raw_alerts import raw_alerts
from tests.bench.city_day.scoring import scored
from tests.bench.city_day.truth import true_hazards
from tests.bench.figures import Figures

SEED = 1
QUICK_CAMERAS = 3_000

KEYS = (
    "raw_alerts_count",
    "true_hazards_count",
    "fold_ratio",
    "hazards_hidden",
    "hazards_merged_away",
    "hazards_in_false_company",
    "seat_hour_p50",
    "seat_10_min_max",
    "baseline_groups_ratio",
    "baseline_told_ratio",
)


def measure(is_quick: bool, figures: Figures) -> None:
    """Fill in all keys; quick: a city of a tenth of the size."""
    city = make_city(SEED, QUICK_CAMERAS if is_quick else CAMERAS)
    hazards = true_hazards(city, SEED)
    alerts, _ = raw_alerts(city, hazards, SEED)
    score = scored(city, hazards, alerts, Folding(city, alerts, {}).run())
    groups = grouped(city, alerts)
    figures |= {
        "raw_alerts_count": len(alerts),
        "true_hazards_count": len(hazards),
        "fold_ratio": score.ratio,
        "hazards_hidden": score.hidden,
        "hazards_merged_away": score.merged_away,
        "hazards_in_false_company": score.in_false_company,
        "seat_hour_p50": score.seat_hour_p50,
        "seat_10_min_max": score.seat_10_min_max,
        "baseline_groups_ratio": len(alerts) / len(groups),
        "baseline_told_ratio": len(alerts) / sum(len(group.told_s) for group in groups),
    }

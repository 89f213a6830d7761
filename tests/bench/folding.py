"""How many times a synthetic day of a city asks its operators, with the centre's folding and with a common one.

The day, its true hazards and its false sources: `city_day/`. Rules are those of `configs/examples/policies.yaml`; no
operator takes part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.bench.city_day.city import CAMERAS, make_city
from tests.bench.city_day.folded import Folding
from tests.bench.city_day.grouping_baseline import grouped
from tests.bench.city_day.raw_alerts import raw_alerts
from tests.bench.city_day.scoring import scored
from tests.bench.city_day.truth import true_hazards
from tests.bench.figures import Figures
from xueliang_central.incidents.change import folding_of
from xueliang_central.incidents.shedding import SheddingRule
from xueliang_configs.loading import load_policies

SEED = 1
QUICK_CAMERAS = 3_000
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
    "baseline_groups_ratio",
    "baseline_told_ratio",
)


def measure(is_quick: bool, figures: Figures) -> None:
    """Fill in all keys; quick: a city of a tenth of the size, which sheds at a tenth of the alerts.

    Its ratio is far lower: it has as many counties, and a collective incident stands for a tenth of the alerts.
    """
    cameras = QUICK_CAMERAS if is_quick else CAMERAS
    city = make_city(SEED, cameras)
    table = load_policies(POLICIES)
    limit = table.shedding.above_per_hour
    shedding = SheddingRule(limit and limit * cameras / CAMERAS, table.shedding.quiet_s)
    hazards = true_hazards(city, SEED)
    alerts, _ = raw_alerts(city, hazards, SEED)
    score = scored(city, hazards, alerts, Folding(city, alerts, folding_of(table), shedding).run())
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

"""How well a day was folded: how few times people were asked, and whether every true hazard was among what they saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tests.bench.city_day.city import City
from tests.bench.city_day.folded import Incident
from tests.bench.city_day.raw_alerts import RawAlert
from tests.bench.city_day.seats import (
    NIGHT_FROM_S,
    NIGHT_SEATS_OF_COUNTY,
    NIGHT_UNTIL_S,
    TEN_MINUTES_S,
    Seated,
    most_within,
)
from tests.bench.city_day.truth import DAY_S, TrueHazard

AT_ONCE: Final[Mapping[tuple[int, float], float]] = {}  # nothing waits before it is shown


@dataclass(frozen=True, slots=True)
class Score:
    """Of one day.

    Attributes:
        alerts, incidents: how many. asked: times an operator was asked (openings and reopenings).
        ratio: alerts for each time somebody was asked.
        hidden: true hazards that no incident showed to anybody while they were there.
        merged_away: true hazards whose every incident stood for another true hazard of another site at that time.
        in_false_company: true hazards that only joined incidents a false alert had opened; they are seen, late.
        seat_hour_p50: asked an hour and seat at night, median over seats and hours, each incident for itself.
            seat_10_min_max: most in any ten minutes of a seat.
        judged_hour_p50, judged_10_min_max: the same without what the policy sends to the grid's worker at once: it is
            new on the seat's list and waits for nobody's judgement there.
    """

    alerts: int
    incidents: int
    asked: int
    ratio: float
    hidden: int
    merged_away: int
    in_false_company: int
    seat_hour_p50: float
    seat_10_min_max: int
    judged_hour_p50: float
    judged_10_min_max: int


def scored(
    city: City,
    hazards: Sequence[TrueHazard],
    alerts: Sequence[RawAlert],
    incidents: Sequence[Incident],
    is_sent: Callable[[Incident], bool] = lambda _: False,
    seats: Seated | None = None,
) -> Score:
    """The figures of a day that was folded by our own rules.

    Args:
        is_sent: an incident the policy dispatches at once.
        seats: what came before whom when; None: everything is shown when it opens.
    """
    asked = sum(len(one.asked_s) for one in incidents)
    hour_p50, most = _seats(city, incidents)
    judged_hour_p50, judged_most = _seats(city, [one for one in incidents if not is_sent(one)])
    found = _true_hazards(hazards, alerts, incidents, AT_ONCE if seats is None else seats.shown_s)
    return Score(
        alerts=len(alerts),
        incidents=len(incidents),
        asked=asked,
        ratio=len(alerts) / max(1, asked),
        hidden=found["hidden"],
        merged_away=found["merged_away"],
        in_false_company=found["in_false_company"],
        seat_hour_p50=hour_p50,
        seat_10_min_max=most,
        judged_hour_p50=judged_hour_p50,
        judged_10_min_max=judged_most,
    )


def _true_hazards(
    hazards: Sequence[TrueHazard],
    alerts: Sequence[RawAlert],
    incidents: Sequence[Incident],
    shown_s: Mapping[tuple[int, float], float],
) -> Counter[str]:
    by_hazard: dict[int, list[Incident]] = {}
    for incident in incidents:
        for number in {alerts[member].true_hazard for member in incident.members} - {None}:
            by_hazard.setdefault(int(number or 0), []).append(incident)
    known = {one.number: one for one in hazards}
    found: Counter[str] = Counter()
    for hazard in hazards:
        mine = by_hazard.get(hazard.number, [])
        shown = [one for one in mine if _is_shown_during(one, hazard, shown_s)]
        if not shown:
            # A node that was cut off tells of it when it is over: that is recorded, and nobody could have gone.
            was_known = any(
                alerts[m].true_hazard == hazard.number and alerts[m].received_s < hazard.ends_s - 60
                for one in mine
                for m in one.members
            )
            found["hidden"] += was_known
            continue
        found["merged_away"] += all(_stands_for_another(one, hazard, alerts, known) for one in shown)
        found["in_false_company"] += all(alerts[one.members[0]].true_hazard is None for one in shown)
    return found


def _is_shown_during(incident: Incident, hazard: TrueHazard, shown_s: Mapping[tuple[int, float], float]) -> bool:
    return any(
        shown_s.get((incident.number, begin), begin) < hazard.ends_s + 60 and end > hazard.begins_s
        for begin, end in incident.open_spans_s
    )


def _stands_for_another(
    incident: Incident, hazard: TrueHazard, alerts: Sequence[RawAlert], known: dict[int, TrueHazard]
) -> bool:
    """An earlier true hazard of another site is there at the same time and has the same incident."""
    numbers = {alerts[member].true_hazard for member in incident.members} - {None, hazard.number}
    others = [known[number] for number in numbers if number is not None and number in known]
    return any(one.site != hazard.site and one.begins_s <= hazard.begins_s < one.ends_s for one in others)


def _seats(city: City, incidents: Sequence[Incident]) -> tuple[float, int]:
    """Night: counties and the city, each with its seats; incidents go round among the seats of their county."""
    counties = sorted({code[:6] for code in city.grid_codes})
    queues: dict[tuple[str, int], list[float]] = {
        (county, seat): [] for county in counties for seat in range(NIGHT_SEATS_OF_COUNTY)
    }
    turn: Counter[str] = Counter()
    asked = sorted((at_s, one.area_code[:6]) for one in incidents for at_s in one.asked_s)
    for at_s, county in asked:
        if NIGHT_UNTIL_S <= at_s < NIGHT_FROM_S:
            continue
        queues[county, turn[county] % NIGHT_SEATS_OF_COUNTY].append(at_s)
        turn[county] += 1
    hours = [*range(int(NIGHT_UNTIL_S // 3_600)), *range(int(NIGHT_FROM_S // 3_600), int(DAY_S // 3_600))]
    per_hour = [sum(int(at_s // 3_600) == hour for at_s in queue) for queue in queues.values() for hour in hours]
    return float(np.median(per_hour)), max((most_within(queue, TEN_MINUTES_S) for queue in queues.values()), default=0)

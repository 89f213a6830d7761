"""What the nodes say on that day: one episode after the other, true ones and false ones, each with its cause.

The false sources and their sizes, for a city of 30,000 cameras (scaled with it; `scattered` fills up to the total):

| cause | what | episodes |
|---|---|---|
| scattered | a shadow, a reflection, a detector's mistake: once, anywhere | the rest |
| flicker | a scene at the edge of its threshold: bursts of 5 to 25 episodes within the hour | 36,000 |
| misconfigured | 12 rules with a dwell of a second: all day, every minute or so | 12,000 |
| storm | a rain front over two counties: water, debris and view faults in 40 minutes | 16,000 |
| outage | switches fail: all cameras of a node are away, three times | 8,600 |
| permitted | refuse lorries and deliveries, at their sites every day at their hour | 3,200 |
| cut_off | no alert of its own: 40 nodes lose their link for hours and send everything afterwards | 0 |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tests.bench.city_day.city import CAMERAS, City
from tests.bench.city_day.truth import DAY_S, KINDS, TrueHazard, moment

RAW_A_DAY: Final = 90_000
SEES_SHARE: Final = 0.9  # of the cameras of a site that report what is there
FLICKER, MISCONFIGURED, STORM, OUTAGES, PERMITTED = 36_000, 12_000, 16_000, 180, 3_200
CUT_OFF_NODES: Final = 40
# What a storm does to a camera's view, and what is at the edge of a threshold, is seen in its pictures.
OFFLINE_CAUSES: Final = frozenset({"true", "outage"})
_DAY_HOURS: Final = KINDS[1].by_hour


@dataclass(frozen=True, slots=True)
class RawAlert:
    """One episode of one rule on one camera. Seconds since midnight.

    Attributes:
        began_s, raised_s, ended_s: as the node says them. received_s: when its raised message reaches the centre.
        told_end_s: when its cleared message does.
        true_hazard: number of the hazard that is behind it; None: false.
        is_offline: a camera that sends no picture. Other faults of a camera are of its view.
    """

    camera: int
    hazard: str
    severity: int
    began_s: float
    raised_s: float
    ended_s: float
    received_s: float
    told_end_s: float
    cause: str
    true_hazard: int | None = None
    is_offline: bool = False


def raw_alerts(
    city: City, hazards: Sequence[TrueHazard], seed: int, total: int | None = None
) -> tuple[list[RawAlert], tuple[TrueHazard, ...]]:
    """All episodes in the order of their receipt, and the permitted things that are there beside the hazards."""
    rng = np.random.default_rng((seed, 3))
    share = len(city.site_of) / CAMERAS
    wanted = total if total is not None else round(RAW_A_DAY * share)
    permitted = _permitted(rng, city, round(PERMITTED * share), len(hazards))
    found = [alert for hazard in hazards for alert in _said_of(rng, city, hazard, "true")]
    found += [alert for hazard in permitted for alert in _said_of(rng, city, hazard, "permitted")]
    found += _flicker(rng, city, round(FLICKER * share))
    found += _misconfigured(rng, city, round(MISCONFIGURED * share))
    found += _storm(rng, city, round(STORM * share))
    found += _outages(rng, city, max(1, round(OUTAGES * share)))
    found += [_scattered(rng, city) for _ in range(max(0, wanted - len(found)))]
    found = [one for one in found if one.ended_s < DAY_S]
    found = _delayed(rng, city, found, max(1, round(CUT_OFF_NODES * share)))
    return sorted(found, key=lambda one: (one.received_s, one.camera, one.hazard)), permitted


def _episode(
    rng: np.random.Generator,
    camera: int,
    hazard: str,
    severity: int,
    began_s: float,
    lasts_s: float,
    cause: str,
    true_hazard: int | None = None,
) -> RawAlert:
    dwell_s = min(float(rng.uniform(5.0, 60.0)), max(1.0, lasts_s / 2))
    raised_s, ended_s = began_s + dwell_s, began_s + max(lasts_s, dwell_s + 1.0)
    delay_s = float(rng.gamma(2.0, 0.3))
    return RawAlert(
        camera=camera,
        hazard=hazard,
        severity=severity,
        began_s=began_s,
        raised_s=raised_s,
        ended_s=ended_s,
        received_s=raised_s + delay_s,
        told_end_s=ended_s + 5.0 + delay_s,
        cause=cause,
        true_hazard=true_hazard,
        is_offline=hazard == "camera_fault" and cause in OFFLINE_CAUSES,
    )


def _said_of(rng: np.random.Generator, city: City, hazard: TrueHazard, cause: str) -> Iterator[RawAlert]:
    """One episode or several of each camera that sees it; at least one camera does."""
    cameras = city.sites[hazard.site].cameras
    sees = [camera for camera in cameras if rng.random() < SEES_SHARE] or [cameras[0]]
    for camera in sees:
        begins_s = hazard.begins_s + float(rng.uniform(0.0, 4.0))
        pieces = int(rng.integers(2, 7)) if rng.random() < hazard.flaps else 1
        edges = np.sort(rng.uniform(begins_s, hazard.ends_s, pieces - 1)).tolist()
        starts, ends = [begins_s, *edges], [*edges, hazard.ends_s]
        for start, end in zip(starts, ends, strict=True):
            gap_s = min(float(rng.uniform(5.0, 40.0)), (end - start) / 3) if start > begins_s else 0.0
            yield _episode(
                rng, camera, hazard.hazard, hazard.severity, start + gap_s, end - start - gap_s, cause, hazard.number
            )


def _permitted(rng: np.random.Generator, city: City, episodes: int, first: int) -> tuple[TrueHazard, ...]:
    found = []
    sites = rng.choice(len(city.sites), max(1, episodes // 2), replace=False)
    for number, site in enumerate(sites.tolist()):
        hazard = "fire_lane_obstruction" if rng.random() < 0.7 else "illegal_parking"
        begins_s = float(rng.choice([6, 7, 10, 14]) * 3_600 + rng.uniform(0, 1_500))
        lasts_s = float(rng.uniform(120, 900))
        found.append(TrueHazard(first + number, site, hazard, 3, begins_s, begins_s + lasts_s, 0.3, permitted=True))
    return tuple(found)


def _kind(rng: np.random.Generator, names: Sequence[str] = ()) -> tuple[str, int]:
    kinds = [kind for kind in KINDS if not names or kind.hazard in names]
    kind = kinds[int(rng.integers(len(kinds)))]
    return kind.hazard, kind.severities[0][0]


def _scattered(rng: np.random.Generator, city: City) -> RawAlert:
    hazard, severity = _kind(rng)
    camera, began_s = int(rng.integers(len(city.site_of))), moment(rng, _DAY_HOURS)
    return _episode(rng, camera, hazard, severity, began_s, float(rng.gamma(1.5, 60.0)) + 10.0, "scattered")


def _flicker(rng: np.random.Generator, city: City, episodes: int) -> Iterator[RawAlert]:
    left = episodes
    while left > 0:
        camera, (hazard, severity) = int(rng.integers(len(city.site_of))), _kind(rng)
        at_s = moment(rng, _DAY_HOURS)
        for _ in range(min(left, int(rng.integers(5, 26)))):
            lasts_s = float(rng.uniform(12.0, 60.0))
            yield _episode(rng, camera, hazard, severity, at_s, lasts_s, "flicker")
            at_s += lasts_s + float(rng.uniform(15.0, 150.0))
            left -= 1


def _misconfigured(rng: np.random.Generator, city: City, episodes: int) -> Iterator[RawAlert]:
    cameras = rng.choice(len(city.site_of), max(1, round(12 * len(city.site_of) / CAMERAS)), replace=False).tolist()
    every_s = DAY_S * len(cameras) / max(1, episodes)
    for camera in cameras:
        hazard, severity = _kind(rng, ("fire_lane_obstruction", "crowd", "intrusion", "illegal_parking"))
        at_s = float(rng.uniform(0.0, every_s))
        while at_s < DAY_S - 120:
            lasts_s = float(rng.uniform(3.0, 0.5 * every_s))
            yield _episode(rng, camera, hazard, severity, at_s, lasts_s, "misconfigured")
            at_s += every_s * float(rng.uniform(0.8, 1.2))


def _storm(rng: np.random.Generator, city: City, episodes: int) -> Iterator[RawAlert]:
    """From 15:00 on, over the first two counties."""
    counties = sorted({code[:6] for code in city.grid_codes})[:2]
    under_it = [camera for camera in range(len(city.site_of)) if city.area_code(camera)[:6] in counties]
    for _ in range(episodes):
        camera = under_it[int(rng.integers(len(under_it)))]
        hazard, severity = _kind(rng, ("water_level", "debris_on_road", "camera_fault"))
        at_s = 15 * 3_600 + float(rng.uniform(0.0, 2_400.0))
        yield _episode(rng, camera, hazard, severity, at_s, float(rng.gamma(2.0, 120.0)) + 20.0, "storm")


def _outages(rng: np.random.Generator, city: City, nodes: int) -> Iterator[RawAlert]:
    for node in rng.choice(city.nodes, min(nodes, city.nodes), replace=False).tolist():
        cameras = np.flatnonzero(city.node_of == node).tolist()
        at_s = float(rng.uniform(3_600.0, 20 * 3_600.0))
        for _ in range(3):
            lasts_s = float(rng.uniform(60.0, 900.0))
            for camera in cameras:
                yield _episode(rng, camera, "camera_fault", 4, at_s + float(rng.uniform(0, 5)), lasts_s, "outage")
            at_s += lasts_s + float(rng.uniform(120.0, 600.0))


def _delayed(rng: np.random.Generator, city: City, alerts: Sequence[RawAlert], nodes: int) -> list[RawAlert]:
    """Nodes whose link is cut for one to four hours: what they say meanwhile arrives when it is back."""
    cuts: dict[int, tuple[float, float]] = {}
    for node in rng.choice(city.nodes, min(nodes, city.nodes), replace=False).tolist():
        begins_s = float(rng.uniform(0.0, 18 * 3_600.0))
        cuts[node] = (begins_s, begins_s + float(rng.uniform(3_600.0, 4 * 3_600.0)))
    late = []
    for alert in alerts:
        cut = cuts.get(int(city.node_of[alert.camera]))
        if cut is None:
            late.append(alert)
            continue
        arrivals = [
            cut[1] + float(rng.uniform(0.0, 60.0)) if cut[0] <= at_s < cut[1] else at_s
            for at_s in (alert.received_s, alert.told_end_s)
        ]
        late.append(replace(alert, received_s=arrivals[0], told_end_s=max(arrivals)))
    return late

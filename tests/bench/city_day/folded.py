"""The day through the centre's own folding rules (`incidents.folding`), without its database.

What the centre does around them is done here alike: an alert that is present joins, reopens or opens; an incident
whose members were all seen to be gone ends by itself; what ended before it was known is recorded and asks nobody.
No operator takes part: nothing is judged, so nothing is closed but by its own end.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.bench.city_day.city import City
from tests.bench.city_day.raw_alerts import RawAlert
from xueliang_central.incidents.folding import Arrival, Fold, FoldingRule, Group, decide
from xueliang_central.incidents.states import CloseReason

MIDNIGHT: Final = datetime(2026, 6, 1, tzinfo=UTC)
REOPEN_WINDOW_S: Final = 900.0


@dataclass(slots=True)
class Incident:
    """One incident of the day.

    Attributes:
        members: positions of its alerts. present: those not yet seen to be gone.
        asked_s: when it came before an operator: at its opening and at each reopening; empty: only recorded.
        closed_s: when it last ended; None: it is open.
        open_spans_s: from when to when it was open.
    """

    number: int
    area_code: str
    hazard: str
    place_key: str
    longitude: float
    latitude: float
    began_s: float
    severity: int
    last_observed_s: float
    members: list[int] = field(default_factory=list)
    present: set[int] = field(default_factory=set)
    asked_s: list[float] = field(default_factory=list)
    closed_s: float | None = None
    open_spans_s: list[tuple[float, float]] = field(default_factory=list)


def at(seconds: float) -> datetime:
    """This second of the day."""
    return MIDNIGHT + timedelta(seconds=seconds)


class Folding:
    """All incidents so far. `rules` by hazard; what is not named folds by the defaults."""

    def __init__(self, city: City, alerts: Sequence[RawAlert], rules: Mapping[str, FoldingRule]) -> None:
        self._city, self._alerts, self._rules = city, alerts, rules
        self._by_key: dict[tuple[str, str], list[Incident]] = {}
        self._of_alert: dict[int, Incident] = {}
        self._memory_s = REOPEN_WINDOW_S + max((rule.window_s for rule in rules.values()), default=900.0)
        self.incidents: list[Incident] = []

    def run(self) -> list[Incident]:
        """The whole day, message by message in the order of their receipt."""
        for seconds, is_end, number in _messages(self._alerts):
            if is_end:
                self._end(number, seconds)
            else:
                self._raise(number, seconds)
        for incident in self.incidents:
            if incident.closed_s is None:
                _close(incident, max(incident.last_observed_s, incident.asked_s[-1]))
        return self.incidents

    def _raise(self, number: int, now_s: float) -> None:
        alert = self._alerts[number]
        key = (self._city.area_code(alert.camera), alert.hazard)
        near = [
            one for one in self._by_key.get(key, []) if one.closed_s is None or now_s - one.closed_s < self._memory_s
        ]
        self._by_key[key] = near
        is_gone = alert.told_end_s <= now_s
        arrival = Arrival(
            alert_id=str(number),
            camera_id=self._city.camera_id(alert.camera),
            area_code=key[0],
            hazard=alert.hazard,
            drill=False,
            began_at=at(alert.began_s),
            longitude=float(self._city.longitude[alert.camera]),
            latitude=float(self._city.latitude[alert.camera]),
            is_gone=is_gone,
        )
        decision = decide(arrival, [_as_group(one) for one in near], self._rules)
        if decision.incident_id is None:
            incident = self._opened(arrival, alert)
            near.append(incident)
        else:
            incident = next(one for one in near if str(one.number) == decision.incident_id)
        incident.members.append(number)
        incident.last_observed_s = max(incident.last_observed_s, alert.raised_s, now_s if not is_gone else 0.0)
        incident.severity = min(incident.severity, alert.severity)
        self._of_alert[number] = incident
        if not is_gone:
            incident.present.add(number)
        if decision.fold is Fold.RECORD:
            incident.closed_s = now_s
        elif decision.fold in (Fold.OPEN, Fold.REOPEN):
            incident.asked_s.append(now_s)
            incident.closed_s = None

    def _is_remembered(self, incident: Incident, now_s: float) -> bool:
        return incident.closed_s is None or now_s - incident.closed_s < self._memory_s

    def _opened(self, arrival: Arrival, alert: RawAlert) -> Incident:
        incident = Incident(
            number=len(self.incidents),
            area_code=arrival.area_code,
            hazard=arrival.hazard,
            place_key=arrival.camera_id,
            longitude=arrival.longitude or 0.0,
            latitude=arrival.latitude or 0.0,
            began_s=alert.began_s,
            severity=alert.severity,
            last_observed_s=alert.raised_s,
        )
        self.incidents.append(incident)
        return incident

    def _end(self, number: int, now_s: float) -> None:
        incident = self._of_alert[number]
        if number not in incident.present:
            return
        incident.present.discard(number)
        incident.last_observed_s = max(incident.last_observed_s, self._alerts[number].ended_s)
        if not incident.present and incident.closed_s is None:
            _close(incident, now_s)


def _close(incident: Incident, now_s: float) -> None:
    incident.closed_s = now_s
    incident.open_spans_s.append((incident.asked_s[-1], now_s))


def _messages(alerts: Sequence[RawAlert]) -> Iterator[tuple[float, bool, int]]:
    raised = ((one.received_s, False, number) for number, one in enumerate(alerts))
    ended = sorted((one.told_end_s, True, number) for number, one in enumerate(alerts))
    return heapq.merge(raised, ended)


def _as_group(incident: Incident) -> Group:
    return Group(
        incident_id=str(incident.number),
        number=str(incident.number),
        area_code=incident.area_code,
        hazard=incident.hazard,
        drill=False,
        place_key=incident.place_key,
        longitude=incident.longitude,
        latitude=incident.latitude,
        began_at=at(incident.began_s),
        last_observed_at=at(incident.last_observed_s),
        closed_at=at(incident.closed_s) if incident.closed_s is not None else None,
        close_reason=CloseReason.ENDED_BY_ITSELF.value if incident.closed_s is not None else None,
        reopen_window_s=REOPEN_WINDOW_S,
    )

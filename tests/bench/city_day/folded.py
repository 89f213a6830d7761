"""The day through the centre's own folding rules (`incidents.folding`, `incidents.shedding`), without its database.

What the centre does around them (`ingest.folding_in`, `ingest.releasing`) is done here alike: an alert that is present
joins, reopens, opens or is held; a held one that stays leaves for an incident of its own; an incident whose members
were all seen to be gone ends by itself when it has settled; what ended before it was known is recorded and asks nobody.
No operator takes part: nothing is judged, so nothing is closed but by its own end.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.bench.city_day.city import City
from tests.bench.city_day.raw_alerts import RawAlert
from xueliang_central.incidents.folding import Arrival, Fold, FoldingRule, Group, decide
from xueliang_central.incidents.node_failures import Presence, may_be_of_node, of_node, released
from xueliang_central.incidents.shedding import (
    HELD,
    NODE,
    Collective,
    Held,
    Holding,
    Past,
    SheddingRule,
    hold,
    is_collective,
    is_loaded,
    kept_in_mind,
    leaves,
    of_camera,
    stays_open_s,
)
from xueliang_central.incidents.states import CloseReason

MIDNIGHT: Final = datetime(2026, 6, 1, tzinfo=UTC)
REOPEN_WINDOW_S: Final = 900.0
LOOK_S: Final = 30.0  # the worker looks every second; a day is long, and later is the harder case
COUNTY_DIGITS: Final = 6


@dataclass(slots=True)
class Incident:
    """One incident of the day.

    Attributes:
        members: positions of its alerts. present: those not yet seen to be gone. lately: these and the last to go.
        asked_s: when it came before an operator: at its opening and at each reopening; empty: only recorded.
        changed_s: when the centre last heard of it. closed_s: when it last ended; None: it is open.
        open_spans_s: from when to when it was open.
    """

    number: int
    area_code: str
    hazard: str
    place_key: str
    longitude: float | None
    latitude: float | None
    began_s: float
    severity: int
    last_observed_s: float
    members: list[int] = field(default_factory=list)
    present: set[int] = field(default_factory=set)
    lately: list[int] = field(default_factory=list)
    asked_s: list[float] = field(default_factory=list)
    changed_s: float = 0.0
    closed_s: float | None = None
    open_spans_s: list[tuple[float, float]] = field(default_factory=list)


def at(seconds: float) -> datetime:
    """This second of the day."""
    return MIDNIGHT + timedelta(seconds=seconds)


class Folding:
    """All incidents so far. `rules` by hazard; what is not named folds by the defaults."""

    def __init__(
        self,
        city: City,
        alerts: Sequence[RawAlert],
        rules: Mapping[str, FoldingRule],
        shedding: SheddingRule = SheddingRule(),
    ) -> None:
        self._city, self._alerts, self._rules, self._shedding = city, alerts, rules, shedding
        self._by_key: dict[tuple[str, str], list[Incident]] = {}
        self._of_alert: dict[int, Incident] = {}
        self._past: dict[tuple[str, str], list[tuple[float, str]]] = {}
        self._heard: dict[str, deque[float]] = {}
        self._known: dict[int, Held] = {}
        self._last_seen_s: dict[int, float] = {}
        self._memory_s = REOPEN_WINDOW_S + max((rule.window_s for rule in rules.values()), default=900.0)
        self._open: dict[int, Incident] = {}
        self.incidents: list[Incident] = []

    def run(self) -> list[Incident]:
        """The whole day, message by message in the order of their receipt."""
        looked_s = 0.0
        for seconds, is_end, number in _messages(self._alerts):
            while looked_s + LOOK_S <= seconds:
                looked_s += LOOK_S
                self._look(looked_s)
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
        arrival = self._arrival(number, now_s)
        is_busy = self._hears(arrival.area_code[:COUNTY_DIGITS], now_s)
        self._last_seen_s[number] = now_s
        near = self._near((arrival.area_code, arrival.hazard), now_s)
        decision = decide(arrival, [_as_group(one) for one in near], self._rules)
        county = (arrival.area_code[:COUNTY_DIGITS], arrival.hazard)
        holding = self._of_node(county, number, arrival, now_s)
        if holding is None and is_busy and decision.fold in (Fold.OPEN, Fold.REOPEN):
            holding = self._hold(county, number, arrival, now_s)
        if holding is not None:
            self._take(number, holding, county if holding.place_key else None, arrival, now_s)
            return
        if decision.incident_id is None:
            incident = self._opened(arrival.area_code, arrival.hazard, arrival.camera_id, number)
        else:
            incident = self.incidents[int(decision.incident_id)]
        self._join(incident, number, now_s)
        if not arrival.is_gone:
            incident.last_observed_s = max(incident.last_observed_s, now_s)
        incident.severity = min(incident.severity, alert.severity)
        if decision.fold is Fold.RECORD:
            incident.closed_s = now_s
            self._open.pop(incident.number, None)
        elif decision.fold in (Fold.OPEN, Fold.REOPEN):
            self._ask(incident, now_s)

    def _arrival(self, number: int, now_s: float) -> Arrival:
        alert = self._alerts[number]
        return Arrival(
            alert_id=str(number),
            camera_id=self._city.camera_id(alert.camera),
            area_code=self._city.area_code(alert.camera),
            hazard=alert.hazard,
            drill=False,
            began_at=at(alert.began_s),
            longitude=float(self._city.longitude[alert.camera]),
            latitude=float(self._city.latitude[alert.camera]),
            is_gone=alert.told_end_s <= now_s,
            is_offline=alert.is_offline,
        )

    def _hears(self, county: str, now_s: float) -> bool:
        heard = self._heard.setdefault(county, deque())
        heard.append(now_s)
        while heard[0] < now_s - 3_600.0:
            heard.popleft()
        return is_loaded(len(heard), self._shedding)

    def _near(self, key: tuple[str, str], now_s: float) -> list[Incident]:
        near = [
            one for one in self._by_key.get(key, []) if one.closed_s is None or now_s - one.closed_s < self._memory_s
        ]
        self._by_key[key] = near
        return near

    def _of_node(self, county: tuple[str, str], number: int, arrival: Arrival, now_s: float) -> Holding | None:
        """A node tells of its cameras for as long as it runs: none is known to be away."""
        rule = self._rules.get(arrival.hazard, FoldingRule())
        if not may_be_of_node(arrival, self._alerts[number].severity, rule):
            return None
        node_id = self._node_id(number)
        collectives = self._collectives(county, now_s)
        own = [one for one in self._open.values() if one.hazard == arrival.hazard and not is_collective(one.place_key)]
        alone = [self._held(one, m) for one in own for m in one.present if self._alerts[m].is_offline]
        faults = [*self._recent(collectives, now_s), *alone]
        return of_node(
            arrival, Presence(node_id), [_as_collective(one) for one in collectives], faults, at(now_s), rule
        )

    def _hold(self, county: tuple[str, str], number: int, arrival: Arrival, now_s: float) -> Holding | None:
        collectives = self._collectives(county, now_s)
        known = [_as_collective(one) for one in collectives]
        rule = self._rules.get(arrival.hazard, FoldingRule())
        held = self._recent(collectives, now_s)
        open_ids = {one.incident_id for one in known}
        times = [
            (at_s, incident_id)
            for at_s, incident_id in self._past.get((arrival.camera_id, arrival.hazard), ())
            if at_s >= now_s - rule.flap_window_s and incident_id in open_ids
        ]
        past = Past(len(times), frozenset(incident_id for _, incident_id in times))
        return hold(arrival, self._alerts[number].severity, known, held, past, at(now_s), rule)

    def _collectives(self, county: tuple[str, str], now_s: float) -> list[Incident]:
        near = self._near(county, now_s)
        return [one for one in near if one.closed_s is None and is_collective(one.place_key)]

    def _recent(self, collectives: Sequence[Incident], now_s: float) -> list[Held]:
        """Those held that are present or were seen lately."""
        held = []
        for one in collectives:
            rule = self._rules.get(one.hazard, FoldingRule())
            kept_s = max(kept_in_mind(rule).total_seconds(), rule.window_s)
            one.lately = [m for m in one.lately if m in one.present or now_s - self._last_seen_s[m] <= kept_s]
            held += [self._known[m] for m in one.lately]
        return held

    def _node_id(self, number: int) -> str:
        return self._city.node_id(int(self._city.node_of[self._alerts[number].camera]))

    def _held(self, incident: Incident, number: int) -> Held:
        alert = self._alerts[number]
        return Held(
            alert_id=str(number),
            incident_id=str(incident.number),
            place_key=incident.place_key,
            camera_id=self._city.camera_id(alert.camera),
            node_id=self._node_id(number),
            area_code=self._city.area_code(alert.camera),
            severity=alert.severity,
            longitude=float(self._city.longitude[alert.camera]),
            latitude=float(self._city.latitude[alert.camera]),
            began_at=at(alert.began_s),
            raised_at=at(alert.received_s),
            last_seen_at=at(self._last_seen_s[number]),
            is_present=number in incident.present,
            is_offline=alert.is_offline,
        )

    def _take(
        self, number: int, holding: Holding, county: tuple[str, str] | None, arrival: Arrival, now_s: float
    ) -> None:
        if holding.decision.incident_id is not None:
            for other in holding.takes_along:
                self._move(int(other), self.incidents[int(holding.decision.incident_id)], now_s)
            self._join(self.incidents[int(holding.decision.incident_id)], number, now_s)
            past = self._past.setdefault((arrival.camera_id, arrival.hazard), [])
            past.append((now_s, holding.decision.incident_id))
            return
        area_code, hazard = county or (arrival.area_code, arrival.hazard)
        incident = self._opened(area_code, hazard, holding.place_key or arrival.camera_id, number)
        for other in holding.takes_along:
            self._move(int(other), incident, now_s)
        self._join(incident, number, now_s)
        self._ask(incident, now_s)

    def _join(self, incident: Incident, number: int, now_s: float) -> None:
        alert = self._alerts[number]
        incident.members.append(number)
        incident.lately.append(number)
        incident.began_s = min(incident.began_s, alert.began_s)
        incident.last_observed_s = max(incident.last_observed_s, alert.raised_s)
        incident.changed_s = now_s
        self._of_alert[number] = incident
        if alert.told_end_s > now_s:
            incident.present.add(number)
        if is_collective(incident.place_key):
            self._known[number] = self._held(incident, number)

    def _move(self, number: int, incident: Incident, now_s: float) -> None:
        before = self._of_alert[number]
        before.members.remove(number)
        before.lately = [one for one in before.lately if one != number]
        before.present.discard(number)
        self._join(incident, number, now_s)
        if not before.members and before.closed_s is None and not before.place_key.startswith(HELD):
            self._closes(before, now_s)

    def _ask(self, incident: Incident, now_s: float) -> None:
        incident.asked_s.append(now_s)
        incident.closed_s = None
        self._open[incident.number] = incident

    def _look(self, now_s: float) -> None:
        """What the worker does: held alerts that stay leave; what has settled ends."""
        for incident in list(self._open.values()):
            if is_collective(incident.place_key) and incident.present:
                self._let_go(incident, now_s)
            rule = self._rules.get(incident.hazard, FoldingRule())
            takes_in = _as_collective(incident).takes_in(at(now_s))
            settle_s = stays_open_s(incident.place_key, rule, self._shedding, takes_in=takes_in)
            if not incident.present and now_s - incident.changed_s >= settle_s:
                self._closes(incident, now_s)

    def _let_go(self, incident: Incident, now_s: float) -> None:
        rule = self._rules.get(incident.hazard, FoldingRule())
        is_of_node = incident.place_key.startswith(NODE)
        if not is_of_node and all(self._is_new(m, incident, now_s - rule.confirm_s) for m in incident.present):
            return
        recent = self._recent(self._collectives((incident.area_code, incident.hazard), now_s), now_s)
        mine = [held for held in recent if held.incident_id == str(incident.number)]
        for one in mine:
            if is_of_node and released(one, mine, {}, at(now_s), rule) is None:
                continue
            if not is_of_node and leaves(one, recent, at(now_s), rule) is None:
                continue
            number = int(one.alert_id)
            if number not in incident.present:
                continue  # went along with another
            arrival = self._arrival(number, now_s)
            near = self._near((arrival.area_code, arrival.hazard), now_s)
            decision = decide(arrival, [_as_group(other) for other in near], self._rules)
            if decision.incident_id is None:
                alone = self._opened(arrival.area_code, arrival.hazard, arrival.camera_id, number)
            else:
                alone = self.incidents[int(decision.incident_id)]
            for other in of_camera(one.camera_id, recent, at(now_s)):
                self._move(int(other), alone, now_s)
            if decision.fold is not Fold.JOIN:
                self._ask(alone, now_s)

    def _is_new(self, number: int, incident: Incident, since_s: float) -> bool:
        """Raised since then, by a camera that has nothing else in this collective: it cannot have been there longer."""
        camera = self._alerts[number].camera
        others = any(self._alerts[m].camera == camera for m in incident.lately if m != number)
        return self._alerts[number].received_s > since_s and not others

    def _opened(self, area_code: str, hazard: str, place_key: str, number: int) -> Incident:
        alert = self._alerts[number]
        has_place = not is_collective(place_key)
        incident = Incident(
            number=len(self.incidents),
            area_code=area_code,
            hazard=hazard,
            place_key=place_key,
            longitude=float(self._city.longitude[alert.camera]) if has_place else None,
            latitude=float(self._city.latitude[alert.camera]) if has_place else None,
            began_s=alert.began_s,
            severity=alert.severity,
            last_observed_s=alert.raised_s,
        )
        self.incidents.append(incident)
        self._by_key.setdefault((area_code, hazard), []).append(incident)
        return incident

    def _end(self, number: int, now_s: float) -> None:
        incident = self._of_alert[number]
        self._last_seen_s[number] = now_s
        if number not in incident.present:
            return
        incident.present.discard(number)
        if number in self._known:
            self._known[number] = self._held(incident, number)
        incident.changed_s = now_s
        incident.last_observed_s = max(incident.last_observed_s, self._alerts[number].ended_s)
        rule = self._rules.get(incident.hazard, FoldingRule())
        has_settled = stays_open_s(incident.place_key, rule, self._shedding) == 0
        if not incident.present and incident.closed_s is None and has_settled:
            self._closes(incident, now_s)

    def _closes(self, incident: Incident, now_s: float) -> None:
        self._open.pop(incident.number, None)
        _close(incident, now_s)


def _close(incident: Incident, now_s: float) -> None:
    incident.closed_s = now_s
    incident.open_spans_s.append((incident.asked_s[-1], now_s))


def _messages(alerts: Sequence[RawAlert]) -> Iterator[tuple[float, bool, int]]:
    raised = ((one.received_s, False, number) for number, one in enumerate(alerts))
    ended = sorted((one.told_end_s, True, number) for number, one in enumerate(alerts))
    return heapq.merge(raised, ended)


def _as_collective(incident: Incident) -> Collective:
    opened_at = at(incident.asked_s[0]) if incident.asked_s else None
    name = str(incident.number)
    return Collective(name, name, incident.place_key, alert_count=len(incident.members), opened_at=opened_at)


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

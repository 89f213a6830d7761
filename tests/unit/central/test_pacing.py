"""Events of a thing once a second at most: the first at once, the last always, and never a hole for who comes back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from xueliang_central.rights.scope import Actor, Role
from xueliang_central.store.events import Event
from xueliang_central.store.feed import Audience, Listener
from xueliang_central.store.pacing import EVERY_S, Pacing, Told

AT = datetime(2026, 11, 26, tzinfo=UTC)
CITY, COUNTY, TOWNSHIP = "3701", "3701/370102", "3701/370102/370102001"


def incident(event_id: int, which: str = "a", area: str = TOWNSHIP) -> Event:
    return Event(event_id, "incident", area, {"incident": {"incident_id": which, "state": event_id}}, AT)


def ids(told: list[Told]) -> list[int]:
    return [one.event.event_id for one in told]


def test_the_first_goes_at_once_and_the_newest_after_a_second() -> None:
    pacing = Pacing()
    first = pacing.take(incident(1), 10.0)
    assert first is not None
    assert first.safe_id == 1
    assert pacing.take(incident(2), 10.2) is None
    assert pacing.take(incident(3), 10.9) is None
    assert list(pacing.due(10.99)) == []
    assert ids(list(pacing.due(11.0))) == [3]
    assert pacing.replaced == 1
    assert pacing.take(incident(4), 11.5) is None, "the second runs anew from the last one told"
    assert ids(list(pacing.due(12.0))) == [4]
    assert ids(list(pacing.due(20.0))) == []


def test_two_things_do_not_wait_for_each_other_and_other_kinds_for_nobody() -> None:
    pacing = Pacing()
    task = Event(3, "task", TOWNSHIP, {"task": {"incident_id": "a"}}, AT)
    notice = Event(5, "incident", TOWNSHIP, {"incident": {"incident_id": "a"}}, AT, for_user="wang")
    assert pacing.take(incident(1), 0.0) is not None
    assert pacing.take(incident(2, "b"), 0.0) is not None
    assert pacing.take(task, 0.0) is not None
    assert pacing.take(Event(4, "incident", TOWNSHIP, {"incident": "odd"}, AT), 0.0) is not None
    assert pacing.take(notice, 0.0) is not None


def test_an_incident_that_goes_to_another_area_is_told_there_at_once() -> None:
    pacing = Pacing()
    assert pacing.take(incident(1), 0.0) is not None
    assert pacing.take(incident(2, area=COUNTY), 0.1) is not None


def test_while_one_waits_no_id_is_given_out_beyond_it() -> None:
    pacing = Pacing()
    pacing.take(incident(1), 0.0)
    pacing.take(incident(2), 0.1)
    other = pacing.take(incident(3, "b"), 0.2)
    assert other is not None
    assert other.safe_id == 1
    pacing.take(incident(4), 0.3)  # takes the place of 2
    another = pacing.take(incident(5, "c"), 0.4)
    assert another is not None
    assert another.safe_id == 3
    assert [(one.event.event_id, one.safe_id) for one in pacing.due(1.0)] == [(4, 4)]


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 0.7)), max_size=40),
    st.integers(0, 60),
)
def test_cut_off_anywhere_and_come_back_every_thing_is_known_as_it_is_in_the_end(
    said: list[tuple[str, float]], cut: int
) -> None:
    pacing, now_s = Pacing(), 0.0
    table: list[Event] = []
    heard: list[Told] = []
    last_s: dict[str, float] = {}

    def hear(told: Told) -> None:
        which = told.event.body["incident"]["incident_id"]
        assert now_s >= last_s.get(which, -EVERY_S) + EVERY_S, "twice within a second"
        last_s[which] = now_s
        heard.append(told)

    for number, (which, wait_s) in enumerate(said, start=1):
        now_s += wait_s
        for told in pacing.due(now_s):
            hear(told)
        event = incident(number, which)
        table.append(event)
        if (now := pacing.take(event, now_s)) is not None:
            hear(now)
    safe = [one.safe_id for one in heard]
    assert safe == sorted(safe), "the id goes back"
    got = heard[:cut]
    known: dict[Any, int] = {one.event.body["incident"]["incident_id"]: one.event.event_id for one in got}
    for event in table[got[-1].safe_id if got else 0 :]:
        known[event.body["incident"]["incident_id"]] = event.event_id
    assert known == {event.body["incident"]["incident_id"]: event.event_id for event in table}


def test_an_audience_is_everybody_round_the_place_and_nobody_else() -> None:
    audience = Audience()

    def listener(name: str, path: str, *grants: str) -> Listener:
        one = Listener(Actor(name, name, Role.OPERATOR, path, grants), 0)
        audience.add(one)
        return one

    city, county = listener("city", CITY), listener("county", COUNTY)
    helper = listener("helper", "3702", COUNTY, TOWNSHIP)
    listener("next door", "3701/370103")
    nobody = listener("nobody", "")
    assert set(audience.of(incident(1))) == {city, county, helper}
    assert len(list(audience.of(incident(1)))) == 3, "each once, also with two roots around it"
    assert set(audience.of(incident(1, area=CITY))) == {city}
    assert set(audience.of(incident(1, area="3701/3701020"))) == {city}, "370102 is no part of 3701020"
    assert list(audience.of(incident(1, area=""))) == []
    assert set(audience.of(Event(2, "notice", CITY, {}, AT, for_user="nobody"))) == {nobody}
    audience.discard(helper)
    assert set(audience.of(incident(1))) == {city, county}

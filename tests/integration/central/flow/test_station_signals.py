"""Stations over MQTT: the same queue and the same treatment as the webhook, over both brokers, across a kill."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.integration.central.flow.test_intake import Station, add_station
from tests.support import city
from tests.support.brokers import BROKER_KINDS, BrokerKind, TestBroker, running_broker
from tests.support.centres import TestCentre
from tests.support.forked.children import forked
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.errors import TransportError
from xueliang_alerts.mqtt_link import MqttLink
from xueliang_alerts.stations import SIGNAL_LIMIT_BYTES
from xueliang_alerts.topics import SHARDS, shard_of, station_filter, station_topic
from xueliang_alerts.transport import PublishHandle, Qos
from xueliang_central.errors import DatabaseUnavailable
from xueliang_central.incidents.change import Change, Rulebook
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.ingest import quarantine as kept
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.batches import Ingest
from xueliang_central.ingest.links import ask_for
from xueliang_central.ingest.tables import quarantine
from xueliang_central.ingest.waiting import Held, Waiting
from xueliang_central.intake import sources as register
from xueliang_central.intake.over_mqtt import BURST, LONGEST_WAIT_S, StationSignals
from xueliang_central.intake.signing import FILE_NAME, signature_of
from xueliang_central.intake.tables import refused_signals, sightings
from xueliang_central.rights.scope import Role

TOPIC = station_topic("gauge-1")
TOLD_AT_ONCE = 12  # below what a source may tell at once


def envelope(station: Station, signal: dict[str, Any] | str, *, signed_ago_s: float = 0.0, **changes: Any) -> bytes:
    text = signal if isinstance(signal, str) else json.dumps(signal, ensure_ascii=False)
    at = str(int(station.centre.clock.at.timestamp() - signed_ago_s))
    signature = signature_of(station.key, at, station.source_id, text.encode())
    return json.dumps({"schema_version": 1, "time": at, "signature": signature, "signal": text, **changes}).encode()


def tampered(payload: bytes) -> bytes:
    """The signature of one signal over another."""
    said = json.loads(payload)
    return json.dumps(said | {"signal": said["signal"].replace("31 cm", "91 cm")}).encode()


class Silent:
    """Nobody speaks, and nobody is answered."""

    def publish(self, topic: str, payload: bytes, *, qos: Qos = 1, retain: bool = False) -> PublishHandle:
        raise TransportError("a station is not answered")


class Taking:
    """Ingest with who takes signals, driven by hand."""

    def __init__(self, centre: TestCentre, station: Station) -> None:
        self.centre, self.station = centre, station
        self.taker = StationSignals(centre.centre.settings.data_dir / FILE_NAME)
        self.acknowledged = 0
        self.ingest = self.another()

    def another(self, taker: Any = None) -> Ingest:
        rulebook = Rulebook.of(self.centre.centre.areas, self.centre.centre.policies)
        clock = self.centre.clock
        takes = taker or self.taker
        waiting = Waiting(wall=clock.wall, mono=clock.mono)
        database = self.centre.database
        return Ingest(Silent(), waiting, database, rulebook, wall=clock.wall, mono=clock.mono, takes_signals=takes)

    async def say(self, *payloads: bytes, topic: str = TOPIC, ingest: Ingest | None = None) -> None:
        used = ingest or self.ingest
        at = self.centre.clock.at
        await used.take([Held(Received(topic, one, at), [self._acknowledge], system_mono()) for one in payloads])

    def _acknowledge(self) -> bool:
        self.acknowledged += 1
        return True

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        async with self.centre.database.reading() as conn:
            return [dict(row) for row in (await conn.execute(select(table))).mappings()]

    async def refused(self) -> dict[str, int]:
        return {row["reason"]: row["times"] for row in await self.rows(refused_signals)}


@pytest.fixture
async def taking(centre: TestCentre) -> Taking:
    return Taking(centre, await add_station(centre))


async def test_a_signal_opens_an_incident_and_its_end_closes_it(taking: Taking) -> None:
    first = taking.station.signal()
    await taking.say(envelope(taking.station, first))
    (incident,) = await taking.rows(incidents)
    assert (incident["area_code"], incident["hazard"], incident["state"]) == (city.GRID, "water_level", "open")
    assert incident["camera_name"] == "南闸水位站"
    end = first | {"key": "2", "phase": "cleared", "revision": 2}
    await taking.say(envelope(taking.station, end))
    (incident,) = await taking.rows(incidents)
    assert incident["gone"]
    assert (await taking.rows(quarantine), await taking.refused()) == ([], {})
    assert taking.ingest.counts["signals_taken"] == taking.acknowledged == 2


async def test_the_same_again_is_taken_once_over_mqtt_and_the_webhook(taking: Taking) -> None:
    signal = taking.station.signal()
    payload = envelope(taking.station, signal)
    await taking.say(payload, payload)
    await taking.say(envelope(taking.station, signal, signed_ago_s=60.0))  # signed anew
    assert (await taking.station.send(json.dumps(signal, ensure_ascii=False).encode())).status_code == 200
    assert len(await taking.rows(sightings)) == len(await taking.rows(alerts)) == 1
    assert taking.ingest.counts["signals_repeated"] == 2
    await taking.say(envelope(taking.station, signal | {"text": "other words"}))
    (row,) = await taking.rows(quarantine)
    assert (row["kind"], row["reason"]) == ("not_understood", "this key came before with other content")


async def test_what_is_not_signed_by_the_source_of_the_topic_is_counted_and_not_kept(taking: Taking) -> None:
    station, signal = taking.station, taking.station.signal()
    other = await add_station(taking.centre, "gauge-2")
    await taking.say(envelope(other, signal))  # another's signature on its topic
    await taking.say(envelope(station, signal, signature="sha256=" + "0" * 64))
    await taking.say(tampered(envelope(station, signal)))
    await taking.say(envelope(station, signal, signed_ago_s=-301.0))
    await taking.say(envelope(station, signal), topic=station_topic("no-such"))
    wrong_shard = next(one for one in SHARDS if one not in TOPIC)
    await taking.say(envelope(station, signal), topic=f"xueliang/v1/{wrong_shard}/stations/gauge-1/signals")
    async with taking.centre.database.transaction() as conn:
        await register.disable(conn, source_id="gauge-2", at=taking.centre.clock.at, by="test")
    await taking.say(envelope(other, signal), topic=station_topic("gauge-2"))
    assert await taking.refused() == {
        "bad_signature": 3,
        "outside_window": 1,
        "unknown_source": 1,
        "bad_topic": 1,
        "disabled": 1,
    }
    assert (await taking.rows(sightings), await taking.rows(quarantine)) == ([], [])
    assert taking.acknowledged == 7


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        (lambda station: b"not json", "JSON"),
        (lambda station: b"[]", "expected an object, got list"),
        (lambda station: b"{}", "time"),
        (lambda station: envelope(station, station.signal(), more=1), "more"),
        (lambda station: b" " * 70_000, "limit 65536"),
        (lambda station: envelope(station, "{" + " " * SIGNAL_LIMIT_BYTES + "}"), "signal"),
        (
            lambda station: envelope(station, station.signal(hazard="camera_fault")),
            "camera_fault is told by nodes only",
        ),
        (lambda station: envelope(station, station.signal(text="a\0b")), "NUL"),
        (lambda station: envelope(station, station.signal(severity="2")), "severity"),
        (lambda station: envelope(station, "{}"), "key"),
    ],
    ids=["no json", "a list", "empty", "unknown field", "huge", "huge signal", "camera", "nul", "type", "no signal"],
)
async def test_poison_is_kept_with_the_reason_and_stops_nothing(taking: Taking, poison: Any, reason: str) -> None:
    await taking.say(poison(taking.station), envelope(taking.station, taking.station.signal()))
    (row,) = await taking.rows(quarantine)
    assert (row["topic"], row["node_id"]) == (TOPIC, "@gauge-1")
    assert reason in row["reason"], row["reason"]
    assert len(await taking.rows(incidents)) == 1, "what came behind it"
    assert taking.acknowledged == 2


async def test_a_replay_takes_what_could_not_be_taken_before(taking: Taking) -> None:
    """The key of the centre was not on this machine; a message was too old; both are taken when somebody asks."""
    key_path = taking.centre.centre.settings.data_dir / FILE_NAME
    hidden = key_path.rename(key_path.with_suffix(".away"))
    await taking.say(envelope(taking.station, taking.station.signal()))
    hidden.rename(key_path)
    old = taking.station.signal(key="2", point="north")
    await taking.say(envelope(taking.station, old, signed_ago_s=LONGEST_WAIT_S + 3600))
    reasons = sorted(row["reason"] for row in await taking.rows(quarantine))
    assert reasons[0] == "signed 25 h before it came: replay or drop it"
    assert "there is no intake.key in data_dir" in reasons[1]
    async with taking.centre.database.transaction() as conn:
        assert await kept.ask_for_replay(conn, None, taking.centre.clock.at) == 2
    assert await taking.ingest.replay_asked() == 2
    assert (len(await taking.rows(sightings)), await taking.rows(quarantine)) == (2, [])


async def test_a_replay_after_the_key_was_renewed_stays_in_quarantine(taking: Taking) -> None:
    await taking.say(envelope(taking.station, taking.station.signal(), signed_ago_s=LONGEST_WAIT_S + 3600))
    async with taking.centre.database.transaction() as conn:
        await register.renew_key(conn, source_id="gauge-1", at=taking.centre.clock.at, by="test")
        await kept.ask_for_replay(conn, None, taking.centre.clock.at)
    await taking.ingest.replay_asked()
    assert [row["reason"] for row in await taking.rows(quarantine)] == ["bad_signature"]
    assert await taking.rows(sightings) == []


async def test_a_station_that_tells_too_much_is_limited_and_a_backlog_is_not(taking: Taking) -> None:
    flood = [envelope(taking.station, taking.station.signal(key=f"f{n}")) for n in range(int(BURST) + 5)]
    await taking.say(*flood)
    assert await taking.refused() == {"throttled": 5}
    assert len(await taking.rows(sightings)) == BURST
    other = await add_station(taking.centre, "gauge-2")
    waited = [envelope(other, other.signal(key=str(n)), signed_ago_s=8 * 3600 - 60 * n) for n in range(int(BURST) + 5)]
    await taking.say(*waited, topic=station_topic("gauge-2"))
    assert await taking.refused() == {"throttled": 5}, "told over an hour, come at once"


async def test_trying_again_costs_a_station_nothing(taking: Taking) -> None:
    """While the database is away the same message is tried many times: it is one message."""
    tries = 0

    class Away(StationSignals):
        async def __call__(self, change: Change, received: Received, *, is_replay: bool) -> Any:
            nonlocal tries
            done = await super().__call__(change, received, is_replay=is_replay)
            tries += 1
            if tries <= 3:
                raise DatabaseUnavailable
            return done

    taker = Away(taking.centre.centre.settings.data_dir / FILE_NAME)
    ingest = taking.another(taker)
    await taking.say(envelope(taking.station, taking.station.signal()), ingest=ingest)
    assert (tries, len(await taking.rows(sightings))) == (4, 1)
    assert taker._allowances["gauge-1"].tokens == BURST - 1


async def test_a_fault_of_ours_is_kept_and_stops_nothing(taking: Taking) -> None:
    class Broken(StationSignals):
        async def __call__(self, change: Change, received: Received, *, is_replay: bool) -> Any:
            if b"broken" in received.payload:
                raise RuntimeError("a fault of ours")
            return await super().__call__(change, received, is_replay=is_replay)

    ingest = taking.another(Broken(taking.centre.centre.settings.data_dir / FILE_NAME))
    bad = envelope(taking.station, taking.station.signal(text="broken"))
    good = envelope(taking.station, taking.station.signal(key="2"))
    await taking.say(bad, good, ingest=ingest)
    (row,) = await taking.rows(quarantine)
    assert (row["kind"], row["reason"]) == ("failed", "could not be committed: RuntimeError")
    assert len(await taking.rows(sightings)) == 1


async def test_a_kill_between_the_commit_and_the_acknowledgement_doubles_nothing(taking: Taking) -> None:
    """What was committed comes again to the next process, which has no memory of it."""
    payload = envelope(taking.station, taking.station.signal())
    await taking.ingest._commit([Received(TOPIC, payload, taking.centre.clock.at)], None)  # and then it is killed
    assert taking.acknowledged == 0
    fresh = taking.another(StationSignals(taking.centre.centre.settings.data_dir / FILE_NAME))
    await taking.say(payload, ingest=fresh)
    assert (len(await taking.rows(sightings)), len(await taking.rows(incidents))) == (1, 1)
    assert fresh.counts["signals_repeated"] == taking.acknowledged == 1


async def test_the_sources_say_their_topics_and_what_was_refused(taking: Taking) -> None:
    await taking.say(envelope(taking.station, taking.station.signal()), topic=station_topic("no-such"))
    await taking.centre.add_user("chief", Role.SUPERVISOR, city.WEST)
    async with taking.centre.signed_in("chief") as chief:
        body = (await chief.get("/api/intake/sources")).json()
    assert body["refused_over_mqtt"] == {"unknown_source": 1}
    assert [one["topic"] for one in body["sources"]] == [TOPIC]


@pytest.fixture(params=BROKER_KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestBroker]:
    kind: BrokerKind = request.param
    with running_broker(kind, tmp_path, node_ids=["edge-01"], source_ids=["gauge-1", "gauge-2"]) as running:
        yield running


async def test_over_a_real_broker_with_a_restart_before_the_acknowledgement(broker: TestBroker, taking: Taking) -> None:
    """Taken, committed, and the connection gone before the acknowledgement: the broker repeats it, nothing doubles."""
    link = _serving(broker)
    station = broker.node_link("gauge-1")
    payload = envelope(taking.station, taking.station.signal())
    incoming = None
    for _ in range(40):  # what is published before the first subscription is heard by nobody
        assert await asyncio.to_thread(station.publish(TOPIC, payload).wait, 10)
        incoming = await asyncio.to_thread(link.get, 1.0)
        if incoming is not None:
            break
    assert incoming is not None
    assert (incoming.topic, incoming.payload) == (TOPIC, payload)
    await taking.ingest._commit([Received(TOPIC, payload, taking.centre.clock.at)], None)
    await asyncio.to_thread(link.close)  # as after a kill: it was not acknowledged

    again = _serving(broker)
    repeated = await asyncio.to_thread(again.get, 60.0)  # NATS waits for half a minute
    assert repeated is not None, "the broker repeats what was not acknowledged"
    fresh = taking.another(StationSignals(taking.centre.centre.settings.data_dir / FILE_NAME))
    received = Received(repeated.topic, repeated.payload, taking.centre.clock.at)
    await fresh.take([Held(received, [repeated.acknowledge], system_mono())])
    assert (len(await taking.rows(sightings)), len(await taking.rows(incidents))) == (1, 1)
    assert fresh.counts["signals_repeated"] == 1


async def test_an_ingest_that_is_killed_again_and_again_doubles_and_loses_nothing(
    broker: TestBroker, taking: Taking, database_url: str
) -> None:
    """The real service in a process of its own; each signal is published once."""
    if taking.centre.database.dialect == "postgresql" and broker.kind == "mosquitto":
        pytest.skip("each broker and each database once is enough")
    taking.centre.clock.at = system_wall()
    station = broker.node_link("gauge-1")
    hello = envelope(taking.station, taking.station.signal(key="hello"))
    async with _ingest(broker, taking, database_url):
        for _ in range(60):  # until it listens
            assert await asyncio.to_thread(station.publish(TOPIC, hello).wait, 10)
            await asyncio.sleep(0.5)
            if await taking.rows(sightings):
                break
    told = 0
    for _ in range(3):
        before = len(await taking.rows(sightings))
        async with _ingest(broker, taking, database_url):
            for _ in range(TOLD_AT_ONCE):
                told += 1
                signal = taking.station.signal(key=f"s{told}", point=f"p{told}")
                station.publish(TOPIC, envelope(taking.station, signal))
            await _until(taking, lambda seen, before=before: seen > before + 2)  # type: ignore[misc]
        # killed here, in the middle of the others
    async with _ingest(broker, taking, database_url):
        await _until(taking, lambda seen: seen >= told + 1)
    keys = sorted(row["idempotency_key"] for row in await taking.rows(sightings))
    assert keys == sorted(["hello", *(f"s{number}" for number in range(1, told + 1))])
    assert len({row["alert_id"] for row in await taking.rows(alerts)}) == told + 1
    assert (await taking.rows(quarantine), await taking.refused()) == ([], {})


@contextlib.asynccontextmanager
async def _ingest(broker: TestBroker, taking: Taking, database_url: str) -> AsyncIterator[None]:
    """The ingest process; killed on the way out."""
    key_path = str(taking.centre.centre.settings.data_dir / FILE_NAME)
    who = (str(broker.port), broker.centre_user, broker.password(broker.centre_user))
    module = "tests.integration.central.flow.ingest_process"
    with forked(module, database_url, *who, key_path):
        yield


async def _until(taking: Taking, is_there: Callable[[int], bool]) -> None:
    give_up_mono_s = system_mono() + 60.0
    while not is_there(seen := len(await taking.rows(sightings))):
        assert system_mono() < give_up_mono_s, f"{seen} signals were taken"
        await asyncio.sleep(0.02)


def _serving(broker: TestBroker) -> MqttLink:
    """As ingest does it: a connection for a shard, asked for before it; the broker keeps the session."""
    link = broker.centre_link("centre-stations", connect=False)
    ask_for(link, [shard_of("gauge-1")])
    link.connect()
    return link


def test_a_station_publishes_its_own_topic_and_no_other(broker: TestBroker) -> None:
    centre = broker.centre_link()
    centre.subscribe("xueliang/v1/#")
    station = broker.node_link("gauge-1")
    foreign = [station_topic("gauge-2"), "xueliang/v1/01/nodes/edge-01/alerts", f"{TOPIC}/more", "elsewhere"]
    for topic in foreign:
        station.publish(topic, b"forbidden")
    node = broker.node_link("edge-01")
    node.publish(TOPIC, b"of a node")
    assert node.publish("xueliang/v1/01/nodes/edge-01/status", b"end of the node").wait(10)
    station.publish(TOPIC, b"end")
    seen: set[str] = set()
    while len(seen & {TOPIC, "xueliang/v1/01/nodes/edge-01/status"}) < 2:
        incoming = centre.get(20)
        assert incoming is not None, seen
        incoming.acknowledge()
        assert incoming.payload in {b"end", b"end of the node"}, incoming
        seen.add(incoming.topic)


def test_a_station_reads_nothing(broker: TestBroker) -> None:
    station = broker.node_link("gauge-2")
    for one in ("#", "xueliang/v1/#", station_filter(SHARDS[0]), TOPIC):
        station.subscribe(one)
    centre = broker.centre_link()
    centre.subscribe(TOPIC)
    assert centre.publish(TOPIC, b"for the centre").wait(10)
    incoming = centre.get(20)
    assert incoming is not None
    incoming.acknowledge()
    assert station.get(1.0) is None

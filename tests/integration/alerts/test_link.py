"""The MQTT link on real brokers: what is not acknowledged comes again, on the right connection."""

from __future__ import annotations

import random
import socket
import threading

from tests.support.brokers import TestBroker, free_port, wait_until
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.mqtt_link import MqttLink, MqttSettings
from xueliang_alerts.transport import Incoming, LinkPhase

TOPIC = "xueliang/v1/queue"


def test_what_was_not_acknowledged_comes_again_on_the_next_connection(broker: TestBroker) -> None:
    reader, writer = broker.centre_link("centre-reader"), broker.centre_link("centre-writer")
    reader.subscribe(TOPIC)
    assert writer.publish("xueliang/v1/other", b"").wait(10)
    wait_until(lambda: _taken_or_sent_again(reader, writer), what="the subscription works")
    assert writer.publish(TOPIC, b"one").wait(10)
    first = _next(reader, b"one")
    reader._drop_connection()
    wait_until(lambda: reader.state.generation == 2, what="a second connection")
    assert first.acknowledge() is False, "its connection is gone"
    again = _next(reader, b"one")
    assert again.generation == 2
    assert again.acknowledge() is True
    assert reader.counters()["acknowledged_too_late"] == 1


def _taken_or_sent_again(reader: MqttLink, writer: MqttLink) -> bool:
    writer.publish(TOPIC, b"probe")
    incoming = reader.get(0.5)
    if incoming is None:
        return False
    return incoming.acknowledge()


def _next(reader: MqttLink, payload: bytes) -> Incoming:
    while True:
        incoming = reader.get(45)
        assert incoming is not None, f"{payload!r} did not come within 45 s"
        if incoming.payload == payload:
            return incoming
        incoming.acknowledge()


def test_a_full_queue_loses_nothing(broker: TestBroker) -> None:
    settings = broker.settings("centre", client_id="centre-slow")
    slow = MqttLink(
        MqttSettings(
            host=settings.host,
            port=settings.port,
            client_id=settings.client_id,
            username=settings.username,
            password=settings.password,
            reconnect_min_s=0.1,
            queue_limit=40,
        ),
        mono=system_mono,
    )
    writer = broker.centre_link("centre-writer")
    slow.subscribe(TOPIC)
    slow.connect()
    try:
        wait_until(lambda: _taken_or_sent_again(slow, writer), what="the subscription works")
        for number in range(60):
            writer.publish(TOPIC, str(number).encode())
        wait_until(lambda: slow.counters().get("dropped_queue_full", 0) > 0, what="the queue overflows")
        came: set[bytes] = set()

        def all_came() -> bool:
            incoming = slow.get(0.2)
            if incoming is not None and incoming.acknowledge():
                came.add(incoming.payload)
            return len(came - {b"probe"}) == 60

        wait_until(all_came, what="all sixty, in the end", timeout_s=120)
    finally:
        slow.close()


def test_messages_nobody_asked_for_are_taken_off_the_session(broker: TestBroker) -> None:
    before = broker.centre_link("centre-x")
    before.subscribe(TOPIC)
    writer = broker.centre_link("centre-writer")
    wait_until(lambda: _taken_or_sent_again(before, writer), what="the subscription works")
    before.close()
    assert writer.publish(TOPIC, b"left over").wait(10)
    after = broker.centre_link("centre-x", connect=False)
    after.connect()
    wait_until(lambda: after.counters().get("dropped_unexpected_topic", 0) >= 1, what="the left-over dropped, counted")


def test_a_handler_that_fails_does_not_end_the_connection(broker: TestBroker) -> None:
    reader, writer = broker.centre_link("centre-reader"), broker.centre_link("centre-writer")
    good = threading.Event()

    def handler(incoming: Incoming) -> None:
        incoming.acknowledge()
        if incoming.payload == b"bad":
            raise RuntimeError("a fault in a handler")
        good.set()

    reader.subscribe(TOPIC, handler)

    def good_came() -> bool:
        writer.publish(TOPIC, b"bad")
        writer.publish(TOPIC, b"good")
        return good.wait(0.3) and reader.counters().get("handler_failed", 0) > 0

    wait_until(good_came, what="the message after the bad one")
    assert reader.state.generation == 1


def test_with_no_broker_it_keeps_trying_with_jitter_and_says_where() -> None:
    port = free_port()
    settings = MqttSettings(host="127.0.0.1", port=port, client_id="x", reconnect_min_s=0.05, reconnect_max_s=0.2)
    link = MqttLink(settings, mono=system_mono, rng=random.Random(1))
    link.connect()
    try:
        wait_until(lambda: link.counters().get("connect_failed", 0) >= 3, what="three attempts")
        assert link.state.phase is LinkPhase.CONNECTING
        assert f"127.0.0.1:{port}" in link.state.detail
    finally:
        link.close()
    assert link.state.phase is LinkPhase.CLOSED


def test_a_peer_that_never_answers_is_given_up_within_the_time_limit() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        settings = MqttSettings(
            host="127.0.0.1",
            port=silent.getsockname()[1],
            client_id="x",
            keepalive_s=1,
            reconnect_min_s=0.05,
            reconnect_max_s=0.2,
        )
        link = MqttLink(settings, mono=system_mono)
        link.connect()
        accepted: list[socket.socket] = []
        silent.settimeout(0.1)

        def came_twice() -> bool:
            try:
                accepted.append(silent.accept()[0])
            except TimeoutError:
                pass
            return len(accepted) >= 2

        try:
            wait_until(came_twice, what="a second attempt after the first was given up")
        finally:
            link.close()
            for connection in accepted:
                connection.close()

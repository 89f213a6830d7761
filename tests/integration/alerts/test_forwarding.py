"""Spool → broker → centre → receipt, on the real brokers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from tests.integration.alerts.centre import SmallCentre
from tests.support.brokers import TestBroker, wait_until
from tests.unit.alerts.bodies import an_alert, receipt_for
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import NodeState, read_status, to_bytes
from xueliang_alerts.forwarder import Forwarder, ForwarderSettings, StatusExtras, lost_will
from xueliang_alerts.mqtt_link import MqttLink
from xueliang_alerts.spool import Spool
from xueliang_alerts.topics import Leaf, node_topic

QUICK = ForwarderSettings(first_resend_s=0.5, longest_resend_s=2.0, unanswered_after_s=1.0)


@contextlib.contextmanager
def forwarding(
    broker: TestBroker, spool: Spool, settings: ForwarderSettings = QUICK
) -> Iterator[tuple[Forwarder, MqttLink]]:
    will = lost_will("edge-01", boot_id=spool.boot_id, spool_id=spool.spool_id, at=system_wall())
    link = broker.node_link("edge-01", will=will, connect=False)
    extras = StatusExtras(counters={"looks": 7})
    forwarder = Forwarder(
        spool, link, wall=system_wall, mono=system_mono, software="test", extras=lambda: extras, settings=settings
    )
    forwarder.start()
    link.connect()
    try:
        yield forwarder, link
    finally:
        forwarder.stop()
        link.close()


def test_everything_accepted_is_committed_once_and_settled_by_receipt(broker: TestBroker, spool: Spool) -> None:
    centre = SmallCentre(broker.centre_link())
    for number in range(100):
        spool.accept(an_alert(number))
    with forwarding(broker, spool) as (forwarder, _):
        for number in range(100, 150):
            spool.accept(an_alert(number))
        wait_until(lambda: spool.pending_count() == 0, what=f"all settled, {forwarder.health()}")
        assert centre.sequences() == list(range(1, 151))
        assert centre.clones == []
        wait_until(
            lambda: any(status.backlog_empty_since is not None for status in centre.statuses),
            what="a status that tells the backlog is empty",
        )
        assert forwarder.health().last_receipt_at is not None
        assert not forwarder.health().is_unanswered


def test_a_broker_killed_in_the_middle_loses_and_doubles_nothing(broker: TestBroker, spool: Spool) -> None:
    centre = SmallCentre(broker.centre_link())
    stop = threading.Event()
    accepted: list[int] = []

    def produce() -> None:
        for number in range(300):
            accepted.append(spool.accept(an_alert(number)).sequence)
            if stop.wait(0.005):
                return

    with forwarding(broker, spool) as (forwarder, _):
        producer = threading.Thread(target=produce)
        producer.start()
        try:
            wait_until(lambda: len(centre.sequences()) > 30, what="the first thirty committed")
            broker.restart()
            wait_until(lambda: len(centre.sequences()) > 120, what="alerts again after the first restart")
            broker.restart()
            producer.join(60)
        finally:
            stop.set()
            producer.join(10)
        wait_until(lambda: spool.pending_count() == 0, what=f"all settled, {forwarder.health()}", timeout_s=60)
    assert centre.sequences() == accepted == list(range(1, 301))
    assert centre.clones == []
    assert len(centre.order) == len(set(centre.order))


def test_acknowledged_by_the_broker_but_without_receipt_it_is_sent_again(broker: TestBroker, spool: Spool) -> None:
    centre = SmallCentre(broker.centre_link())
    centre.answers = False
    spool.accept(an_alert())
    with forwarding(broker, spool) as (forwarder, _):
        wait_until(lambda: centre.received[1] >= 2, what="the record a second time")
        wait_until(lambda: forwarder.health().is_unanswered, what="the node says that nobody answers")
        assert spool.pending_count() == 1
        centre.answers = True
        wait_until(lambda: spool.pending_count() == 0, what="settled once the centre answers")
        wait_until(lambda: not forwarder.health().is_unanswered, what="the complaint is taken back")
    assert centre.sequences() == [1]


def test_fresh_alerts_overtake_the_backlog(broker: TestBroker, spool: Spool) -> None:
    for number in range(600):
        spool.accept(an_alert(number))
    centre = SmallCentre(broker.centre_link())
    with forwarding(broker, spool, ForwarderSettings(window=8)):
        wait_until(lambda: len(centre.order) >= 8, what="the backlog begins")
        fresh = spool.accept(an_alert(9999)).sequence
        wait_until(lambda: spool.pending_count() == 0, what="all settled", timeout_s=60)
    place = centre.order.index(fresh)
    assert place < 400, f"the fresh alert came as number {place} of {len(centre.order)}"


def test_a_node_that_vanishes_is_told_lost_by_the_broker(broker: TestBroker, spool: Spool) -> None:
    watcher = broker.centre_link("centre-watch")
    watcher.subscribe(node_topic("edge-01", Leaf.STATUS))
    with forwarding(broker, spool) as (_, link):
        online = watcher.get(10)
        assert online is not None
        status = read_status(online.payload)
        assert (status.state, status.spool_id, status.software) == (NodeState.ONLINE, spool.spool_id, "test")
        assert status.counters["looks"] == 7
        online.acknowledge()
        _cut(link)
        _await_state(watcher, NodeState.LOST)  # the will; a status under way before the cut may come first
        _await_state(watcher, NodeState.ONLINE)
    _await_state(watcher, NodeState.STOPPED)


def _cut(link: MqttLink) -> None:
    """End the connection without a good-bye."""
    link._drop_connection()


def _await_state(watcher: MqttLink, wanted: NodeState) -> None:
    """Fails after five other statuses, or 20 s without any."""
    seen = []
    for _ in range(6):
        seen.append(_next_state(watcher))
        if seen[-1] is wanted:
            return
    raise AssertionError(f"no status {wanted}, but {seen}")


def _next_state(watcher: MqttLink) -> NodeState:
    while True:
        incoming = watcher.get(20)
        assert incoming is not None, "no status within 20 s"
        incoming.acknowledge()
        status = read_status(incoming.payload)
        if status.state is not NodeState.ONLINE or status.backlog_empty_since is not None:
            return status.state


def test_a_receipt_given_while_the_node_was_away_is_read_at_reconnect(broker: TestBroker, spool: Spool) -> None:
    for number in range(3):
        spool.accept(an_alert(number))
    centre = broker.centre_link()
    receipt = to_bytes(receipt_for(spool, 3))
    assert centre.publish(node_topic("edge-01", Leaf.RECEIPTS), receipt, retain=True).wait(10)
    with forwarding(broker, spool):
        wait_until(lambda: spool.pending_count() == 0, what="settled by the retained receipt alone")


def test_receipts_that_make_no_sense_are_counted_and_settle_nothing(broker: TestBroker, spool: Spool) -> None:
    spool.accept(an_alert())
    centre = broker.centre_link()
    foreign = receipt_for(spool, 1).model_copy(update={"node_id": "edge-02"})
    with forwarding(broker, spool) as (forwarder, _):
        wait_until(lambda: forwarder.health().phase == "connected", what="connected")
        for payload in (b"", b"\xff\xfe", b"[1]", b'{"spools": NaN}', b"{" * 5000, to_bytes(foreign)):
            assert centre.publish(node_topic("edge-01", Leaf.RECEIPTS), payload).wait(10)
        wait_until(
            lambda: (
                forwarder.health().counters.get("receipts_not_understood", 0) >= 5
                and forwarder.health().counters.get("receipts_of_another_node", 0) >= 1
            ),
            what=f"six bad receipts counted, {forwarder.health().counters}",
        )
        assert spool.pending_count() == 1
        centre.publish(node_topic("edge-01", Leaf.RECEIPTS), to_bytes(receipt_for(spool, 1)))
        wait_until(lambda: spool.pending_count() == 0, what="a good receipt still counts")

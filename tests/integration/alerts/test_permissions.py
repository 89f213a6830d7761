"""S02 on both brokers: a node uses its own topics and no others; nobody is anonymous."""

from __future__ import annotations

import pytest

from tests.support.brokers import TestBroker, wait_until
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.mqtt_link import MqttLink, MqttSettings
from xueliang_alerts.topics import NODE_PUBLISHES, NODE_READS, Leaf, node_topic
from xueliang_alerts.transport import LastWill, LinkPhase

END = b"end of the test"


def test_a_node_publishes_its_own_leaves_and_no_foreign_topic(broker: TestBroker) -> None:
    centre = broker.centre_link()
    centre.subscribe("xueliang/v1/#")
    node = broker.node_link("edge-01")
    forbidden = [node_topic("edge-02", leaf) for leaf in Leaf] + [node_topic("edge-01", leaf) for leaf in NODE_READS]
    for topic in [*forbidden, "xueliang/v1/other", "elsewhere"]:
        node.publish(topic, b"forbidden", retain=True)
    for leaf in NODE_PUBLISHES:
        node.publish(node_topic("edge-01", leaf), leaf.value.encode())
    node.publish(node_topic("edge-01", Leaf.STATUS), END)
    arrived: list[str] = []
    while (incoming := centre.get(20)) is not None:
        incoming.acknowledge()
        if incoming.payload == END:
            break
        arrived.append(incoming.topic)
    assert sorted(arrived) == sorted(node_topic("edge-01", leaf) for leaf in NODE_PUBLISHES)


@pytest.mark.parametrize("topic_filter", ["#", "xueliang/v1/+/nodes/+/receipts", node_topic("edge-02", Leaf.RECEIPTS)])
def test_a_node_reads_nothing_of_another(broker: TestBroker, topic_filter: str) -> None:
    node = broker.node_link("edge-01")
    own = node_topic("edge-01", Leaf.COMMANDS)
    node.subscribe(topic_filter)
    node.subscribe(own)
    centre = broker.centre_link()
    assert centre.publish(node_topic("edge-02", Leaf.RECEIPTS), b"for edge-02", retain=True).wait(10)
    assert centre.publish(node_topic("edge-02", Leaf.RECEIPTS), b"for edge-02").wait(10)
    seen: list[str] = []

    def own_message_came() -> bool:
        centre.publish(own, END)
        incoming = node.get(0.5)
        if incoming is not None:
            seen.append(incoming.topic)
            incoming.acknowledge()
        return own in seen

    wait_until(own_message_came, what="the node's own command")
    assert set(seen) == {own}


def test_a_last_will_on_a_foreign_topic_is_not_spoken(broker: TestBroker) -> None:
    centre = broker.centre_link()
    centre.subscribe("xueliang/v1/#")
    liar = broker.node_link(
        "edge-01", will=LastWill(node_topic("edge-02", Leaf.STATUS), b"edge-02 is lost"), connect=False
    )
    liar.connect()
    # Mosquitto refuses the connection, NATS drops the will: either way it is not heard.
    wait_until(lambda: liar.state.phase in (LinkPhase.CONNECTED, LinkPhase.REFUSED), what=f"an answer, {liar.state}")
    liar._drop_connection()
    honest = broker.node_link("edge-02")
    honest.publish(node_topic("edge-02", Leaf.STATUS), END)
    incoming = centre.get(20)
    assert incoming is not None
    assert incoming.payload == END


@pytest.mark.parametrize(
    ("username", "password"),
    [(None, None), ("edge-01", "wrong"), ("edge-01", None), ("nobody", "secret of nobody")],
    ids=["anonymous", "wrong password", "no password", "unknown user"],
)
def test_who_is_not_known_is_refused_and_it_says_so(
    broker: TestBroker, username: str | None, password: str | None
) -> None:
    settings = MqttSettings(host=broker.host, port=broker.port, client_id="x", username=username, password=password)
    link = MqttLink(settings, mono=system_mono)
    link.connect()
    try:
        wait_until(lambda: link.state.phase is LinkPhase.REFUSED, what=f"refused, {link.state}")
        assert "refused" in link.state.detail
        assert "secret" not in repr(settings)
        assert "wrong" not in repr(settings)
    finally:
        link.close()

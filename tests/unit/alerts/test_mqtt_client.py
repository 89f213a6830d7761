"""Reading in blocks gives the same bytes, and filters match as the protocol says."""

from __future__ import annotations

import socket

import paho.mqtt.client as paho
import pytest

from xueliang_alerts.mqtt_client import BlockReader, matches

FILTERS = ("a", "a/+/c", "#", "+", "+/b", "a/+", "a/+/#", "/#", "/+", "a//b", "a/b/#", "+/+", "$SYS/#", "a.b/+")
TOPICS = ("a", "a/b", "a/b/c", "/", "/a", "a//b", "a/", "$SYS", "$SYS/x", "a/b/c/d", "axb/c", "a.b/c", "", "a\n/b")


@pytest.mark.parametrize("topic_filter", FILTERS)
def test_filters_match_what_the_protocol_says(topic_filter: str) -> None:
    found = {topic for topic in TOPICS if matches(topic_filter, topic)}
    assert found == {topic for topic in TOPICS if paho.topic_matches_sub(topic_filter, topic)}


def test_blocks_are_handed_out_in_order_and_what_is_left_is_said() -> None:
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        reader = BlockReader(here)
        with pytest.raises(BlockingIOError):
            reader.recv(1)
        there.sendall(b"abcdef")
        assert [reader.recv(1), reader.recv(2)] == [b"a", b"bc"]
        assert reader.pending() == 3
        assert reader.recv(10) == b"def"
        assert reader.pending() == 0
        there.close()
        assert reader.recv(1) == b""

"""Topic names: one place makes them, one place reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_alerts.contract import ID_PATTERN
from xueliang_alerts.topics import (
    NODE_PUBLISHES,
    NODE_READS,
    SHARDS,
    Leaf,
    node_topic,
    parse_topic,
    shard_filter,
    shard_of,
)

node_ids = st.from_regex(ID_PATTERN.replace("$", r"\Z"), fullmatch=True)


@given(node_ids, st.sampled_from(Leaf))
def test_a_topic_reads_back_as_made(node_id: str, leaf: Leaf) -> None:
    parsed = parse_topic(node_topic(node_id, leaf))
    assert parsed is not None
    assert (parsed.node_id, parsed.leaf, parsed.shard) == (node_id, leaf, shard_of(node_id))
    assert parsed.shard in SHARDS


def test_shards_never_change() -> None:
    """Part of the contract: nodes, brokers and centres of different versions must agree."""
    assert [shard_of(node_id) for node_id in ("edge-01", "edge-02", "a")] == ["01", "01", "0a"]


def test_nodes_spread_over_all_shards() -> None:
    counts = [sum(shard_of(f"edge-{number}") == shard for number in range(1600)) for shard in SHARDS]
    assert min(counts) > 50


@pytest.mark.parametrize(
    "topic",
    [
        "xueliang/v1/00/nodes/edge-01/alerts",
        "xueliang/v1/01/nodes/edge-01/other",
        "xueliang/v1/01/nodes/edge-01/alerts/more",
        "xueliang/v1/01/nodes/edge-01/alerts\n",
        "xueliang/v1/01/nodes/EDGE-01/alerts",
        "xueliang/v2/01/nodes/edge-01/alerts",
        "x/xueliang/v1/01/nodes/edge-01/alerts",
        "",
        "\ufffd",
    ],
)
def test_foreign_topics_and_wrong_shards_are_none(topic: str) -> None:
    assert parse_topic(topic) is None


@pytest.mark.parametrize("node_id", ["", "+", "#", "a/b", "A", "a" * 64, "-a", "a\n", "a.b", "a*"])
def test_ids_that_would_break_topics_are_refused(node_id: str) -> None:
    with pytest.raises(ValueError, match="node_id must match"):
        node_topic(node_id, Leaf.ALERTS)


def test_a_shard_filter_covers_one_leaf_of_every_node_of_the_shard() -> None:
    assert shard_filter("0a", Leaf.ALERTS) == "xueliang/v1/0a/nodes/+/alerts"
    with pytest.raises(ValueError, match="shard must be"):
        shard_filter("10", Leaf.ALERTS)


def test_a_node_either_publishes_or_reads_a_leaf() -> None:
    assert set(NODE_PUBLISHES) | set(NODE_READS) == set(Leaf)
    assert not set(NODE_PUBLISHES) & set(NODE_READS)

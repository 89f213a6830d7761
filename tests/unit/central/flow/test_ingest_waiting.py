"""What is taken first of what waits, what belongs together, and what there is no room for."""

from __future__ import annotations

import queue
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.integration.central.flow.stage import NOON, HandClock, alert, received
from xueliang_alerts.contract import Alert, ClockState, Gap, Phase
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.waiting import (
    BOOKKEEPING_BYTES,
    GATHER_S,
    LONGEST_S,
    READING_PER_S,
    REFILLS_S,
    WINDOW,
    Held,
    Waiting,
)

LONG_AGO = NOON - timedelta(hours=2)


class Desk:
    """A `Waiting` with hand-moved clocks, and what was acknowledged."""

    def __init__(self, **more: Any) -> None:
        self.wall = HandClock()
        self.mono_s = 100.0
        self.acknowledged: list[bytes] = []
        self.waiting = Waiting(wall=self.wall, mono=self._mono, **more)

    def _mono(self) -> float:
        self.mono_s += 0.001  # so that waiting ends
        return self.mono_s

    def put(self, message: Received) -> None:
        payload = message.payload

        def acknowledge() -> bool:
            self.acknowledged.append(payload)
            return True

        self.waiting.put_nowait(Incoming(message.topic, payload, 1, False, 1, acknowledge))

    def take(self, limit: int = 200) -> list[bytes]:
        return [held.received.payload for held in self.held(limit)]

    def held(self, limit: int = 200) -> list[Held]:
        return self.waiting.take(limit, 0.0)


def fresh(number: int, phase: Phase = Phase.RAISED, revision: int = 1) -> Received:
    return received(_told(number, phase, revision, NOON), 10_000 + 10 * number + revision)


def old(number: int, phase: Phase = Phase.RAISED, revision: int = 1, **more: Any) -> Received:
    return received(_told(number, phase, revision, LONG_AGO, **more), 10 * number + revision)


def _told(number: int, phase: Phase, revision: int, at: Any, **more: Any) -> Alert:
    return alert(phase, revision, began_at=at + timedelta(seconds=number / 1000), **more)


def payloads(*messages: Received) -> list[bytes]:
    return [message.payload for message in messages]


def backlog(desk: Desk, count: int, first: int = 1000) -> list[Received]:
    """So many alerts of nodes of their own, each with its end."""
    made = []
    for number in range(first, first + count):
        for message in (old(number), old(number, Phase.CLEARED, 2)):
            made.append(Received(node_topic(f"edge-{number}", Leaf.ALERTS), message.payload, NOON))
            desk.put(made[-1])
    return made


def test_fresh_alerts_come_before_a_backlog_that_lay_before_them() -> None:
    desk = Desk()
    backlog(desk, 60)
    desk.put(fresh(1))
    desk.mono_s += LONGEST_S
    assert desk.take(10)[0] == fresh(1).payload


def test_an_end_is_taken_together_with_its_beginning_however_much_lies_between() -> None:
    desk = Desk()
    desk.put(old(1))
    backlog(desk, 40)
    desk.put(old(1, Phase.UPDATED, 2))
    desk.put(old(1, Phase.CLEARED, 3))
    desk.mono_s += 5
    batches = [desk.take(20) for _ in range(6)]
    own = payloads(old(1), old(1, Phase.UPDATED, 2), old(1, Phase.CLEARED, 3))
    [batch] = [one for one in batches if own[0] in one]
    assert [one for one in batch if one in own] == own


def test_what_stands_waits_for_its_end_while_a_backlog_is_read_and_then_comes_first() -> None:
    desk = Desk()
    desk.put(old(1))
    backlog(desk, READING_PER_S)
    desk.mono_s += 0.5
    assert desk.take() == [], "at first a backlog is only read"
    desk.mono_s += 1.0
    backlog(desk, READING_PER_S, first=3000)
    assert old(1).payload not in desk.take()
    desk.mono_s += 3.0
    assert desk.take()[0] == old(1).payload


def test_what_stands_does_not_wait_longer_than_a_minute() -> None:
    desk = Desk()
    desk.put(old(1))
    came_mono_s = desk.mono_s
    for number in range(400):
        backlog(desk, READING_PER_S, first=1000 * (number + 1))
        if old(1).payload in desk.take(1000):
            break
    assert LONGEST_S <= desk.mono_s - came_mono_s < LONGEST_S + 2


def test_a_single_late_alert_waits_a_second() -> None:
    desk = Desk()
    desk.put(old(1))
    assert desk.take() == []
    desk.mono_s += 1.0
    assert desk.take() == payloads(old(1))


def test_a_node_with_a_whole_window_here_has_more_so_its_ends_go_first_and_what_stands_waits() -> None:
    desk = Desk()
    backlog(desk, 30)
    stands, ends = [old(1), old(2)], []
    for number in range(3, 3 + WINDOW // 2):
        ends += [old(number), old(number, Phase.CLEARED, 2)]
    for message in (*stands, *ends):
        desk.put(message)
    desk.mono_s += 5
    assert desk.take(4) == payloads(*ends[:4])[:4]
    assert stands[0].payload not in desk.take(4), "no whole window any more, but more comes once it has receipts"
    desk.mono_s += REFILLS_S
    assert stands[0].payload in desk.take(4)


def test_a_node_that_comes_back_alone_with_more_than_a_window_asks_nobody_for_what_has_ended() -> None:
    """Each time it has receipts it sends as many records more; the last end lies two windows behind its beginning."""
    desk = Desk()
    spool = [old(1)]
    for number in range(2, 2 + WINDOW):
        spool += [old(number), old(number, Phase.CLEARED, 2)]
    spool.append(old(1, Phase.CLEARED, 2))
    sent, taken = 0, list[bytes]()
    while len(taken) < len(spool):
        while sent - len(taken) < WINDOW and sent < len(spool):
            desk.put(spool[sent])
            sent += 1
        desk.mono_s += 1.5
        taken += desk.take(20)
        has_begun, has_ended = spool[0].payload in taken, spool[-1].payload in taken
        assert has_begun == has_ended, "its beginning was taken without its end"
    assert sent == len(spool)


def test_a_node_that_was_behind_and_tells_something_fresh_all_the_time_waits_no_longer_than_others() -> None:
    desk = Desk()
    for number in range(1, 1 + WINDOW // 2):
        desk.put(old(number))
        desk.put(old(number, Phase.CLEARED, 2))
    desk.mono_s += 2
    assert len(desk.take()) == WINDOW
    for number in range(50):
        desk.mono_s += REFILLS_S / 5
        desk.put(fresh(number))
        desk.take()
    desk.put(old(900))
    desk.mono_s += 1.5
    assert old(900).payload in desk.take()


def test_while_a_backlog_is_read_nodes_with_a_whole_window_get_some_receipts() -> None:
    """They may hold something fresh."""
    desk = Desk()
    backlog(desk, READING_PER_S)
    for number in range(1, 1 + WINDOW // 2):
        desk.put(old(number))
        desk.put(old(number, Phase.CLEARED, 2))
    assert desk.take() == payloads(old(1), old(1, Phase.CLEARED, 2)), "as much as makes room"
    assert desk.take() == []


def test_an_alert_of_a_node_whose_clock_is_wrong_does_not_wait() -> None:
    desk = Desk()
    backlog(desk, 60)
    wrong = old(1, clock_state=ClockState.UNTRUSTED)
    desk.put(wrong)
    assert desk.take(10)[0] == wrong.payload


def test_a_gap_is_taken_after_all_that_its_node_has_here() -> None:
    desk = Desk()
    gap = received(Gap(first_sequence=900, last_sequence=901, why="cap"), 902)
    for message in (old(1), old(1, Phase.CLEARED, 2), gap, old(2), old(2, Phase.CLEARED, 2)):
        desk.put(message)
    desk.mono_s += 5
    assert gap.payload not in desk.take(2)
    assert desk.take(5)[-1] == gap.payload


def test_a_repeated_message_is_kept_once_and_every_copy_acknowledged_with_it() -> None:
    desk = Desk()
    for _ in range(3):
        desk.put(fresh(1))
    assert desk.waiting.size_bytes > 2 * BOOKKEEPING_BYTES, "not sorted yet"
    [held] = desk.held()
    assert desk.waiting.size_bytes == 0
    assert desk.acknowledged == []
    assert held.acknowledge() == 0
    assert desk.acknowledged == [fresh(1).payload] * 3


def test_only_the_newest_status_of_a_node_waits_and_it_alone_is_not_acknowledged() -> None:
    desk = Desk()
    topic = node_topic("edge-01", Leaf.STATUS)
    for said in (b"1", b"2", b"3"):
        desk.put(Received(topic, said, NOON))
    assert desk.take() == [b"3"]
    assert desk.acknowledged == [b"1", b"2"]


def told_of(name: str) -> float:
    """What /metrics says, over all shards."""
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.name == name)


def test_what_finds_no_room_stays_at_the_broker_until_there_is_room_again() -> None:
    size = len(old(1).payload) + BOOKKEEPING_BYTES
    desk, told = Desk(limit_bytes=10 * size), []
    before, left_before = told_of("central_ingest_unacknowledged"), told_of("central_ingest_left_at_broker_total")
    desk.waiting.on_room(lambda: told.append(True))
    with pytest.raises(queue.Full):
        backlog(desk, 20)
    assert desk.waiting.counts["left_at_broker"] == 1
    assert told_of("central_ingest_unacknowledged") - before == desk.waiting.messages > 0
    assert told_of("central_ingest_left_at_broker_total") - left_before == 1
    assert desk.waiting.size_bytes <= 10 * size
    desk.put(fresh(1))  # has some room of its own
    assert fresh(1).payload in desk.take(4)
    assert not told
    while desk.waiting.messages:
        desk.mono_s += 2
        assert desk.take(4)
    assert told == [True]
    assert desk.waiting.size_bytes == 0
    assert told_of("central_ingest_unacknowledged") == before
    backlog(desk, 2, first=5000)


def test_what_came_for_shards_that_are_another_s_is_forgotten_and_not_acknowledged() -> None:
    desk = Desk()
    backlog(desk, 20)
    desk.put(fresh(1))
    shard = fresh(1).topic.split("/")[2]
    before, theirs = desk.waiting.messages, desk.waiting.count_of([shard])
    assert theirs > 0
    desk.waiting.forget([shard])
    assert desk.waiting.count_of([shard]) == 0
    assert desk.waiting.messages == before - theirs
    desk.mono_s += 5
    left = desk.held(1000)
    assert left
    assert all(held.received.topic.split("/")[2] != shard for held in left)
    assert desk.waiting.size_bytes == desk.waiting.messages == 0
    assert desk.acknowledged == []


def test_whatever_comes_most_something_of_everything_is_in_a_batch() -> None:
    desk = Desk()
    backlog(desk, 10)
    desk.put(Received(node_topic("edge-01", Leaf.STATUS), b"{}", NOON))
    for number in range(100):
        desk.put(fresh(number))
    taken = desk.take(16)
    kinds = {
        b"{}" if one == b"{}" else (b"2026" if one in payloads(*map(fresh, range(100))) else b"old") for one in taken
    }
    assert len(kinds) == 3


def test_what_cannot_be_read_is_taken_as_it_comes() -> None:
    desk = Desk()
    topic = node_topic("edge-01", Leaf.ALERTS)
    for payload in (b"", b"[]", b'{"body": 3}', b'{"body": {"kind": "alert"}}', b"\xff", b"[" * 5000):
        desk.put(Received(topic, payload, NOON))
    assert len(desk.take()) == 6


def test_what_came_while_a_batch_was_committed_is_taken_at_once_and_only_a_first_waits_for_others() -> None:
    def taken_after_ms(waited_s: float) -> int:
        desk = Desk()
        desk.put(fresh(1))
        desk.mono_s += waited_s
        before_s = desk.mono_s
        assert len(desk.take()) == 1
        return round((desk.mono_s - before_s) * 1000)

    assert taken_after_ms(0.0) > taken_after_ms(2 * GATHER_S)


def test_it_is_told_that_a_backlog_is_read_and_that_it_is_over() -> None:
    """Also where what came in one second is sorted in after a look in the next."""
    desk, told = Desk(), list[bool]()
    desk.waiting.on_backlog(told.append)
    desk.mono_s = 100.5
    backlog(desk, READING_PER_S)
    desk.take()
    assert told == [True]
    desk.mono_s = 101.01
    desk.take()
    desk.mono_s = 100.99
    backlog(desk, READING_PER_S, first=5000)
    desk.mono_s = 101.02
    desk.take()
    assert told == [True]
    desk.mono_s = 103.5
    desk.take()
    assert told == [True, False]

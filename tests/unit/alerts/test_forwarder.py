"""When the forwarder sends, repeats and complains: by hand-moved clocks and a transport that only takes notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.unit.alerts.bodies import Clock, an_alert, open_spool, receipt_for
from xueliang_alerts.contract import NodeStatus, Receipt, read_message, read_status, to_bytes
from xueliang_alerts.errors import NotConnected
from xueliang_alerts.forwarder import Forwarder, ForwarderSettings, StatusExtras
from xueliang_alerts.spool import Spool
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Handler, Incoming, LinkPhase, LinkState, PublishHandle, StateListener


class Taken:
    """A publish that the broker has acknowledged, or not."""

    def __init__(self, is_acknowledged: bool) -> None:
        self.is_acknowledged = is_acknowledged

    def wait(self, timeout_s: float) -> bool:
        return self.is_acknowledged


class NotingTransport:
    """A Transport that keeps what was published."""

    def __init__(self) -> None:
        self.state = LinkState(LinkPhase.CONNECTED, 1, 0.0)
        self.published: list[tuple[str, bytes, bool]] = []
        self.handlers: dict[str, Handler | None] = {}
        self.acknowledges_publishes = True
        self.acknowledged: list[str] = []

    def connect(self) -> None: ...

    def close(self, timeout_s: float = 5.0) -> None: ...

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> PublishHandle:
        if not self.state.is_connected:
            raise NotConnected("no connection")
        self.published.append((topic, payload, retain))
        return Taken(self.acknowledges_publishes)

    def subscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        self.handlers[topic_filter] = handler

    def unsubscribe(self, topic_filter: str) -> None: ...

    def get(self, timeout_s: float) -> Incoming | None:
        return None

    def on_state(self, listener: StateListener) -> None: ...

    def counters(self) -> dict[str, int]:
        return {}

    def sequences(self) -> list[int]:
        """Sequences published so far, in order; forgets them."""
        taken = [read_message(payload).sequence for topic, payload, _ in self.published if topic.endswith("/alerts")]
        self.published = [item for item in self.published if not item[0].endswith("/alerts")]
        return taken

    def statuses(self) -> list[NodeStatus]:
        return [read_status(payload) for topic, payload, _ in self.published if topic.endswith("/status")]


class Stage:
    """Spool, transport, forwarder and clock; `at(seconds)` moves the clock and does one round."""

    def __init__(self, directory: Path, settings: ForwarderSettings, extras: Callable[[], StatusExtras] | None) -> None:
        self.clock = Clock()
        self.spool: Spool = open_spool(directory, self.clock)
        self.transport = NotingTransport()
        self.forwarder = Forwarder(
            self.spool,
            self.transport,
            wall=self.clock.wall,
            mono=self.clock.mono,
            extras=extras,
            settings=settings,
        )

    def accept(self, count: int) -> None:
        for number in range(count):
            self.spool.accept(an_alert(number))

    def at(self, seconds: float) -> list[int]:
        self.clock.seconds = seconds
        self.forwarder.step()
        return self.transport.sequences()

    def receipt(self, receipt: Receipt, *, is_retained: bool = False) -> None:
        def acknowledge() -> bool:
            self.transport.acknowledged.append("receipt")
            return True

        topic = node_topic("edge-01", Leaf.RECEIPTS)
        self.forwarder._take(Incoming(topic, to_bytes(receipt), 1, is_retained, 1, acknowledge))

    def reconnect(self) -> None:
        generation = self.transport.state.generation + 1
        self.transport.state = LinkState(LinkPhase.CONNECTED, generation, self.clock.seconds)

    def disconnect(self) -> None:
        self.transport.state = LinkState(
            LinkPhase.CONNECTING, self.transport.state.generation, self.clock.seconds, "connection lost"
        )


MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[MakeStage]:
    stages: list[Stage] = []

    def make(extras: Callable[[], StatusExtras] | None = None, **settings: float) -> Stage:
        stage = Stage(
            tmp_path / f"spool-{len(stages)}", ForwarderSettings(**{"listen_first_s": 0.0, **settings}), extras
        )  # type: ignore[arg-type]
        stages.append(stage)
        return stage

    yield make
    for stage in stages:
        stage.spool.close()


def test_without_a_receipt_a_record_goes_again_after_3_6_12_seconds_up_to_60(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.accept(1)
    sent_at = [seconds for seconds in range(300) if stage.at(float(seconds))]
    gaps = [after - before for before, after in pairwise(sent_at)]
    assert gaps == [3, 6, 12, 24, 48, 60, 60, 60]


def test_a_receipt_ends_the_repeating_and_is_acknowledged(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.accept(2)
    assert stage.at(0.0) == [1, 2]
    stage.receipt(receipt_for(stage.spool, 1))
    assert stage.at(0.1) == []
    assert stage.at(3.0) == [2]
    stage.receipt(receipt_for(stage.spool, 2))
    assert [stage.at(float(seconds)) for seconds in range(4, 100)] == [[]] * 96
    assert stage.transport.acknowledged == ["receipt", "receipt"]


def test_what_is_under_way_without_receipt_is_bounded(make_stage: MakeStage) -> None:
    stage = make_stage(window=5)
    stage.accept(20)
    stage.reconnect()
    assert stage.at(0.0) == [1, 2, 3, 4, 5]
    stage.receipt(receipt_for(stage.spool, 2))
    assert stage.at(0.1) == [6, 7]


def test_fresh_records_have_a_window_of_their_own(make_stage: MakeStage) -> None:
    stage = make_stage(window=5, fresh_window=3)
    stage.accept(20)
    stage.reconnect()
    assert stage.at(0.0) == [1, 2, 3, 4, 5]
    stage.accept(4)
    assert stage.at(0.1) == [22, 23, 24], "newest first when they do not all fit, in order among themselves"
    stage.receipt(receipt_for(stage.spool, 0, committed=((22, 24),)))
    assert stage.at(0.2) == [21]


def test_of_what_is_late_together_only_a_few_go_again_as_a_question(make_stage: MakeStage) -> None:
    stage = make_stage(window=50, questions=4)
    stage.accept(50)
    stage.reconnect()
    assert len(stage.at(0.0)) == 50
    assert stage.at(3.0) == [1, 2, 3, 4]
    assert stage.at(9.0) == [5, 6, 7, 8]
    assert stage.at(21.0) == [9, 10, 11, 12]


def test_once_a_question_is_answered_the_rest_follows_twice_as_many_each_time(make_stage: MakeStage) -> None:
    """The broker had lost them all: the centre answers what goes again, and promptly."""
    stage = make_stage(window=50, questions=4)
    stage.accept(50)
    stage.reconnect()
    stage.at(0.0)
    went, through, now = [], 0, 3.0
    while through < 50:
        again = stage.at(now)
        went.append(len(again))
        through = max(again)
        stage.receipt(receipt_for(stage.spool, through))
        stage.at(now + 0.1)
        now += 3.2
    assert went == [4, 8, 16, 22]


def test_a_centre_that_is_slow_is_given_the_time_it_takes(make_stage: MakeStage) -> None:
    stage = make_stage(window=50, questions=4)
    for round_ in range(8):  # it answers after 20 s, long after the last repeat
        stage.accept(10)
        start = 1000.0 * round_
        stage.at(start)
        stage.at(start + 19.9)
        stage.receipt(receipt_for(stage.spool, 10 * (round_ + 1)))
        stage.at(start + 20.0)
    stage.accept(10)
    assert len(stage.at(9000.0)) == 10
    assert [stage.at(9000.0 + seconds) for seconds in range(1, 20)] == [[]] * 19
    assert stage.at(9060.0)[:4] == [81, 82, 83, 84]


def test_after_a_reconnect_what_the_broker_had_acknowledged_goes_again_at_once(make_stage: MakeStage) -> None:
    """It may have lost it with its power; what it had not acknowledged, the MQTT client repeats by itself."""
    stage = make_stage()
    stage.accept(1)
    assert stage.at(0.0) == [1]
    stage.transport.acknowledges_publishes = False
    stage.accept(1)
    assert stage.at(0.5) == [2]
    stage.disconnect()
    assert stage.at(1.0) == []
    stage.reconnect()
    assert stage.at(2.0) == [1]
    assert 2 in stage.at(5.5)


def test_after_60_s_without_an_answer_it_says_so_and_takes_it_back(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.accept(1)
    for seconds in range(0, 60, 5):
        stage.at(float(seconds))
    assert not stage.forwarder.health().is_unanswered
    stage.at(60.0)
    health = stage.forwarder.health()
    assert health.is_unanswered
    assert health.counters["unanswered"] == 1
    stage.at(100.0)
    assert stage.forwarder.health().counters["unanswered"] == 1, "said once"
    stage.receipt(receipt_for(stage.spool, 1))
    stage.at(101.0)
    assert not stage.forwarder.health().is_unanswered


def test_an_idle_node_owes_no_answer(make_stage: MakeStage) -> None:
    stage = make_stage()
    for seconds in range(0, 600, 30):
        stage.at(float(seconds))
    assert stage.forwarder.health().silent_for_s == 0


def test_an_old_retained_receipt_is_no_answer(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.accept(1)
    stage.at(0.0)
    stage.receipt(receipt_for(stage.spool, 0), is_retained=True)
    stage.at(61.0)
    assert stage.forwarder.health().is_unanswered


def test_the_status_tells_backlog_and_extras_and_goes_out_when_the_backlog_ends(make_stage: MakeStage) -> None:
    stage = make_stage(lambda: StatusExtras(counters={"looks": 3}))
    stage.accept(2)
    stage.at(0.0)
    first = stage.transport.statuses()[-1]
    assert (first.backlog_records, first.last_sequence, first.backlog_empty_since) == (2, 2, None)
    assert first.counters["looks"] == 3
    stage.receipt(receipt_for(stage.spool, 2))
    stage.at(1.0)
    last = stage.transport.statuses()[-1]
    assert last.backlog_records == 0
    assert last.backlog_empty_since == stage.clock.wall()
    count = len(stage.transport.statuses())
    stage.at(2.0)
    assert len(stage.transport.statuses()) == count
    stage.at(40.0)
    assert len(stage.transport.statuses()) == count + 1
    assert all(retain for topic, _, retain in stage.transport.published if topic.endswith("/status"))


def test_a_damaged_record_is_passed_over_and_declared(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.accept(3)
    segment = next(stage.spool.directory.glob("*.seg"))
    data = bytearray(segment.read_bytes())
    data[data.find(b'"number":"1"') + 11] ^= 1
    segment.write_bytes(bytes(data))
    sent = stage.at(0.0) + stage.at(2.0)
    assert sent == [1, 3, 4], "1 and 3 are alerts, 4 is the gap that declares 2"


def test_after_a_connect_it_listens_for_the_retained_receipt_before_it_sends(make_stage: MakeStage) -> None:
    stage = make_stage(listen_first_s=1.0)
    stage.accept(2)
    assert stage.at(0.0) == []
    stage.receipt(receipt_for(stage.spool, 0))
    assert stage.at(0.2) == [1, 2]
    silent = make_stage(listen_first_s=1.0)
    silent.accept(1)
    assert silent.at(0.0) == []
    assert silent.at(1.1) == [1]


@pytest.mark.parametrize("fault", ["raises", "invalid"])
def test_whatever_a_node_tells_about_itself_alerts_go_out(make_stage: MakeStage, fault: str) -> None:
    def extras() -> StatusExtras:
        if fault == "raises":
            raise RuntimeError("a fault of the node")
        return StatusExtras(cameras=("no camera status",))  # type: ignore[arg-type]

    stage = make_stage(extras)
    stage.accept(1)
    assert stage.at(0.0) == [1]
    assert stage.forwarder.health().counters["status_extras_failed"] >= 1

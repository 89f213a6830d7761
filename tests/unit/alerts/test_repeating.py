"""Which records go again because no receipt has come, and when."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from xueliang_alerts.repeating import Repeating, Sent

STEP_S = 0.1
Queue = deque[int]


def made() -> Repeating:
    return Repeating(3.0, 60.0, questions=4, window=96)


def play(records_per_s: float, centre_per_s: float, seconds: float, lost: range = range(0)) -> tuple[int, int, float]:
    """One node, 32 records under way at most, a broker that keeps order, a centre with a pace of its own.

    `lost`: records whose first copy the broker loses. Returns records, repeats, and when the last was answered.
    """
    repeating, under_way, waiting = made(), dict[int, Sent](), deque[int]()
    broker: Queue = deque()
    made_count, repeats, now, credit = 0, 0, 0.0, 0.0
    while now < seconds or under_way or waiting:
        while now < seconds and made_count < records_per_s * now:
            made_count += 1
            waiting.append(made_count)
        while waiting and len(under_way) < 32:
            sequence = waiting.popleft()
            under_way[sequence] = Sent(now)
            if sequence not in lost:
                broker.append(sequence)
        again = repeating.due(under_way, now)
        repeats += len(again)
        broker.extend(again)
        credit = min(credit + centre_per_s * STEP_S, 5.0)
        taken = set()
        while credit >= 1 and broker:
            credit -= 1
            taken.add(broker.popleft())
        if done := [under_way.pop(sequence) for sequence in taken if sequence in under_way]:
            repeating.answered(done, under_way.values(), now)
        now += STEP_S
        assert now < 10_000, "some record was never answered"
    return made_count, repeats, now


def test_a_centre_at_a_tenth_of_the_pace_is_not_told_everything_again_and_again() -> None:
    records, repeats, _ = play(records_per_s=2.0, centre_per_s=0.2, seconds=60)
    assert repeats < 2 * records


def test_a_window_that_the_broker_lost_is_there_again_within_seconds() -> None:
    _, repeats, ended = play(records_per_s=10.0, centre_per_s=100.0, seconds=5, lost=range(1, 30))
    assert repeats == 29
    assert ended < 20


def test_where_nothing_is_lost_or_late_nothing_is_repeated() -> None:
    assert play(records_per_s=5.0, centre_per_s=50.0, seconds=60)[1] == 0


@given(st.sets(st.integers(1, 60), max_size=60), st.sampled_from([0.3, 1.0, 10.0]))
def test_every_record_is_answered_whatever_the_broker_loses(lost: set[int], centre_per_s: float) -> None:
    first, last = (min(lost), max(lost)) if lost else (0, -1)
    records, _, _ = play(records_per_s=2.0, centre_per_s=centre_per_s, seconds=30, lost=range(first, last + 1))
    assert records > 0


def test_records_that_are_never_answered_hold_up_no_other() -> None:
    repeating, under_way = made(), {sequence: Sent(0.0) for sequence in range(1, 9)}
    again = [sequence for second in range(200) for sequence in repeating.due(under_way, float(second))]
    assert set(again) == set(under_way)


def test_a_node_of_few_records_learns_that_its_centre_is_slow() -> None:
    repeating, repeats = made(), 0
    for record in range(20):
        sent_s = 120.0 * record
        under_way = {record: Sent(sent_s)}
        repeats += sum(len(repeating.due(under_way, sent_s + second)) for second in range(30))
        done = [under_way.pop(record)]
        repeating.answered(done, under_way.values(), sent_s + 30)
    assert repeats <= 5

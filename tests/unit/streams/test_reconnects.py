"""F01: absent cameras take turns, so that all of a node together are tried seldom; one alone never waits for a turn."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest

from xueliang_streams.backoff import Backoff
from xueliang_streams.errors import CameraUnreachable
from xueliang_streams.reconnects import BURST, Reconnects
from xueliang_streams.source import SourceHealth
from xueliang_streams.standing import IN_TURN_WORDS, Standing

NODE_PER_S = 0.45
HOUR_S = 3600.0
STEP_S = 0.02
AWAY = CameraUnreachable("rtsp://gate/1: nothing listens there")


class Cameras:
    """Cameras without sockets: those in `away` refuse at once, the others send packets a second after the attempt."""

    def __init__(self, count: int, turns: Sequence[Reconnects | None]) -> None:
        self.now_s = 0.0
        self.away = set(range(count))
        self.attempts_s: list[list[float]] = [[] for _ in range(count)]
        self.streaming_s: dict[int, float] = {}
        self._playing: dict[int, float] = {}
        self._standings = [
            Standing(
                f"camera-{index}",
                backoff=Backoff(),
                rng=Random(index),
                stall_after_s=4.0,
                now_s=0.0,
                reconnects=turns[index % len(turns)],
            )
            for index in range(count)
        ]

    def run(self, until_s: float) -> None:
        while self.now_s < until_s:
            for index, standing in enumerate(self._standings):
                self._poll(index, standing)
            # From one thing that happens to the next; a stream that plays is looked at every second.
            waits_s = [
                standing.waits_s(self.now_s) for n, standing in enumerate(self._standings) if n not in self._playing
            ]
            self.now_s = min(until_s, self.now_s + max(STEP_S, min(waits_s + [1.0] * bool(self._playing))))

    def health(self, index: int) -> SourceHealth:
        return self._standings[index].health(self.now_s, {}, "")

    def attempts_in(self, begin_s: float, end_s: float) -> int:
        return sum(begin_s <= at < end_s for one in self.attempts_s for at in one)

    def _poll(self, index: int, standing: Standing) -> None:
        began_s = self._playing.get(index)
        if began_s is not None:
            if index in self.away:
                del self._playing[index]
                self.streaming_s.pop(index, None)
                standing.failed(AWAY, self.now_s)
            elif self.now_s >= began_s + 1.0:
                standing.packets_arrived(self.now_s, began_s)
                self.streaming_s.setdefault(index, self.now_s)
        elif standing.waits_s(self.now_s) <= 0:
            standing.attempt_begins(self.now_s)
            self.attempts_s[index].append(self.now_s)
            if index in self.away:
                standing.failed(AWAY, self.now_s)
            else:
                self._playing[index] = self.now_s


def four_processes(per_s: float = NODE_PER_S) -> list[Reconnects]:
    return [Reconnects(per_s / 4, 0.0) for _ in range(4)]


def test_64_absent_cameras_are_tried_at_most_every_two_seconds_for_hours() -> None:
    cameras = Cameras(64, four_processes())
    cameras.run(4 * HOUR_S)
    whole_hour = cameras.attempts_in(0, HOUR_S)
    assert whole_hour <= 0.5 * HOUR_S, f"{whole_hour} attempts in the first hour, start and burst among them"
    for begin_s in range(120, int(4 * HOUR_S) - 600, 600):
        rate = cameras.attempts_in(begin_s, begin_s + 600) / 600
        assert 0.4 <= rate <= 0.46, f"{rate:.3f} attempts/s from {begin_s} s on"
    gaps_s = [after - before for one in cameras.attempts_s for before, after in pairwise(one) if before > 600]
    assert max(gaps_s) < 1.2 * 64 / NODE_PER_S, "every camera has its turn"


def test_one_absent_camera_alone_is_tried_exactly_as_without_a_limit() -> None:
    limited, free = Cameras(1, four_processes()), Cameras(1, [None])
    for cameras in (limited, free):
        cameras.run(HOUR_S)
    assert limited.attempts_s == free.attempts_s
    gaps_s = [after - before for before, after in pairwise(limited.attempts_s[0])]
    assert gaps_s[0] <= 2.2
    assert min(gaps_s[6:]) >= 30
    assert max(gaps_s) <= 60.2


def test_a_few_absent_cameras_have_their_first_tries_without_waiting() -> None:
    limited, free = Cameras(4, [Reconnects(NODE_PER_S / 4, 0.0)]), Cameras(4, [None])
    for cameras in (limited, free):
        cameras.run(10.0)
    assert limited.attempts_s == free.attempts_s


def test_a_camera_that_breaks_off_among_many_absent_ones_is_tried_at_once() -> None:
    cameras = Cameras(16, [Reconnects(NODE_PER_S / 4, 0.0)])
    cameras.away.discard(3)
    cameras.run(600.0)
    cameras.away.add(3)
    cameras.run(600.5)
    cameras.away.discard(3)
    cameras.run(605.0)
    assert 3 in cameras.streaming_s, cameras.health(3)


def test_cameras_that_come_back_together_follow_each_other_at_once() -> None:
    cameras = Cameras(64, four_processes())
    cameras.run(1200.0)
    cameras.away.clear()
    cameras.run(1300.0)
    assert len(cameras.streaming_s) == 64
    lasted_s = max(cameras.streaming_s.values()) - 1200
    assert lasted_s <= 61, f"the last came after {lasted_s:.0f} s, later than its own back-off"


def test_a_camera_that_comes_back_among_the_absent_is_seen_within_a_round() -> None:
    cameras = Cameras(64, four_processes())
    cameras.run(1200.0)
    cameras.away.discard(17)
    cameras.run(1200.0 + 64 / NODE_PER_S + 3)
    assert 17 in cameras.streaming_s


def test_a_wait_for_its_turn_is_said_in_the_health_and_is_part_of_the_back_off() -> None:
    cameras = Cameras(16, [Reconnects(NODE_PER_S / 4, 0.0)])
    cameras.run(300.0)
    waiting = [cameras.health(index) for index in range(16)]
    assert all(IN_TURN_WORDS in (health.problem or "") for health in waiting)
    assert max(health.next_attempt_in_s or 0.0 for health in waiting) > 61
    lone = Cameras(1, [Reconnects(NODE_PER_S / 4, 0.0)])
    lone.run(300.0)
    assert lone.health(0).problem == str(AWAY)


def test_who_was_due_first_is_first_and_one_that_never_comes_holds_back_one_turn_only() -> None:
    turns = Reconnects(1.0, 0.0, burst=1)
    for who in ("gone", "second", "third"):
        turns.begin(who, 0.0)
    turns.wait("spends", 0.0)
    turns.begin("spends", 0.0)
    for due_s, who in ((0.1, "gone"), (0.2, "second"), (0.3, "third")):
        turns.wait(who, due_s)
    assert turns.waits_s("third", 0.3) > turns.waits_s("second", 0.3) > turns.waits_s("gone", 0.3) > 0
    assert turns.waits_s("second", 1.5) > 0, "it is the other one's turn"
    turns.leave("gone")
    assert turns.waits_s("second", 1.5) == 0
    patient = Reconnects(1.0, 0.0, burst=BURST)
    patient.wait("never comes", 0.0)
    patient.wait("waits behind", 0.1)
    assert patient.waits_s("waits behind", 0.1) == 0


def test_another_share_counts_from_when_it_is_told() -> None:
    turns = Reconnects(0.1, 0.0, burst=1)
    turns.wait("a", 0.0)
    turns.begin("a", 0.0)
    turns.wait("a", 0.0)
    assert turns.waits_s("a", 5.0) == pytest.approx(5.0)
    turns.set_rate(0.5, 5.0)
    assert turns.waits_s("a", 5.0) == pytest.approx(1.0)
    turns.succeeded("a")
    assert turns.waits_s("a", 5.0) == pytest.approx(1.0), "it stands in line: nothing to give back"


def test_impossible_limits_are_refused() -> None:
    for per_s, burst in ((0.0, 8.0), (0.1, 0.5)):
        with pytest.raises(ValueError, match="per_s"):
            Reconnects(per_s, 0.0, burst=burst)

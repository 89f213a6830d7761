"""The demo's scenes go on as their directors say, at joins only."""

from __future__ import annotations

from xueliang_demo.plays import Act, LaneDirector, Play

ACTS = {
    "empty": Act(2, loops=True),
    "arriving": Act(3, loops=False),
    "standing": Act(2, loops=True),
    "leaving": Act(1, loops=False),
}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(play: Play, clock: Clock, joins: int, segment_s: float = 2.0) -> list[str]:
    names = []
    for _ in range(joins):
        clock.now += segment_s
        names.append(play.next_after(""))
    return names


def lane(clock: Clock, stands_at_most_s: float = 300.0) -> tuple[LaneDirector, Play]:
    director = LaneDirector(clock, first_after_s=6, again_after_s=60, stands_at_most_s=stands_at_most_s)
    return director, Play(ACTS, "empty", director.decide, clock)


def test_lorry_comes_after_its_wait_and_stands_until_the_driver_is_told() -> None:
    clock = Clock()
    director, play = lane(clock)
    assert run(play, clock, 3) == ["empty-01", "empty-00", "arriving-00"]
    assert run(play, clock, 4) == ["arriving-01", "arriving-02", "standing-00", "standing-01"]
    director.driver_told(5)
    director.driver_told(500)
    assert run(play, clock, 4) == ["standing-00", "standing-01", "leaving-00", "empty-00"]


def test_lorry_leaves_by_itself_and_comes_again_later() -> None:
    clock = Clock()
    _, play = lane(clock, stands_at_most_s=10)
    names = run(play, clock, 60)
    arrivals = [index for index, name in enumerate(names) if name == "arriving-00"]
    assert len(arrivals) == 2
    assert (arrivals[1] - arrivals[0]) * 2.0 >= 60


def test_being_told_once_does_not_send_the_next_lorry_away() -> None:
    clock = Clock()
    director, play = lane(clock)
    run(play, clock, 8)
    director.driver_told(0)
    run(play, clock, 2)
    names = run(play, clock, 60)
    assert "standing-01" in names
    assert "leaving-00" not in names[names.index("standing-00") :]

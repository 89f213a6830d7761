"""What is kept between looks changes nothing that is said of one: shared boxes, answers by settings, cheap values."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.edge.observing import seen
from xueliang_edge.rules import geometry
from xueliang_edge.rules.episodes import Moment, Timing
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.geometry import Zone
from xueliang_edge.rules.once import LastAnswer, once_for
from xueliang_edge.rules.standing_measure import MIN_INSIDE, is_concerned

CAR = ("car", 0.8, (0.2, 0.5, 0.3, 0.6))
BUS = ("bus", 0.8, (0.2, 0.5, 0.3, 0.6))


def test_a_carried_answer_shows_the_same_and_any_other_does_not() -> None:
    first = seen(0.0, [CAR])
    shown = first.shown
    carried = replace(
        first, observed_mono_s=1001.0, boxes_xyxyn=first.boxes_xyxyn.copy(), scores=first.scores.copy(), is_carried=True
    )
    assert carried.shown is shown
    for other in (
        seen(1.0, [BUS]),
        seen(1.0, [CAR, CAR]),
        seen(1.0),
        replace(first, scores=first.scores + np.float32(0.005)),
        replace(first, boxes_xyxyn=first.boxes_xyxyn + np.float32(0.001)),
    ):
        assert other.shown is not shown
        boxes = [tuple(box) for box in other.boxes_xyxyn.tolist()]
        assert list(other.rows) == list(zip(boxes, other.scores.tolist(), other.class_names, strict=True))
    assert replace(first, camera_id="other").rows == first.rows


def test_settings_are_asked_once_each_by_what_they_are_not_by_what_they_say() -> None:
    asked: list[tuple[Timing, float]] = []

    @once_for
    def doubled(timing: Timing, more: float) -> float:
        asked.append((timing, more))
        return 2 * (timing.dwell_s + more)

    one, same, other = Timing(1, 2, 3, 4), Timing(1, 2, 3, 4), Timing(5, 2, 3, 4)
    assert [doubled(one, 0.0), doubled(one, 0.0), doubled(one, 1.0), doubled(other, 0.0)] == [2, 2, 4, 10]
    assert doubled(same, 0.0) == 2
    assert [more for _, more in asked] == [0.0, 1.0, 0.0, 0.0]


def test_the_last_answer_is_to_the_boxes_it_was_about() -> None:
    last: LastAnswer[int] = LastAnswer()
    one, other = seen(0.0, [CAR]).shown, seen(1.0, [BUS]).shown
    assert last.to(one) is None
    assert (last.keep(one, 7), last.to(one), last.to(other)) == (7, 7, None)


def test_cheap_values_are_like_frozen_dataclasses() -> None:
    @dataclasses.dataclass(frozen=True, slots=True)
    class Usual:
        a: int
        b: float = dataclasses.field(default=0.0, compare=False)

    @dataclass(frozen=True, slots=True)
    class Cheap:
        a: int
        b: float = dataclasses.field(default=0.0, compare=False)

    assert repr(Cheap(1, 2.0)).rpartition(".")[2] == repr(Usual(1, 2.0)).rpartition(".")[2].replace("Usual", "Cheap")
    assert Cheap(1, 2.0) == Cheap(1, 3.0) != Cheap(2, 2.0)
    assert hash(Cheap(1, 2.0)) == hash(Usual(1, 3.0))
    assert replace(Cheap(1, 2.0), a=3) == Cheap(3)
    moment = seen(0.0).observed_at
    assert len({Moment(1.0, moment, 2.0), Moment(1.0, moment, 2.0, unseen_s=1.0)}) == 1


ZONES: tuple[Zone, ...] = (
    ((0.1, 0.5), (0.6, 0.5), (0.6, 0.9), (0.1, 0.9)),
    ((0.1, 0.9), (0.6, 0.9), (0.6, 0.5), (0.1, 0.5)),
    ((0.07, 0.42), (0.55, 0.38), (0.72, 0.93), (0.02, 0.88)),
    ((0.02, 0.88), (0.72, 0.93), (0.55, 0.38), (0.07, 0.42)),
    ((0.1, 0.3), (0.9, 0.3), (0.9, 0.95), (0.65, 0.95), (0.65, 0.5), (0.35, 0.5), (0.35, 0.95), (0.1, 0.95)),
    ((0.5, 0.5), (0.5005, 0.5), (0.5, 0.5005)),
)


@pytest.mark.parametrize("zone", ZONES)
def test_what_is_in_a_zone_by_its_outline_is_in_it_by_its_area(zone: Zone) -> None:
    random, outline = np.random.default_rng(3), geometry.outline_of(zone)
    low, high = np.min(zone, axis=0), np.max(zone, axis=0)
    decided = {True: 0, False: 0}
    for _ in range(1500):
        corner = low - 0.1 + random.random(2) * (high - low + 0.15)
        size = random.choice([0.0, 0.002, 0.05, 0.3]) * random.random(2)
        left, top, right, bottom = (
            (np.rint(np.concatenate([corner, corner + size]) * 4095) / 4095).astype(np.float32).tolist()
        )
        ground = geometry.ground_of_one((left, top, right, bottom))
        common = geometry.common_with_zone(ground, zone)
        is_in = common > 0 and common >= MIN_INSIDE * min(geometry.area_of(ground), geometry.zone_area(zone))
        assert is_concerned((left, top, right, bottom), geometry.outline_of(zone)) == is_in
        least, most = outline.least_and_most_common(ground)
        assert least - 1e-12 <= common <= most + 1e-12
        decided[is_in] += 1
    assert min(decided.values()) > 20

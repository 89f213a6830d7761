"""A wall clock that is set: what is believed, and when something may fire."""

from __future__ import annotations

import pytest

from xueliang_central.clocks.steadiness import HOLD_S, STEP_S, look

HOUR = 3600.0


@pytest.mark.parametrize(
    ("looks", "fires", "set_by"),
    [
        ([(0, 0), (5, 5), (10, 10)], [True] * 3, [0, 0, 0]),
        ([(0, 0), (5 + 20, 5), (10 + 40, 10)], [True] * 3, [0, 0, 0]),  # slewed, or a late look: below a step
        ([(0, 0), (5 + HOUR, 5), (10 + HOUR, 10), (15, 15)], [True, False, False, True], [0, HOUR, 0, 0]),
        ([(0, 0), (5 + HOUR, 5), (5 + HOUR + HOLD_S, 5 + HOLD_S)], [True, False, True], [0, HOUR, 0]),
        (  # set once more before it was believed: from then on it must stay
            [
                (0, 0),
                (5 + HOUR, 5),
                (100 + 9 * HOUR, 100),
                (130 + 9 * HOUR, 130),
                (100 + HOLD_S + 9 * HOUR, 100 + HOLD_S),
            ],
            [True, False, False, False, True],
            [0, HOUR, 8 * HOUR, 0, 0],
        ),
        ([(0, 0), (5 - HOUR, 5), (10 - HOUR, 10)], [True] * 3, [0, -HOUR, 0]),  # set back: nothing is held
        ([(0, 0), (5 - HOUR, 5), (10, 10)], [True, True, False], [0, -HOUR, HOUR]),  # and right again: ahead of it
        ([(0, 0), (5 + STEP_S, 5)], [True, False], [0, STEP_S]),
        ([(0, 0), (HOUR, HOUR)], [True, True], [0, 0]),  # nobody looked for an hour
    ],
)
def test_ahead_is_doubted_until_it_is_back_or_stays(
    looks: list[tuple[float, float]], fires: list[bool], set_by: list[float]
) -> None:
    state, may_fire, steps = None, [], []
    for wall_s, mono_s in looks:
        state, step_s = look(state, wall_s, mono_s)
        may_fire.append(state.doubted_s is None)
        steps.append(step_s)
    assert (may_fire, steps) == (fires, set_by)

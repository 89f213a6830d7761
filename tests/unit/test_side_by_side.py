"""`tests.support.side_by_side`: every test runs once, files stay together, and two whole systems at a time."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.side_by_side import MOST_SYSTEMS, WHOLE_SYSTEMS, scheduler

TESTS = [
    *(f"tests/browser/test_{n}.py::test_{k}" for n in range(7) for k in range(1 + n % 3)),
    *(f"tests/e2e/test_{n}.py::test_{k}" for n in range(2) for k in range(2)),
    *(f"tests/unit/test_{n}.py::test_{k}[a::b]" for n in range(9) for k in range(1 + n % 4)),
]


class _Process:
    """As xdist's: the last of its tests begins when it has more or is told that there are none."""

    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.shutting_down = False
        self.waiting: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        assert not self.shutting_down
        self.waiting += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    def can_go_on(self) -> bool:
        return len(self.waiting) > (0 if self.shutting_down else 1)


def _is_whole(index: int) -> bool:
    return TESTS[index].startswith(WHOLE_SYSTEMS)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_every_test_runs_once_and_whole_systems_two_at_a_time(count: int, seed: int) -> None:
    config = SimpleNamespace(option=SimpleNamespace(), getvalue=lambda _: [f"{count}*popen"])
    plan = scheduler(cast(Any, config), None)
    processes = [_Process(number) for number in range(count)]
    for one in processes:
        plan.add_node(cast(Any, one))
        plan.add_node_collection(cast(Any, one), TESTS)
    plan.schedule()
    ran: list[int] = []
    began_in: dict[str, int] = {}
    order = random.Random(seed)
    while ready := [one for one in processes if one.can_go_on()]:
        assert sum(any(map(_is_whole, one.waiting)) for one in processes) <= MOST_SYSTEMS
        one = order.choice(ready)
        index = one.waiting.pop(0)
        assert began_in.setdefault(TESTS[index].split("::")[0], id(one)) == id(one), "a file in two processes"
        ran.append(index)
        plan.mark_test_complete(cast(Any, one), index)
    assert sorted(ran) == list(range(len(TESTS))), "some were never run"
    assert all(one.shutting_down for one in processes)
    assert count == 1 or len(set(began_in.values())) > 1

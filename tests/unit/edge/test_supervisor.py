"""A worker that hangs is begun anew, within a budget; one that merely has nothing to do is left alone."""

from __future__ import annotations

from xueliang_edge.supervisor import RESTARTS_AT_MOST, Supervisor, Watched


class Worker:
    def __init__(self) -> None:
        self.busy_since: float | None = None
        self.restarts = 0
        self.heals = True

    def restart(self) -> None:
        self.restarts += 1
        if self.heals:
            self.busy_since = None


def supervised(worker: Worker, now: list[float]) -> tuple[Supervisor, Watched]:
    watched = Watched("detection", lambda: worker.busy_since, worker.restart, patience_s=10.0)
    return Supervisor((watched,), lambda: now[0]), watched


def test_an_idle_worker_is_left_alone() -> None:
    worker, now = Worker(), [1000.0]
    supervised(worker, now)[0].check()
    assert worker.restarts == 0


def test_a_hung_worker_is_begun_anew_and_the_problem_goes_away() -> None:
    worker, now = Worker(), [100.0]
    supervisor, watched = supervised(worker, now)
    worker.busy_since = 95.0
    supervisor.check()
    assert worker.restarts == 0
    now[0] = 106.0
    supervisor.check()
    assert worker.restarts == 1
    assert watched.problem is not None
    supervisor.check()
    assert watched.problem is None


def test_restarts_end_with_the_budget_and_health_says_so() -> None:
    worker, now = Worker(), [100.0]
    worker.heals, worker.busy_since = False, 0.0
    supervisor, watched = supervised(worker, now)
    for _ in range(20):
        supervisor.check()
        now[0] += 1.0
    assert worker.restarts == RESTARTS_AT_MOST
    assert watched.problem is not None
    assert "left down" in watched.problem
    now[0] += 700.0
    supervisor.check()
    assert worker.restarts == RESTARTS_AT_MOST + 1

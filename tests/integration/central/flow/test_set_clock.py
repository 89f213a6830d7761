"""The server's clock is set while limits run: no limit fires twice, none is lost, and an hour ahead tells nobody."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.integration.central.flow.stage import NOON, POLICIES, HandClock, Stage, alert, build, received
from tests.integration.central.flow.test_silences import make
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.centre import Settings
from xueliang_central.clocks.steadiness import HOLD_S
from xueliang_central.clocks.tables import clocks, escalations
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_central.worker import Worker
from xueliang_configs.policies import PolicyTable

HOUR = 3600.0


class Machine:
    """Its wall clock, which can be set, and its count of seconds, which cannot."""

    def __init__(self, wall: HandClock) -> None:
        self.wall, self.count_s = wall, 1_000.0

    def mono(self) -> float:
        return self.count_s

    def passes(self, seconds: float) -> None:
        self.wall.forward(seconds)
        self.count_s += seconds

    def is_set(self, by_s: float) -> None:
        self.wall.forward(by_s)


async def test_an_hour_ahead_and_back_and_an_hour_back(stage: Stage, tmp_path: Path) -> None:
    machine = Machine(stage.clock)
    table = PolicyTable.model_validate(POLICIES)
    worker = Worker(centre_on(stage.database, Settings(tmp_path), table, wall=machine.wall, mono=machine.mono))
    await worker._rulebook.areas.refresh(stage.database)
    for number, camera_id in enumerate(("lane-east", "far-gate", "other-gate"), start=1):
        await stage.take(received(alert(Phase.RAISED, 1, camera_id=camera_id, hazard=Hazard.CROWD), number))
    assert [row["due_at"] for row in await stage.rows(clocks)] == [NOON + timedelta(seconds=60)] * 3
    assert await worker.jobs.do("clocks") == 0

    machine.is_set(HOUR)
    for _ in range(5):
        machine.passes(5)
        assert await worker.jobs.do("clocks") == 0, "three limits would have passed that have 35 s left"
    machine.is_set(-HOUR)
    machine.passes(34)
    assert await worker.jobs.do("clocks") == 0
    machine.passes(1)
    assert await worker.jobs.do("clocks") == 3
    assert worker.clock.times_set == 1

    machine.is_set(-HOUR)  # the second levels are due an hour and a minute from now, by this clock
    for _ in range(3):
        machine.passes(60)
        assert await worker.jobs.do("clocks") == 0
    machine.is_set(HOUR)  # right again: what became due meanwhile waits until that is believed
    machine.passes(1)
    assert await worker.jobs.do("clocks") == 0
    machine.passes(HOLD_S)
    assert await worker.jobs.do("clocks") == 3, "one level each, not all that have become due"
    machine.passes(60)
    assert await worker.jobs.do("clocks") == 3
    fired = [(row["clock_id"], row["step"]) for row in await stage.rows(escalations)]
    assert len(set(fired)) == len(fired) == 9


async def test_nothing_ends_by_an_hour_that_is_taken_back(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A silence, what it hides, and a case that has not settled; then the hour stays, and is believed."""
    settling = {Hazard.CROWD.value: {"settle_s": 600}}
    stage = await build(database, clock, policies={**POLICIES, "folding": settling})
    machine = Machine(stage.clock)
    table = PolicyTable.model_validate(POLICIES)
    worker = Worker(centre_on(stage.database, Settings(tmp_path), table, wall=machine.wall, mono=machine.mono))
    worker._rulebook = stage.rulebook
    await make(stage, ends_at=NOON + timedelta(minutes=50), hazard="intrusion")
    began_at = stage.clock.at
    await stage.take(
        received(alert(Phase.RAISED, 1, hazard=Hazard.INTRUSION), 1),
        received(alert(Phase.RAISED, 1, camera_id="far-gate", hazard=Hazard.CROWD), 2),
    )
    machine.passes(5)
    gone = alert(Phase.CLEARED, 2, camera_id="far-gate", hazard=Hazard.CROWD, began_at=began_at)
    await stage.take(received(gone, 3, at=stage.clock.at))

    async def looks() -> dict[str, int]:
        names = ("silences", "letting_out", "settling", "letting_go", "call_backs", "retention")
        return {name: done for name in names if (done := await worker.jobs.do(name))}

    assert await looks() == {}
    machine.is_set(HOUR)
    for _ in range(3):
        machine.passes(5)
        assert await looks() == {}
    assert worker.counts["settling_held"] == worker.counts["retention_held"] == 3
    machine.is_set(-HOUR)
    machine.passes(5)
    assert await looks() == {}
    assert worker.counts["settling_held"] == 3

    machine.is_set(HOUR)  # this time it stays
    machine.passes(5)
    assert await looks() == {}
    machine.passes(HOLD_S)
    assert await looks() == {"silences": 1, "letting_out": 1, "settling": 1}

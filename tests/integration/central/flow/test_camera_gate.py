"""Alerts of cameras that nobody has signed for are held, and become incidents when somebody has; nothing is lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.central.flow.stage import NOON, POLICIES, Stage, alert, cleared, only_spool, raised, received
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.contract import Phase
from xueliang_central.cameras import releases
from xueliang_central.cameras.gate import Gate
from xueliang_central.cameras.register import place_of, upsert_cameras
from xueliang_central.cameras.releases import CameraGate, Entries
from xueliang_central.centre import Settings
from xueliang_central.dispatch.publishing import changing
from xueliang_central.errors import DatabaseConflict
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.ingest import gating
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.committing import Outcome, commit_batch
from xueliang_central.ingest.tables import gated_alerts, quarantine
from xueliang_central.running import centre_on
from xueliang_central.worker import Worker
from xueliang_configs.policies import PolicyTable

DAY = date(2026, 11, 1)
ENTRIES = Entries("通道监看", "条例第三条", DAY, "只看通道", DAY)


class Gated:
    """A stage whose gate is closed to who is not released."""

    def __init__(self, stage: Stage, folder: Path, gate: Gate = Gate.ENFORCE) -> None:
        self.stage, self.folder = stage, folder
        self.gate = CameraGate(gate)

    async def take(self, *messages: Received) -> Outcome:
        async with changing(self.stage.database, self.stage.rulebook, self.stage.clock) as change:
            return await commit_batch(change, list(messages), gate=self.gate)

    async def sign(self, camera_id: str = "lane-east", entries: Entries = ENTRIES) -> None:
        async with self.stage.database.transaction() as conn:
            row = await releases.camera_row(conn, camera_id, lock=True)
            await releases.sign(conn, row, entries, by="mayor", at=self.stage.clock())

    async def withdraw(self, camera_id: str = "lane-east") -> None:
        async with self.stage.database.transaction() as conn:
            row = await releases.camera_row(conn, camera_id, lock=True)
            await releases.withdraw(conn, row, "the lane is rebuilt", by="mayor", at=self.stage.clock())

    async def look(self) -> int:
        """The worker's."""
        settings = Settings(self.folder, camera_gate=self.gate.chosen)
        table = PolicyTable.model_validate(POLICIES)
        centre = centre_on(self.stage.database, settings, table, wall=self.stage.clock, mono=system_mono)
        await centre.areas.refresh(self.stage.database)
        return await Worker(centre).let_through()

    async def held(self) -> list[dict[str, Any]]:
        return await self.stage.rows(gated_alerts)


@pytest.fixture
def gated(stage: Stage, tmp_path: Path) -> Gated:
    return Gated(stage, tmp_path)


async def test_an_alert_is_held_until_its_camera_is_signed_for(gated: Gated) -> None:
    outcome = await gated.take(raised())
    assert only_spool(outcome).contiguous_through == 1, "it is taken: the node need not send it again"
    assert outcome.counts["held"] == 1
    assert await gated.stage.rows(incidents) == []
    assert await gated.stage.rows(quarantine) == []
    (row,) = await gated.held()
    assert (row["camera_id"], row["phase"], row["held_state"]) == ("lane-east", "raised", "incomplete")
    assert await gated.look() == 0

    await gated.sign()
    assert await gated.look() == 1
    assert await gated.held() == []
    incident = await gated.stage.one_incident()
    assert (incident["state"], incident["alert_count"], incident["camera_id"]) == ("dispatched", 1, "lane-east")
    assert "let_through" in await gated.stage.story()
    assert await gated.look() == 0


async def test_what_is_held_is_followed(gated: Gated) -> None:
    await gated.take(raised())
    outcome = await gated.take(cleared())
    assert outcome.counts["held"] == 0, "the same alert"
    (row,) = await gated.held()
    assert (row["phase"], row["revision"]) == ("cleared", 2)
    await gated.sign()
    assert await gated.look() == 1
    incident = await gated.stage.one_incident()
    assert (incident["state"], incident["gone"]) == ("closed", True), (
        "recorded as ended, with nothing to do for anybody"
    )


async def test_a_revision_that_comes_between_the_signature_and_the_worker_is_not_a_second_alert(gated: Gated) -> None:
    await gated.take(raised())
    await gated.sign()
    await gated.take(received(alert(Phase.UPDATED, 2), 2))
    assert await gated.stage.rows(incidents) == []
    assert await gated.look() == 1
    assert await gated.stage.alerts_known() == {str(alert(Phase.RAISED, 1).alert_id): (2, "updated", None)}
    await gated.take(cleared(3, 3))
    assert (await gated.stage.one_incident())["gone"]


async def test_only_the_camera_that_is_signed_for_is_let_through(gated: Gated) -> None:
    await gated.take(raised(), raised(2, camera_id="far-gate"), raised(3, camera_id="no-such-camera"))
    await gated.sign("far-gate")
    assert await gated.look() == 1
    assert [row["camera_id"] for row in await gated.stage.rows(alerts)] == ["far-gate"]
    assert {row["camera_id"]: row["held_state"] for row in await gated.held()} == {
        "lane-east": "incomplete",
        "no-such-camera": "unregistered",
    }
    async with gated.stage.database.reading() as conn:
        assert await gating.counts(conn) == {"lane-east": 1, "no-such-camera": 1}


async def test_a_withdrawal_holds_what_is_new_and_follows_what_is_open(gated: Gated) -> None:
    await gated.sign()
    await gated.take(raised())
    await gated.withdraw()
    later = NOON + timedelta(hours=1)
    gated.stage.clock.forward(3600)
    await gated.take(cleared(), raised(3, began_at=later))
    assert (await gated.stage.one_incident())["gone"], "what was open is followed to its end"
    assert [row["held_state"] for row in await gated.held()] == ["withdrawn"]


async def test_a_release_ends_after_its_last_day_and_a_new_view_is_approved_anew(gated: Gated) -> None:
    await gated.sign(entries=replace(ENTRIES, review_by=date(2026, 11, 23)))
    await gated.take(raised())
    assert await gated.held() == []
    gated.stage.clock.forward(24 * 3600)
    await gated.take(raised(2, began_at=NOON + timedelta(days=1)))
    assert [row["held_state"] for row in await gated.held()] == ["expired"]
    await gated.sign()
    assert await gated.look() == 1

    async with gated.stage.database.transaction() as conn:
        place = await place_of(conn, "lane-east")
        assert place is not None
        turned = replace(place, approved_view="通道与路口")
        await upsert_cameras(conn, [turned], gated.stage.rulebook.tree, at=gated.stage.clock())
    await gated.take(raised(3, began_at=NOON + timedelta(days=2)))
    assert [row["held_state"] for row in await gated.held()] == ["changed"]
    assert await gated.look() == 0
    async with gated.stage.database.transaction() as conn:  # back to the words that were signed: signed for anew
        await upsert_cameras(conn, [place], gated.stage.rulebook.tree, at=gated.stage.clock())
    assert await gated.look() == 0


async def test_who_only_tells_stops_nothing_and_lets_go_what_was_held(gated: Gated) -> None:
    await gated.take(raised())
    gated.gate = CameraGate(Gate.TELL)
    await gated.take(raised(2, camera_id="far-gate"))
    assert [row["camera_id"] for row in await gated.stage.rows(alerts)] == ["far-gate"]
    assert await gated.look() == 1
    assert await gated.held() == []


async def test_more_than_one_transaction_of_held_alerts_follow_in_one_look(gated: Gated) -> None:
    many = gating.AT_ONCE + 7
    bodies = [raised(number, began_at=NOON - timedelta(hours=number)) for number in range(1, many + 1)]
    await gated.take(*bodies)
    await gated.sign()
    assert await gated.look() == many
    assert await gated.stage.count(alerts) == many


async def test_one_that_cannot_be_placed_keeps_nobody_waiting(gated: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    await gated.take(raised(), raised(2, camera_id="far-gate"))
    await gated.sign()
    await gated.sign("far-gate")
    place = gating.place_all

    async def stumble(change: Any, merged: dict[str, Any], *more: Any) -> int:
        if any(row["camera_id"] == "lane-east" for row in merged.values()):
            raise RuntimeError("a fault of ours")
        return await place(change, merged, *more)

    monkeypatch.setattr(gating, "place_all", stumble)
    assert await gated.look() == 1
    assert [row["camera_id"] for row in await gated.held()] == ["lane-east"]
    monkeypatch.setattr(gating, "place_all", place)
    assert await gated.look() == 1
    assert await gated.held() == []


async def test_a_kill_while_placing_loses_nothing_and_doubles_nothing(gated: Gated) -> None:
    """The transaction ends without a commit, as after a kill."""
    await gated.take(raised())
    await gated.sign()

    async def killed() -> None:
        async with changing(gated.stage.database, gated.stage.rulebook, gated.stage.clock) as change:
            assert await gating.let_through(change, gated.gate) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await killed()
    assert len(await gated.held()) == 1
    assert await gated.look() == 1
    assert (await gated.stage.one_incident())["alert_count"] == 1


async def test_the_worker_and_ingest_meet_at_a_held_alert(gated: Gated) -> None:
    """Ingest has its end while the worker places it: whoever is second sees what the first has done."""
    if gated.stage.database.dialect == "sqlite":
        pytest.skip("one writer")
    await gated.take(raised())
    await gated.sign()
    placed, go_on = asyncio.Event(), asyncio.Event()

    async def worker() -> None:
        async with changing(gated.stage.database, gated.stage.rulebook, gated.stage.clock) as change:
            await gating.let_through(change, gated.gate)
            placed.set()
            await go_on.wait()

    async def ingest() -> None:
        await placed.wait()
        asyncio.get_running_loop().call_later(0.3, go_on.set)
        while True:
            try:
                await gated.take(cleared())
            except DatabaseConflict:
                continue
            return

    await asyncio.wait_for(asyncio.gather(worker(), ingest()), 30)
    assert await gated.held() == []
    incident = await gated.stage.one_incident()
    assert (incident["alert_count"], incident["gone"]) == (1, True)

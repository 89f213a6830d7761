"""What has been kept long enough goes, file and row together; what an open or held incident needs never does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tests.integration.central.flow.stage import (
    MAYOR,
    NOON,
    PHOTO,
    POLICIES,
    WANG,
    Stage,
    alert,
    cleared,
    raised,
    received,
)
from tests.support.forked.children import forked
from tests.support.pictures import jpeg, sha256
from tests.support.rows import filled
from xueliang_alerts.contract import EvidenceRef, Hazard, Phase
from xueliang_central import administration
from xueliang_central.audit.tables import audit_records
from xueliang_central.cap.tables import cap_progress
from xueliang_central.centre import Settings
from xueliang_central.dispatch.merging import Merge, merge_incidents
from xueliang_central.dispatch.publishing import changing
from xueliang_central.evidence.pictures import Picture, PictureKind, PictureStore, PictureStoreFull, note_received
from xueliang_central.evidence.tables import leaving_pictures, pictures
from xueliang_central.incidents.tables import alerts, expected_pictures, incident_timeline, incidents
from xueliang_central.ingest.tables import ledger, spool_records
from xueliang_central.notices.tables import notice_steps, notices
from xueliang_central.reports.tables import rollups
from xueliang_central.retention import holding, removing
from xueliang_central.retention.due import KINDS
from xueliang_central.retention.tables import removals
from xueliang_central.running import centre_on
from xueliang_central.store.tables import events
from xueliang_central.webhooks.tables import webhooks
from xueliang_central.worker import Worker
from xueliang_configs.policies import PolicyTable
from xueliang_configs.retention import RetentionConfig

DAY_S = 86_400.0
CROWD = {"hazard": Hazard.CROWD}


class Kept:
    """The stage with a folder of pictures and a worker that removes."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self.folder = stage, folder
        self.store = PictureStore(folder / "pictures")
        self.store.prepare()
        self.sequence = 0
        self.others: set[str] = set()  # notices that a test did not write

    def worker(self, **policy: Any) -> Worker:
        settings = Settings(self.folder, retention=RetentionConfig(**policy))
        table = PolicyTable.model_validate(POLICIES)
        made = Worker(
            centre_on(
                self.stage.database, settings, table, wall=self.stage.clock, mono=lambda: self.stage.clock().timestamp()
            )
        )
        made._rulebook = self.stage.rulebook
        return made

    async def still(self, filler: str) -> str:
        """One that a node has sent."""
        content = jpeg(filler=filler.encode())

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        picture = await self.store.receive(PictureKind.EVIDENCE, sha256(content), chunks())
        async with self.stage.database.transaction() as conn:
            await note_received(conn, picture, self.store, source="node:edge-01", at=self.stage.clock())
        return picture.sha256

    async def case(self, filler: str, *, close: str | None = "close", **named: Any) -> tuple[str, str]:
        """An incident of one alert with one still, closed so, or open; its id and the still's hash."""
        still = await self.still(filler)
        ref = EvidenceRef(sha256=still, kind="onset", bytes=100)
        before = {row["incident_id"] for row in await self.stage.rows(incidents)}
        named = {"hazard": Hazard.CROWD, "began_at": self.stage.clock.at - timedelta(seconds=70), **named}
        self.sequence += 1
        at = self.stage.clock.at
        await self.stage.take(received(alert(Phase.RAISED, 1, evidence=[ref], **named), self.sequence, at=at))
        (row,) = [row for row in await self.stage.rows(incidents) if row["incident_id"] not in before]
        if close is not None:
            await self.stage.judge(MAYOR, row["incident_id"], close, row["version"], note="seen")
            self.sequence += 1
            ended = alert(Phase.CLEARED, 2, evidence=[ref], seen_s=80, **named)
            await self.stage.take(received(ended, self.sequence, at=at))
        return row["incident_id"], still

    def has_file(self, still: str) -> bool:
        return self.store.path_of(PictureKind.EVIDENCE, still).is_file()

    async def has_row(self, still: str) -> bool:
        return still in {row["sha256"] for row in await self.stage.rows(pictures)}


@pytest.fixture
def kept(stage: Stage, tmp_path: Path) -> Kept:
    return Kept(stage, tmp_path)


async def removed(kept: Kept) -> dict[str, int]:
    return {row["kind"]: row["removed"] for row in await kept.stage.rows(removals)}


async def test_a_still_goes_with_its_row_when_its_incident_was_closed_long_enough(kept: Kept) -> None:
    incident_id, still = await kept.case("one")
    worker = kept.worker(photos_days=None)
    kept.stage.clock.forward(89 * DAY_S)
    await worker.remove_old()
    assert kept.has_file(still)
    kept.stage.clock.forward(2 * DAY_S)
    await worker.remove_old()
    assert not kept.has_file(still)
    assert not await kept.has_row(still)
    assert await kept.stage.count(leaving_pictures) == 0
    (named,) = await kept.stage.rows(expected_pictures)
    assert (named["incident_id"], named["removed_at"]) == (incident_id, kept.stage.clock.at)
    assert (await removed(kept))["evidence"] == 1
    said = [row for row in await kept.stage.rows(audit_records) if row["action"] == "retention.removed"]
    assert {row["object_kind"]: row["detail"]["rows"] for row in said}["evidence"] == 1
    assert await worker.remove_old() == 0


async def test_what_is_kept_longer_is_gone_through_once_a_run(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removing, "LOOKED_AT", 2)
    for number in range(5):
        await kept.case(f"open {number}", close=None, camera_id=f"cam-{number}")
        kept.stage.clock.forward(1)
    _, still = await kept.case("over", camera_id="cam-9")
    kept.stage.clock.forward(91 * DAY_S)
    async with kept.stage.database.reading() as conn:
        would = await removing.would_go(conn, "evidence", RetentionConfig(), kept.stage.clock())
    assert would is not None
    assert would.total == 1
    await kept.worker().remove_old()
    assert not kept.has_file(still)
    assert (await removed(kept))["evidence"] == 1


async def test_one_kind_that_cannot_be_removed_holds_up_no_other(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    async def too_slow(*_: Any) -> int:
        raise TimeoutError

    await kept.case("over")
    kept.stage.clock.forward(400 * DAY_S)
    monkeypatch.setitem(removing._REMOVE, "evidence", too_slow)  # type: ignore[index]
    with pytest.raises(TimeoutError):
        await kept.worker().remove_old()
    assert "records" in await removed(kept)


async def test_what_an_open_incident_needs_stays_for_ever(kept: Kept) -> None:
    _, still = await kept.case("open", close=None)
    kept.stage.clock.forward(4000 * DAY_S)
    await kept.worker().remove_old()
    assert kept.has_file(still)
    assert await kept.stage.count(alerts) == 1
    assert await kept.stage.count(spool_records) == 1


async def test_how_long_depends_on_hazard_and_judgement(kept: Kept) -> None:
    _, false = await kept.case("false", close="false_alarm")
    _, crowd = await kept.case("crowd", camera_id="far-gate")
    _, parking = await kept.case("parking", camera_id="other-gate", hazard=Hazard.ILLEGAL_PARKING)
    worker = kept.worker(evidence_days=90, evidence_no_hazard_days=10, evidence_by_hazard={"illegal_parking": 45})
    left: dict[int, set[str]] = {}
    for day in (9, 11, 46, 91):
        kept.stage.clock.at = NOON + timedelta(days=day)
        await worker.remove_old()
        left[day] = {still for still in (false, crowd, parking) if kept.has_file(still)}
    assert left == {9: {false, crowd, parking}, 11: {crowd, parking}, 46: {crowd}, 91: set()}


async def test_a_still_of_two_incidents_stays_for_the_one_that_needs_it(kept: Kept) -> None:
    _, still = await kept.case("both")
    ref = EvidenceRef(sha256=still, kind="onset", bytes=100)
    other = alert(Phase.RAISED, 1, camera_id="other-gate", evidence=[ref], began_at=NOON, **CROWD)
    await kept.stage.take(received(other, 90, at=kept.stage.clock.at))
    kept.stage.clock.forward(400 * DAY_S)
    await kept.worker().remove_old()
    assert kept.has_file(still)


async def test_a_held_incident_loses_nothing_until_the_hold_ends(kept: Kept) -> None:
    incident_id, still = await kept.case("held")
    async with kept.stage.database.transaction() as conn:
        await holding.hold(conn, MAYOR, incident_id, "court", kept.stage.clock())
    kept.stage.clock.forward(4000 * DAY_S)
    await kept.worker().remove_old()
    assert kept.has_file(still)
    assert await kept.stage.count(alerts) == 1
    assert await kept.stage.count(spool_records) == 2
    async with kept.stage.database.transaction() as conn:
        await holding.release(conn, MAYOR, incident_id, "over", kept.stage.clock())
    await kept.worker().remove_old()
    assert not kept.has_file(still)
    assert await kept.stage.count(alerts) == 0
    assert await kept.stage.count(spool_records) == 0


async def test_a_hold_follows_alerts_that_are_merged_elsewhere(kept: Kept) -> None:
    first, still = await kept.case("merged", close=None)
    second, _ = await kept.case("into", close=None, camera_id="far-gate")
    async with kept.stage.database.transaction() as conn:
        await holding.hold(conn, MAYOR, first, "court", kept.stage.clock())
    rows = {row["incident_id"]: row for row in await kept.stage.rows(incidents)}
    asked = Merge(first, rows[second]["version"], rows[first]["version"], note="the same")
    async with changing(kept.stage.database, kept.stage.rulebook, kept.stage.clock) as change:
        await merge_incidents(change, MAYOR, second, asked)
    row = next(row for row in await kept.stage.rows(incidents) if row["incident_id"] == second)
    await kept.stage.judge(MAYOR, second, "close", row["version"], note="seen")
    async with kept.stage.database.transaction() as conn:
        await conn.execute(update(alerts).values(phase="cleared"))
    kept.stage.clock.forward(4000 * DAY_S)
    await kept.worker().remove_old()
    assert kept.has_file(still)
    assert [alert_["camera_id"] for alert_ in await kept.stage.rows(alerts)] == ["lane-east"]


async def test_alerts_and_records_go_and_the_case_stays(kept: Kept) -> None:
    await kept.case("case")
    worker = kept.worker()
    await worker.roll_up()
    before = await kept.stage.rows(incidents), await kept.stage.rows(incident_timeline), await kept.stage.rows(rollups)
    kept.stage.clock.forward(181 * DAY_S)
    await worker.remove_old()
    assert await kept.stage.count(spool_records) == 0
    assert await kept.stage.count(alerts) == 1
    kept.stage.clock.forward(200 * DAY_S)
    await worker.remove_old()
    assert await kept.stage.count(alerts) == 0
    assert await kept.stage.count(expected_pictures) == 0
    assert await kept.stage.count(ledger) == 1
    await worker.roll_up()
    after = await kept.stage.rows(incidents), await kept.stage.rows(incident_timeline), await kept.stage.rows(rollups)
    assert before == after


async def test_an_alert_stays_while_its_still_is_here_or_it_has_not_ended(kept: Kept) -> None:
    await kept.case("still here")
    incident_id, _ = await kept.case("never ended", close=None, camera_id="other-gate")
    row = next(row for row in await kept.stage.rows(incidents) if row["incident_id"] == incident_id)
    await kept.stage.judge(MAYOR, incident_id, "close", row["version"], note="seen")
    kept.stage.clock.forward(4000 * DAY_S)
    await kept.worker(evidence_days=None).remove_old()
    assert await kept.stage.count(alerts) == 2
    await kept.worker().remove_old()
    assert [row["camera_id"] for row in await kept.stage.rows(alerts)] == ["other-gate"]


async def test_a_photo_goes_when_its_incident_was_closed_long_enough(kept: Kept) -> None:
    stage = kept.stage
    await stage.take(raised())
    await stage.work_on(WANG, "take")
    await stage.work_on(WANG, "handled", photos=[PHOTO])
    kept.stage.clock.forward(300 * DAY_S)
    await kept.worker().remove_old()
    assert await kept.has_row(PHOTO)  # nobody has seen it gone
    await stage.take(cleared(2, seen_s=120.0))
    assert (await stage.one_incident())["state"] == "closed"
    kept.stage.clock.forward(181 * DAY_S)
    await kept.worker().remove_old()
    assert not await kept.has_row(PHOTO)


async def test_a_picture_that_nothing_names_goes_after_a_month(kept: Kept) -> None:
    still = await kept.still("nobody's")
    kept.stage.clock.forward(29 * DAY_S)
    await kept.worker().remove_old()
    assert kept.has_file(still)
    kept.stage.clock.forward(2 * DAY_S)
    await kept.worker().remove_old()
    assert not kept.has_file(still)
    assert (await removed(kept))["unnamed_pictures"] == 2  # with the stage's photo


async def test_events_go_once_rolled_up_and_the_newest_stays(kept: Kept) -> None:
    await kept.case("one")
    worker = kept.worker(evidence_days=None, photos_days=None, unnamed_pictures_days=None)
    last = max(row["event_id"] for row in await kept.stage.rows(events))
    kept.stage.clock.forward(31 * DAY_S)
    await worker.remove_old()
    assert await kept.stage.count(events) == last  # what the roll-ups have not read stays
    await worker.roll_up()
    await worker.remove_old()
    assert await kept.stage.count(events) == last  # nor what the noise board has not
    await worker.follow_noise()
    await worker.remove_old()
    assert [row["event_id"] for row in await kept.stage.rows(events)] == [last]


async def _write_notice(
    kept: Kept, notice_id: str, incident_id: str | None, *, step: str = "sent", **named: Any
) -> None:
    at = kept.stage.clock()
    ended = {"next_try_at": None, "climb_at": None, "climb_end": "received"}
    row = filled(notices, at, notice_id=notice_id, idempotency_key=notice_id, incident_id=incident_id, **ended | named)
    waits = at if step == "waiting" else None
    async with kept.stage.database.transaction() as conn:
        await conn.execute(insert(notices), row)
        tried = {"notice_id": notice_id, "state": step, "next_try_at": waits}
        await conn.execute(insert(notice_steps), filled(notice_steps, at, **tried))


async def _notice_ids(kept: Kept) -> set[str]:
    return {row["notice_id"] for row in await kept.stage.rows(notices)} - kept.others


async def test_notices_go_with_their_steps_when_nobody_needs_them(kept: Kept) -> None:
    closed, _ = await kept.case("closed")
    still_open, _ = await kept.case("open", close=None, camera_id="far-gate")
    held, _ = await kept.case("held", camera_id="other-gate")
    kept.others = await _notice_ids(kept)
    async with kept.stage.database.transaction() as conn:
        await holding.hold(conn, MAYOR, held, "court", kept.stage.clock())
    await _write_notice(kept, "over", closed)
    await _write_notice(kept, "dead", closed, step="dead", climb_end="last_step")
    await _write_notice(kept, "of nothing", None)
    await _write_notice(kept, "of an open case", still_open)
    await _write_notice(kept, "held", held)
    await _write_notice(kept, "climbs", closed, climb_at=kept.stage.clock())
    await _write_notice(kept, "unsent", closed, next_try_at=kept.stage.clock())
    await _write_notice(kept, "step waits", closed, step="waiting")
    everything = await _notice_ids(kept)
    worker = kept.worker(notices_days=40)
    kept.stage.clock.forward(39 * DAY_S)
    await worker.remove_old()
    assert await _notice_ids(kept) == everything
    kept.stage.clock.forward(2 * DAY_S)
    await kept.worker(notices_days=None).remove_old()
    assert await _notice_ids(kept) == everything
    async with kept.stage.database.reading() as conn:
        would = await removing.would_go(conn, "notices", RetentionConfig(notices_days=40), kept.stage.clock())
    assert would is not None
    assert would.total >= 3
    assert await _notice_ids(kept) == everything, "a dry run"
    await worker.remove_old()
    assert everything - await _notice_ids(kept) == {"over", "dead", "of nothing"}
    steps = {row["notice_id"] for row in await kept.stage.rows(notice_steps)}
    assert not steps & {"over", "dead", "of nothing"}
    assert {"held", "step waits"} <= steps
    assert (await removed(kept))["notices"] == would.total


async def test_events_wait_for_a_webhook_that_was_not_told_them(kept: Kept) -> None:
    await kept.case("told")
    worker = kept.worker()
    await worker.roll_up()
    await worker.follow_noise()
    row = filled(webhooks, webhook_id="platform", area_path="3701", event_id=1)
    async with kept.stage.database.transaction() as conn:
        await conn.execute(insert(webhooks).values(row))
    before = [one["event_id"] for one in await kept.stage.rows(events)]
    kept.stage.clock.forward(31 * DAY_S)
    await worker.remove_old()
    assert set(before) - {one["event_id"] for one in await kept.stage.rows(events)} == {1}


async def test_events_wait_for_what_tells_others(kept: Kept) -> None:
    await kept.case("told")
    worker = kept.worker()
    await worker.roll_up()
    await worker.follow_noise()
    async with kept.stage.database.transaction() as conn:
        await conn.execute(insert(cap_progress).values(progress_id=1, event_id=0))
    before = await kept.stage.count(events)
    kept.stage.clock.forward(31 * DAY_S)
    await worker.remove_old()
    assert await kept.stage.count(events) >= before


async def test_a_dry_run_tells_what_goes_and_changes_nothing(kept: Kept) -> None:
    await kept.case("one")
    await kept.worker().roll_up()
    kept.stage.clock.forward(400 * DAY_S)
    policy = RetentionConfig(events_days=None)
    lines = await administration.what_would_go(kept.stage.database, policy, at=kept.stage.clock())
    assert lines[:3] == [
        "evidence: 1 would go, the oldest of 2026-11-23",
        "photos: nothing is due",
        "unnamed_pictures: 1 would go, the oldest of 2026-11-23",
    ]
    assert lines[3] == "alerts: nothing is due"  # its still is here: it goes in the same run, after that
    assert lines[4] == "sightings: nothing is due"
    assert lines[5:8] == [
        "records: 2 would go, the oldest of 2026-11-23",
        "notices: nothing is due",
        "events: kept for ever",
    ]
    assert await kept.stage.count(removals) == 0
    assert await kept.stage.count(pictures) == 2
    await kept.worker(events_days=None).remove_old()
    assert await removed(kept) == {"evidence": 1, "unnamed_pictures": 1, "alerts": 1, "records": 2}
    assert set(KINDS) >= set(await removed(kept))


async def test_a_picture_that_comes_again_while_it_leaves_stays(kept: Kept) -> None:
    """Its row is gone and its file not yet; then the node sends it once more."""
    _, still = await kept.case("again")
    kept.stage.clock.forward(91 * DAY_S)
    async with kept.stage.database.transaction() as conn:
        assert await removing.remove(conn, "evidence", RetentionConfig(), kept.stage.clock()) == 1
    assert await kept.still("again") == still
    async with kept.stage.database.transaction() as conn:
        await removing.unlink_some(conn, kept.store)
    assert kept.has_file(still)
    assert await kept.has_row(still)


async def test_a_picture_whose_file_was_just_removed_is_asked_for_again(kept: Kept) -> None:
    gone = Picture("ee" * 32, PictureKind.EVIDENCE, "image/jpeg", 3)
    with pytest.raises(PictureStoreFull):
        async with kept.stage.database.transaction() as conn:
            await note_received(conn, gone, kept.store, source="node:edge-01", at=kept.stage.clock())
    assert not await kept.has_row(gone.sha256)


@pytest.mark.slow
async def test_killed_at_any_moment_files_and_rows_go_together(kept: Kept, database_url: str) -> None:
    _, first = await kept.case("first")
    stills = [first, *[await kept.still(f"more {number}") for number in range(60)]]
    named = (await kept.stage.rows(expected_pictures))[0]
    async with kept.stage.database.transaction() as conn:
        await conn.execute(insert(expected_pictures), [{**named, "sha256": still} for still in stills[1:]])
    await kept.case("of another", camera_id="other-gate", close=None)
    dice, now = random.Random(5), kept.stage.clock.at + timedelta(days=91)
    program = "tests.integration.central.flow.retention_process"
    arguments = [database_url, str(kept.folder / "pictures"), now.isoformat()]
    for _ in range(5):
        with forked(program, *arguments) as process:
            await process.until_it_says("ready")
            await asyncio.sleep(dice.uniform(0.0, 0.06))
        await _nothing_is_half_gone(kept)
    with forked(program, *arguments) as process:
        assert await asyncio.wait_for(process.wait(), 60) == 0
    assert await _nothing_is_half_gone(kept) == 0
    assert [still for still in stills if kept.has_file(still)] == []
    assert (await removed(kept))["evidence"] == len(stills)
    assert len([path for path in (kept.folder / "pictures" / "evidence").rglob("*") if path.is_file()]) == 1


async def _nothing_is_half_gone(kept: Kept) -> int:
    """Every row has its file, and every file a row or a place on the list; how many are on the list."""
    rows = {row["sha256"] for row in await kept.stage.rows(pictures) if row["kind"] == "evidence"}
    leaving = {row["sha256"] for row in await kept.stage.rows(leaving_pictures)}
    root = kept.folder / "pictures" / "evidence"
    files = {path.parent.name + path.name for path in root.rglob("*") if path.is_file()}
    assert rows <= files
    assert files <= rows | leaving
    return len(leaving)


async def test_two_that_remove_at_once_count_each_once(kept: Kept) -> None:
    for number, camera_id in enumerate(("lane-east", "far-gate", "other-gate")):
        await kept.case(f"still {number}", camera_id=camera_id)
    kept.stage.clock.forward(91 * DAY_S)
    await asyncio.gather(*(kept.worker().remove_old() for _ in range(2)))
    assert (await removed(kept))["evidence"] == 3
    async with kept.stage.database.reading() as conn:
        assert (await conn.execute(select(pictures.c.sha256).where(pictures.c.kind == "evidence"))).all() == []

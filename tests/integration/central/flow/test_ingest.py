"""What nodes send, in every order and shape: taken once, answered, or kept in quarantine with the reason."""

from __future__ import annotations

import json
import random
import uuid
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.central.flow.stage import (
    NOON,
    SPOOL,
    VILLAGE,
    HandClock,
    Stage,
    alert,
    build,
    cleared,
    message,
    only_spool,
    raised,
    received,
)
from xueliang_alerts.contract import (
    ClockState,
    EndReason,
    EvidenceKind,
    EvidenceRef,
    Gap,
    NodeState,
    NodeStatus,
    Phase,
    to_bytes,
)
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_central.cameras.tables import cameras
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch.tables import tasks
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.tables import alerts, expected_pictures, incidents
from xueliang_central.ingest import quarantine as quarantining
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.tables import quarantine, spool_records
from xueliang_central.notices.tables import notices
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events

TOPIC = node_topic("edge-01", Leaf.ALERTS)


def _stream(seed: int) -> list[Received]:
    """Three cameras, some alerts each, as a node would send them: raised, updated, cleared in one way or another."""
    rng = random.Random(seed)
    bodies = []
    for camera_id in ("lane-east", "lane-west", "other-gate"):
        for number in range(rng.randint(1, 3)):
            began_at = NOON + timedelta(seconds=200 * number + rng.randint(0, 50))
            more: dict[str, Any] = {"camera_id": camera_id, "began_at": began_at, "severity": rng.randint(1, 4)}
            bodies.append((began_at, alert(Phase.RAISED, 1, **more)))
            for revision in range(2, rng.randint(2, 4)):
                seen = alert(Phase.UPDATED, revision, seen_s=60 + revision, **more)
                bodies.append((began_at + timedelta(seconds=revision), seen))
            end_reason = rng.choice([EndReason.SEEN_CLEAR, EndReason.SEEN_CLEAR, EndReason.VIEW_LOST, None])
            if end_reason is not None:
                ended = alert(Phase.CLEARED, 9, seen_s=100, end_reason=end_reason, **more)
                bodies.append((began_at + timedelta(seconds=100), ended))
    bodies.sort(key=lambda pair: pair[0])
    return [received(body, number) for number, (_, body) in enumerate(bodies, start=1)]


def _final(rows: list[dict[str, Any]]) -> list[Any]:
    """What must not depend on the order: what each incident is made of and says now."""
    names = ("hazard", "severity", "area_code", "drill", "alert_count", "camera_count", "still_present", "gone")
    times = ("began_at", "last_observed_at", "measures", "reason")
    shown = [{name: row[name] for name in (*names, *times, "close_reason")} for row in rows]
    closed = [row["state"] == "closed" for row in rows]
    return sorted(json.dumps([*pair], sort_keys=True, default=str) for pair in zip(shown, closed, strict=True))


@pytest.mark.parametrize("seed", range(8))
async def test_order_and_repetition_leave_no_trace(database_url: str, tmp_path: Any, seed: int) -> None:
    if seed >= 3 and "postgres" in database_url:
        pytest.skip("eight seeds on SQLite, three on PostgreSQL")
    stream = _stream(seed)
    rng = random.Random(1000 + seed)
    shuffled = [*stream, *rng.choices(stream, k=len(stream))]
    rng.shuffle(shuffled)

    plain = await Database.open(f"sqlite:///{tmp_path}/plain.db", wait_s=20)
    await plain.migrate()
    ordered = await build(plain, HandClock())
    for item in stream:
        await ordered.take(item)
    mixed_database = await Database.open(database_url, wait_s=20)
    mixed = await build(mixed_database, HandClock())
    while shuffled:
        size = rng.randint(1, 6)
        batch, shuffled = shuffled[:size], shuffled[size:]
        outcome = await mixed.take(*batch)
    try:
        assert await mixed.alerts_known() == await ordered.alerts_known()
        assert _final(await mixed.rows(incidents)) == _final(await ordered.rows(incidents))
        assert await mixed.count(spool_records) == len(stream)
        assert only_spool(outcome).contiguous_through == len(stream)
    finally:
        await plain.close()
        await mixed_database.close()


async def test_receipts_tell_what_is_committed_and_gaps_close_holes(stage: Stage) -> None:
    first = only_spool(await stage.take(raised(1)))
    assert (first.contiguous_through, first.committed) == (1, ())
    ahead = only_spool(await stage.take(raised(4, camera_id="far-gate"), raised(6, camera_id="other-gate")))
    assert (ahead.contiguous_through, ahead.committed) == (1, ((4, 4), (6, 6)))
    gap = Gap(first_sequence=2, last_sequence=3, why="cap")
    closed = only_spool(await stage.take(received(gap, 7)))
    assert (closed.contiguous_through, closed.committed) == (4, ((6, 7),))


async def test_a_record_declared_missing_that_comes_after_all_is_taken(stage: Stage) -> None:
    await stage.take(received(Gap(first_sequence=1, last_sequence=2, why="cap"), 3))
    outcome = await stage.take(raised(2))
    assert outcome.counts["taken"] == 1
    assert await stage.count(incidents) == 1
    assert (await stage.take(raised(2))).counts["duplicate"] == 1


async def test_a_gap_may_not_reach_beyond_itself(stage: Stage) -> None:
    outcome = await stage.take(received(Gap(first_sequence=2, last_sequence=50, why="cap"), 3))
    spool = only_spool(outcome)
    assert [item.sequence for item in spool.rejected] == [3]
    assert not spool.settles(50)


async def test_receipts_hold_the_four_newest_spools(stage: Stage, clock: HandClock) -> None:
    spools = [uuid.UUID(int=number, version=4) for number in range(1, 7)]
    for number, spool_id in enumerate(spools):
        clock.forward(1)
        began_at = NOON + timedelta(seconds=number)
        body = alert(Phase.RAISED, 1, spool_id=spool_id, began_at=began_at)
        outcome = await stage.take(received(body, 1, spool_id=spool_id))
    assert [spool.spool_id for spool in outcome.receipts[0].spools] == spools[:1:-1]


async def test_the_same_message_again_changes_nothing_and_is_answered(stage: Stage) -> None:
    await stage.take(raised())
    before = (await stage.one_incident(), await stage.count(tasks), await stage.count(events))
    outcome = await stage.take(raised(), raised())  # the process died between commit and acknowledgement
    assert outcome.counts["duplicate"] == 2
    assert only_spool(outcome).settles(1)
    assert (await stage.one_incident(), await stage.count(tasks), await stage.count(events)) == before


async def test_the_same_key_with_other_content_is_a_cloned_node(stage: Stage) -> None:
    await stage.take(raised(1))
    outcome = await stage.take(raised(1, severity=1))
    assert outcome.counts["quarantined_cloned_node"] == 1
    assert only_spool(outcome).rejected == ()
    assert (await stage.one_incident())["severity"] == 2
    told = [row["body"]["node"] for row in await stage.rows(events) if row["kind"] == "node"]
    assert [item["problem"] for item in told] == ["cloned_node"]


async def test_a_clone_inside_one_batch_is_found_too(stage: Stage) -> None:
    outcome = await stage.take(raised(1), raised(1, severity=1))
    assert (outcome.counts["taken"], outcome.counts["quarantined_cloned_node"]) == (1, 1)


async def test_a_node_speaks_only_for_itself(stage: Stage) -> None:
    foreign = received(alert(Phase.RAISED, 1), 5, node_id="edge-02", topic_node="edge-01")
    outcome = await stage.take(foreign)
    assert outcome.counts["quarantined_foreign_node"] == 1
    assert [receipt.node_id for receipt in outcome.receipts] == ["edge-01"]
    assert [item.sequence for item in only_spool(outcome).rejected] == [5]
    assert await stage.count(incidents) == 0


async def test_an_alert_that_another_node_began_is_not_touched(stage: Stage) -> None:
    await stage.take(raised(1))
    theirs = received(alert(Phase.CLEARED, 99), 1, node_id="edge-02")
    outcome = await stage.take(theirs)
    assert outcome.counts["quarantined_foreign_alert"] == 1
    assert (await stage.one_incident())["state"] == "dispatched"


async def _give(stage: Stage, camera_id: str, node_id: str) -> None:
    async with stage.database.transaction() as conn:
        await conn.execute(cameras.update().where(cameras.c.camera_id == camera_id).values(node_id=node_id))


async def test_a_node_raises_nothing_on_a_camera_registered_to_another(stage: Stage) -> None:
    began = [alert(phase, revision) for phase, revision in ((Phase.RAISED, 1), (Phase.CLEARED, 2))]
    outcome = await stage.take(*(received(body, number, node_id="edge-02") for number, body in enumerate(began, 1)))
    assert (outcome.counts["quarantined_foreign_camera"], outcome.counts["taken"]) == (2, 0)
    spool = only_spool(outcome)
    assert [item.sequence for item in spool.rejected] == [1, 2], "answered, so that the node stops sending it"
    assert (spool.rejected[0].reason, spool.settles(1)) == ("camera lane-east is registered to edge-01", True)
    assert {row["reason"] for row in await stage.rows(quarantine)} == {"camera lane-east is registered to edge-01"}
    assert await stage.count(incidents) == 0


async def test_a_foreign_camera_holds_up_nothing_else_of_its_batch(stage: Stage) -> None:
    theirs = received(alert(Phase.RAISED, 1), 1, node_id="edge-02")
    nobodys = received(alert(Phase.RAISED, 1, camera_id="lane-west"), 2, node_id="edge-02")
    unregistered = received(alert(Phase.RAISED, 1, camera_id="new-one"), 3, node_id="edge-02")
    outcome = await stage.take(raised(1, camera_id="far-gate"), theirs, nobodys, unregistered)
    assert (outcome.counts["quarantined_foreign_camera"], outcome.counts["taken"]) == (1, 3)
    by_node = {receipt.node_id: receipt.spools[0] for receipt in outcome.receipts}
    assert [item.sequence for item in by_node["edge-02"].rejected] == [1]
    assert by_node["edge-01"].rejected == ()
    assert {row["camera_id"] for row in await stage.rows(alerts)} == {"far-gate", "lane-west", "new-one"}


async def test_a_camera_that_changes_hands_keeps_its_open_alert(stage: Stage) -> None:
    await stage.take(raised(1))
    await _give(stage, "lane-east", "edge-02")
    outcome = await stage.take(cleared(2), raised(3, began_at=NOON + timedelta(minutes=5)))
    assert (outcome.counts["taken"], outcome.counts["quarantined_foreign_camera"]) == (1, 1)
    assert {phase for _, phase, _ in (await stage.alerts_known()).values()} == {"cleared"}


async def test_what_was_refused_is_taken_once_the_register_is_right(stage: Stage) -> None:
    await stage.take(received(alert(Phase.RAISED, 1), 1, node_id="edge-02"))
    await _give(stage, "lane-east", "edge-02")
    async with stage.database.transaction() as conn:
        await quarantining.ask_for_replay(conn, None, NOON)
        [quarantine_id] = await quarantining.asked_for(conn)
        kept = await quarantining.take_out(conn, quarantine_id, NOON)
    assert kept is not None
    outcome = await stage.take(kept, is_replay=True)
    assert (outcome.counts["taken"], only_spool(outcome).rejected) == (1, ())
    assert (await stage.one_incident())["state"] == "dispatched"


async def test_an_unknown_node_gets_no_receipt_and_comes_in_once_registered(stage: Stage, clock: HandClock) -> None:
    body = alert(Phase.RAISED, 1, camera_id="lane-west")
    stranger = received(body, 1, node_id="edge-77")
    outcome = await stage.take(stranger)
    assert (outcome.counts["quarantined_unknown_node"], outcome.receipts) == (1, [])
    async with stage.database.transaction() as conn:
        row = {"node_id": "edge-77", "area_path": f"3701/370102/370102003/{VILLAGE}", "token_hash": "77"}
        await conn.execute(nodes.insert().values(**row, registered_at=clock()))
    outcome = await stage.take(stranger)
    assert only_spool(outcome).contiguous_through == 1
    assert await stage.count(incidents) == 1


def _poison() -> list[tuple[str, bytes, bool]]:
    """Name, payload, whether its sequence can be read (so that it is answered)."""
    good = json.loads(message(alert(Phase.RAISED, 1), 1))

    def bent(**changes: Any) -> bytes:
        return json.dumps({**good, **changes}).encode()

    body = good["body"]
    return [
        ("empty", b"", False),
        ("not utf-8", b"\xff\xfe{}", False),
        ("not json", b"{", False),
        ("a list", b"[]", False),
        ("deep", b"[" * 20_000 + b"]" * 20_000, False),
        ("nan", json.dumps({**good, "body": {**body, "confidence": float("nan")}}).encode(), True),
        ("too large", b"{" + b" " * 70_000 + b"}", False),
        ("no spool", bent(spool_id="nonsense"), False),
        ("sequence zero", bent(sequence=0), False),
        ("sequence text", bent(sequence="7"), False),
        ("huge sequence", bent(sequence=10**30), False),
        ("huge rule version", bent(body={**body, "rule_version": 10**30}), True),
        ("camera path", bent(body={**body, "camera_id": "../../etc"}), True),
        ("markup", bent(body={**body, "rule_id": "<script>"}), True),
        ("sql", bent(body={**body, "camera_id": "x'; drop table incidents; --"}), True),
        ("nul", bent(body={**body, "reason": {"code": "x", "text": "a\0b"}}), True),
        ("surrogate", message(alert(Phase.RAISED, 1), 1).replace(b"lane 41", b"lane \\ud800"), True),
        ("naive time", bent(emitted_at="2026-11-23T04:00:00"), True),
        ("cleared without end", bent(body={**body, "phase": "cleared"}), True),
        ("unknown kind", bent(body={"kind": "party"}), True),
    ]


@pytest.mark.parametrize(("payload", "answered"), [item[1:] for item in _poison()], ids=[item[0] for item in _poison()])
async def test_poison_is_quarantined_and_stops_nobody(stage: Stage, payload: bytes, answered: bool) -> None:
    outcome = await stage.take(Received(TOPIC, payload, NOON), raised(2))
    assert outcome.counts["quarantined_not_understood"] == 1
    assert outcome.counts["taken"] == 1
    spool = only_spool(outcome)
    assert [item.sequence for item in spool.rejected] == ([1] if answered else [])
    assert spool.contiguous_through == (2 if answered else 0)
    kept = await stage.rows(quarantine)
    assert [row["kind"] for row in kept] == ["not_understood"]
    assert kept[0]["reason"]


async def test_mutated_messages_never_fail_a_batch(stage: Stage) -> None:
    rng = random.Random(7)
    good = message(alert(Phase.RAISED, 1), 1)
    for _ in range(6):
        batch = []
        for _ in range(50):
            bytes_ = bytearray(good)
            for _ in range(rng.randint(1, 6)):
                bytes_[rng.randrange(len(bytes_))] = rng.randrange(256)
            batch.append(Received(TOPIC, bytes(bytes_), NOON))
        await stage.take(*batch)
    assert await stage.count(quarantine) > 100


async def test_wild_topics_and_wrong_shards_are_quarantined(stage: Stage) -> None:
    wrong_shard = TOPIC.replace("/v1/0", "/v1/f", 1)
    good = message(alert(Phase.RAISED, 1), 1)
    outcome = await stage.take(*(Received(topic, good, NOON) for topic in ("x", wrong_shard, "\ufffd" * 500)))
    assert outcome.counts["quarantined_bad_topic"] == 3
    assert outcome.receipts == []


async def test_the_quarantine_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantining, "LIMIT_ROWS", 10)
    for number in range(4):
        at = NOON + timedelta(seconds=number)
        await stage.take(*(Received(TOPIC, f"{number} {index}".encode(), at) for index in range(5)))
    kept = await stage.rows(quarantine)
    assert len(kept) == 10
    assert min(row["received_at"] for row in kept) == NOON + timedelta(seconds=2)


async def test_the_same_poison_again_only_counts_up(stage: Stage) -> None:
    await stage.take(Received(TOPIC, b"{", NOON))
    await stage.take(Received(TOPIC, b"{", NOON))
    assert [row["times"] for row in await stage.rows(quarantine)] == [2]


async def test_cleared_before_raised_is_recorded_and_nobody_is_sent(stage: Stage) -> None:
    await stage.take(cleared(2))
    incident = await stage.one_incident()
    assert (incident["state"], incident["close_reason"]) == ("closed", "ended_by_itself")
    await stage.take(raised(1))
    assert (await stage.one_incident())["state"] == "closed"
    assert [await stage.count(table) for table in (tasks, clocks, notices)] == [0, 0, 0]
    assert "ended_before_known" in await stage.story()


async def test_a_backlog_with_its_ends_sends_nobody(stage: Stage) -> None:
    batch = []
    for number in range(10):
        began_at = NOON - timedelta(hours=8) + timedelta(minutes=40 * number)
        batch += [raised(2 * number + 1, began_at=began_at), cleared(2 * number + 2, began_at=began_at)]
    await stage.take(*batch)
    assert {row["state"] for row in await stage.rows(incidents)} == {"closed"}
    assert await stage.count(tasks) == 0


async def test_a_cleared_alert_whose_end_saw_nothing_still_opens(stage: Stage) -> None:
    await stage.take(cleared(1, end_reason=EndReason.NODE_STOPPED))
    assert (await stage.one_incident())["state"] == "dispatched"


async def test_a_node_with_a_wrong_clock_folds_by_receipt(stage: Stage) -> None:
    years_ahead = NOON.replace(year=2036)
    await stage.take(received(alert(Phase.RAISED, 1, began_at=years_ahead), 1))
    await stage.take(received(alert(Phase.RAISED, 1, camera_id="lane-west"), 2))
    untrusted = alert(Phase.UPDATED, 2, camera_id="lane-west", clock_state=ClockState.UNTRUSTED)
    await stage.take(received(untrusted, 3))
    incident = await stage.one_incident()
    assert incident["alert_count"] == 2
    assert incident["last_observed_at"] <= NOON + timedelta(minutes=5)


@pytest.mark.parametrize("year", [1901, 1970, 2199])
async def test_impossible_years_are_taken(stage: Stage, year: int) -> None:
    began_at = NOON.replace(year=year, month=6)
    await stage.take(received(alert(Phase.RAISED, 1, began_at=began_at), 1))
    assert (await stage.one_incident())["began_at"] == NOON


async def test_stills_of_all_revisions_are_expected_and_the_best_is_shown(stage: Stage) -> None:
    onset = EvidenceRef(sha256="aa" * 32, kind=EvidenceKind.ONSET, bytes=100)
    end = EvidenceRef(sha256="ee" * 32, kind=EvidenceKind.END, bytes=100)
    await stage.take(cleared(2, evidence=[end], end_reason=EndReason.VIEW_LOST))
    await stage.take(raised(1, evidence=[onset]))
    assert (await stage.one_incident())["picture"]["sha256"] == onset.sha256
    assert sorted(row["kind"] for row in await stage.rows(expected_pictures)) == ["end", "onset"]


async def test_a_status_reaches_the_fleet_and_a_foreign_one_does_not(stage: Stage) -> None:
    status = NodeStatus(node_id="edge-01", state=NodeState.ONLINE, boot_id=SPOOL, spool_id=SPOOL, at=NOON)
    mine = Received(node_topic("edge-01", Leaf.STATUS), to_bytes(status), NOON)
    foreign = Received(node_topic("edge-02", Leaf.STATUS), to_bytes(status), NOON)
    outcome = await stage.take(mine, foreign)
    assert (outcome.counts["status"], outcome.counts["quarantined_foreign_node"]) == (1, 1)
    states = {row["node_id"]: row["state"] for row in await stage.rows(nodes)}
    assert states == {"edge-01": "online", "edge-02": None}


async def test_rejected_and_asked_for_again_is_taken_when_it_can_be(stage: Stage) -> None:
    """A message that failed for a fault of ours is answered "rejected"; after the repair it is replayed."""
    from xueliang_central.dispatch.publishing import changing
    from xueliang_central.ingest.committing import commit_batch

    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        outcome = await commit_batch(change, [raised(1)], refuse="a fault of ours")
    assert [item.sequence for item in only_spool(outcome).rejected] == [1]
    async with stage.database.transaction() as conn:
        assert await quarantining.ask_for_replay(conn, None, NOON) == 1
        [quarantine_id] = await quarantining.asked_for(conn)
        kept = await quarantining.take_out(conn, quarantine_id, NOON)
    assert kept is not None
    assert (await stage.take(kept)).counts["duplicate"] == 1  # by itself it stays settled
    outcome = await stage.take(kept, is_replay=True)
    assert outcome.counts["taken"] == 1
    assert only_spool(outcome).rejected == ()
    assert (await stage.one_incident())["state"] == "dispatched"

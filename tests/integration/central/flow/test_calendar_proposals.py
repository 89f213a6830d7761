"""Three closings as permitted at the same place and time of day propose an event; a rule operator answers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.central.flow.stage import LI, NOON, OTHER_GRID, VILLAGE, Stage, actor
from tests.integration.central.flow.test_silences import Node, worker
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.audit.tables import audit_records
from xueliang_central.dispatch.publishing import changing
from xueliang_central.errors import Conflict, MoveRefused, NotAllowed, NotFound
from xueliang_central.incidents.tables import incidents
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.silences import proposals
from xueliang_central.silences.proposals import ProposalMove
from xueliang_central.silences.tables import calendar_proposals, silenced_alerts, silences
from xueliang_central.store.events import read_after

DAY = timedelta(days=1)
TUNER = actor(Role.RULE_OPERATOR, VILLAGE, "tuner")
CROWD: dict[str, Any] = {"hazard": Hazard.CROWD, "severity": 3}


@pytest.fixture
def node(stage: Stage) -> Node:
    return Node(stage)


async def permit(stage: Stage, node: Node, days: float = 1, verdict: str = "permitted", **more: Any) -> None:
    """A crowd for ten minutes, closed by the operator; then `days` pass."""
    body = {**CROWD, **more}
    began_at = await node.says(**body)
    (case,) = [row for row in await stage.rows(incidents) if row["state"] != "closed"]
    await stage.judge(LI, case["incident_id"], verdict, case["version"])
    await node.says(Phase.CLEARED, 2, began_at=began_at, seen_s=600, **body)
    stage.clock.at += days * DAY


async def answer(stage: Stage, who: Actor, move: str, version: int = 1, **more: Any) -> None:
    (row,) = [one for one in await stage.rows(calendar_proposals) if one["state"] == "open"]
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await proposals.move(change, who, row["proposal_id"], ProposalMove(move, version, **more))


async def test_three_propose_and_only_propose(stage: Stage, node: Node) -> None:
    for day in range(2):
        await permit(stage, node)
        assert await stage.count(calendar_proposals) == 0, day
    await permit(stage, node)
    (row,) = await stage.rows(calendar_proposals)
    assert (row["camera_id"], row["rule_id"], row["hazard"], row["state"]) == (
        "lane-east",
        "lane-blocked",
        "crowd",
        "open",
    )
    (band,) = row["weekly"]["bands"]
    assert (band["days"], band["start"], band["until"]) == (["mon", "tue", "wed"], "11:45", "12:45")
    numbers = [one["number"] for one in sorted(await stage.rows(incidents), key=lambda one: one["began_at"])]
    assert [one["number"] for one in row["closings"]] == numbers, "the why"
    assert row["ends_at"] == NOON + 2 * DAY + timedelta(seconds=stage.rulebook.silencing.proposed_for_s)
    assert await stage.count(silences) == 0, "it never applies itself"
    stage.clock.at = NOON + 7 * DAY
    await node.says(**CROWD)
    assert [one["state"] for one in await stage.rows(incidents)].count("open") == 1
    async with stage.database.reading() as conn:
        told = [one.body for one in await read_after(conn, 0) if one.kind == "calendar_proposal"]
    assert [one["calendar_proposal"]["state"] for one in told] == ["open"]


async def test_accepted_it_is_an_event_that_hides_and_ends(stage: Stage, node: Node) -> None:
    for _ in range(3):
        await permit(stage, node)
    await answer(stage, TUNER, "accept", note="market")
    (row,) = await stage.rows(calendar_proposals)
    (event,) = await stage.rows(silences)
    assert (row["state"], row["silence_id"], row["decided_by"]) == ("accepted", event["silence_id"], "tuner")
    assert (event["kind"], event["camera_id"], event["rule_id"], event["owner_id"], event["reason"]) == (
        "event",
        "lane-east",
        "lane-blocked",
        TUNER.user_id,
        "market",
    )
    assert (event["proposal_id"], event["ends_at"]) == (row["proposal_id"], row["ends_at"])
    stage.clock.at = NOON + 7 * DAY  # Monday noon
    await node.says(**CROWD)
    assert await stage.count(silenced_alerts) == 1
    stage.clock.at = NOON + 10 * DAY  # Thursday
    await node.says(**{**CROWD, "camera_id": "lane-east"})
    assert await stage.count(silenced_alerts) == 1
    said = [(one["actor"], one["action"]) for one in await stage.rows(audit_records) if "cal" in one["action"]]
    assert said == [("system", "calendar.proposed"), ("tuner", "calendar.accepted")]


async def test_refused_the_same_closings_propose_nothing_again(stage: Stage, node: Node) -> None:
    for _ in range(3):
        await permit(stage, node)
    await answer(stage, TUNER, "refuse", idempotency_key="k")
    with pytest.raises(ValueError, match="unpack"):
        await answer(stage, TUNER, "refuse", idempotency_key="k")  # none is open
    for _ in range(2):
        await permit(stage, node)
        assert await stage.count(calendar_proposals) == 1
    await permit(stage, node)
    assert sorted(one["state"] for one in await stage.rows(calendar_proposals)) == ["open", "refused"]
    assert await stage.count(silences) == 0


async def test_one_more_is_one_more_reason_not_one_more_proposal(stage: Stage, node: Node) -> None:
    for _ in range(3):
        await permit(stage, node)
    stage.clock.at = NOON + 7 * DAY
    await permit(stage, node)
    (row,) = await stage.rows(calendar_proposals)
    assert (len(row["closings"]), row["version"]) == (4, 2)
    with pytest.raises(Conflict):
        await answer(stage, TUNER, "accept")


@pytest.mark.parametrize(
    ("verdict", "more", "days"),
    [
        ("false_alarm", {}, 1.0),
        ("permitted", {"severity": 1}, 1.0),
        ("permitted", {"hazard": Hazard.FIRE_SMOKE}, 1.0),
        ("permitted", {"drill": True}, 1.0),
        ("permitted", {}, 1.3),  # another time of day each time
        ("permitted", {}, 16.0),  # too long ago
    ],
)
async def test_what_proposes_nothing(stage: Stage, node: Node, verdict: str, more: dict[str, Any], days: float) -> None:
    for _ in range(3):
        await permit(stage, node, days, verdict, **more)
    assert await stage.count(calendar_proposals) == 0


async def test_what_was_reopened_was_not_permitted(stage: Stage, node: Node) -> None:
    await permit(stage, node)
    (case,) = await stage.rows(incidents)
    await stage.judge(LI, case["incident_id"], "reopen", case["version"], note="a slip")
    await stage.judge(LI, case["incident_id"], "false_alarm", case["version"] + 1)
    for _ in range(2):
        await permit(stage, node)
    assert await stage.count(calendar_proposals) == 0


@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        (LI, NotAllowed),
        (actor(Role.RULE_OPERATOR, OTHER_GRID, "neighbour"), NotFound),
        (Actor(TUNER.user_id, "tuner", Role.RULE_OPERATOR, "3701/370199", (TUNER.area_path,)), NotAllowed),
    ],
)
async def test_who_answers(stage: Stage, node: Node, who: Actor, refusal: type[Exception]) -> None:
    for _ in range(3):
        await permit(stage, node)
    for move in ("accept", "refuse"):
        with pytest.raises(refusal):
            await answer(stage, who, move)
    with pytest.raises(MoveRefused):
        await answer(stage, TUNER, "apply")
    assert await stage.count(silences) == 0


async def test_unanswered_it_lapses_and_is_forgotten(stage: Stage, node: Node, tmp_path: Path) -> None:
    for _ in range(3):
        await permit(stage, node)
    running = worker(stage, tmp_path)
    (row,) = await stage.rows(calendar_proposals)
    stage.clock.at = row["ends_at"] - timedelta(seconds=1)
    assert await running.end_silences() == 0
    stage.clock.forward(1)
    assert await running.end_silences() == 1
    assert (await stage.rows(calendar_proposals))[0]["state"] == "lapsed"
    stage.clock.at += timedelta(seconds=stage.rulebook.silencing.keep_s)
    assert await running.forget_silences() == 1
    assert await stage.count(calendar_proposals) == 0

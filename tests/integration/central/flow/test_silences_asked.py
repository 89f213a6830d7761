"""Silences as people ask for them: what is refused, who may, the same twice, and what is written of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.central.flow.stage import (
    GRID,
    LI,
    MAYOR,
    NOON,
    OTHER_GRID,
    TOWNSHIP,
    WANG,
    Stage,
    actor,
)
from tests.integration.central.flow.test_silences import DAY, TUNER, Node, end, look, make, node
from xueliang_central.audit.chain import verify
from xueliang_central.audit.tables import audit_records
from xueliang_central.errors import MoveRefused, NotAllowed, NotFound, SilenceRefused
from xueliang_central.incidents.suppressing import Kind
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.silences.tables import silences
from xueliang_central.store.events import read_after

__all__ = ["node"]  # the fixture


@pytest.mark.parametrize(
    ("who", "asked", "wheres"),
    [
        (LI, {"hazard": "fire_smoke"}, ["hazard"]),
        (LI, {"severities": (1, 2)}, ["severities"]),
        (LI, {"severities": ()}, ["severities"]),
        (LI, {"ends_at": NOON + 8 * DAY}, ["ends_at"]),
        (LI, {"ends_at": NOON}, ["ends_at"]),
        (LI, {"starts_at": NOON - DAY}, ["starts_at"]),
        (LI, {"starts_at": NOON + 400 * DAY, "ends_at": NOON + 401 * DAY}, ["starts_at"]),
        (LI, {"camera_id": "lane-east", "area_code": GRID}, ["area_code"]),
        (LI, {"node_id": "edge-01"}, ["node_id"]),
        (LI, {"reason": "  "}, ["reason"]),
        (
            LI,
            {"hazard": "fire_smoke", "severities": (1,), "ends_at": NOON + 9 * DAY},
            ["hazard", "severities", "ends_at"],
        ),
        (TUNER, {"kind": Kind.MAINTENANCE, "hazard": "crowd"}, ["hazard"]),
        (TUNER, {"kind": Kind.EVENT}, ["hazard"]),
    ],
)
async def test_what_can_never_be_silenced_is_refused_with_every_problem(
    stage: Stage, who: Actor, asked: dict[str, Any], wheres: list[str]
) -> None:
    with pytest.raises(SilenceRefused) as refused:
        await make(stage, who, **asked)
    assert [problem["where"] for problem in refused.value.extra["problems"]] == wheres
    assert await stage.count(silences) == 0


@pytest.mark.parametrize(
    ("who", "asked", "refusal"),
    [
        (WANG, {}, NotAllowed),
        (TUNER, {}, NotAllowed),
        (LI, {"kind": Kind.MAINTENANCE}, NotAllowed),
        (LI, {"kind": Kind.EVENT, "hazard": "crowd"}, NotAllowed),
        (LI, {"area_code": TOWNSHIP}, NotFound),
        (LI, {"area_code": "999999"}, NotFound),
        (actor(Role.OPERATOR, OTHER_GRID, "stranger"), {"camera_id": "lane-east"}, NotFound),
        (
            Actor(LI.user_id, "li", Role.OPERATOR, MAYOR.area_path + "/370199", (LI.area_path,)),
            {},
            NotAllowed,
        ),  # a grant
    ],
)
async def test_only_the_own_and_by_the_right_role(
    stage: Stage, who: Actor, asked: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await make(stage, who, **asked)
    assert await stage.count(silences) == 0


async def test_the_same_request_makes_one(stage: Stage) -> None:
    fields = {"key": "k1", "ends_at": NOON + timedelta(hours=1)}
    first = await make(stage, **fields)
    stage.clock.forward(10)
    assert await make(stage, **fields) == first
    with pytest.raises(MoveRefused, match="another request"):
        await make(stage, **{**fields, "reason": "something else"})
    assert await stage.count(silences) == 1
    await end(stage, LI, first, idempotency_key="k2")
    await end(stage, LI, first, idempotency_key="k2")


async def test_every_act_is_on_the_chain_and_told(stage: Stage, node: Node) -> None:
    silence_id = await make(stage)
    await node.says()
    await end(stage, LI, silence_id)
    await look(stage)
    async with stage.database.reading() as conn:
        assert (await verify(conn)).is_whole
        told = [one.body["silence"] for one in await read_after(conn, 0) if one.kind == "silence"]
    assert [one["state"] for one in told] == ["active", "active", "ended", "ended"]
    assert [one["alerts"]["hidden"] for one in told] == [0, 1, 1, 0]
    assert told[-1]["alerts"] == {"total": 1, "hidden": 0, "over": 0, "left": 1, "passed_on": 0}
    said = [(row["actor"], row["action"]) for row in await stage.rows(audit_records) if row["object_kind"] == "silence"]
    assert said == [("li", "silence.made"), ("li", "silence.ended")]

"""HTTP only: what would rid a rule of its false alarms, searched for by the node that watches the camera."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from xueliang_central.camera_rules.record import recorded_alerts
from xueliang_central.camera_rules.suggesting import basis_of
from xueliang_central.centre import centre_of
from xueliang_central.errors import BacktestRefused
from xueliang_central.routes.asking import UtcMoment
from xueliang_central.routes.backtests import CameraId, Tries, note_trial, watched_camera, while_connected
from xueliang_configs.errors import ConfigError
from xueliang_configs.loading import rule_from

router: Final = APIRouter(prefix="/api/cameras", tags=["cameras"])


class SuggestionsAsked(BaseModel):
    """One rule as it would stand under the camera, and the time whose judged alerts are searched."""

    model_config = ConfigDict(extra="forbid")

    rule: dict[str, Any] = Field(description="As in the node's settings: rule_id, hazard, zone and what differs.")
    from_at: UtcMoment
    to_at: UtcMoment


class SuggestionsAnswer(BaseModel):
    """Rows as `xueliang-edge backtest --suggest --json` writes them, and the judged alerts that they rest on."""

    node_id: str
    rows: list[dict[str, Any]] = Field(description="`kind`: `suggestions` of the whole, then each `proposal`.")
    left_out: int
    from_at: datetime = Field(
        description="From when on judged alerts were searched: later than asked for, if too many."
    )
    judged_left_out: int = Field(description="Judged alerts before `from_at` that were not searched.")
    record: list[dict[str, Any]] = Field(description="The judged alerts, each with its incident.")


@router.post("/{camera_id}/suggestions")
async def suggestions(
    request: Request, camera_id: CameraId, asked: SuggestionsAsked, actor: Tries
) -> SuggestionsAnswer:
    """Changes of a rule that rid it of its false alarms, and which true alerts each would lose. Takes up to some
    minutes; nothing is changed. Who closes the connection gives the question up."""
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        found = await watched_camera(conn, actor, camera_id)
    try:
        rule = rule_from(asked.rule)
    except ConfigError as error:
        raise BacktestRefused(str(error)) from error
    node_id = found.node_that_hears()
    async with centre.database.reading() as conn:
        record = await recorded_alerts(conn, actor, camera_id, rule.rule_id, asked.from_at, asked.to_at)
    basis = basis_of(record, rule, asked.from_at)
    await note_trial(centre, actor, camera_id, rule.rule_id, node_id, action="rule.suggestions_asked")
    question = centre.backtests.ask(node_id, camera_id, asked.rule, basis.from_at, asked.to_at, basis.judged)
    answer = await while_connected(request, question)
    return SuggestionsAnswer(
        node_id=node_id,
        rows=list(answer.rows),
        left_out=answer.left_out,
        from_at=basis.from_at,
        judged_left_out=basis.left_out,
        record=[asdict(one) for one in basis.record],
    )

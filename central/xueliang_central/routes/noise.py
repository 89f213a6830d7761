"""HTTP only: the noise board of an area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from xueliang_central.areas.tree import AreaTree, brief
from xueliang_central.cameras.gate import Gate
from xueliang_central.centre import Centre, centre_of
from xueliang_central.fleet.overview import iso
from xueliang_central.noise import board, following, knowing
from xueliang_central.noise.board import SPANS, Asked, Order, Span, Unraised
from xueliang_central.noise.suggesting import (
    Noise,
    Silent,
    Suggestion,
    is_flapping,
    of_flapping,
    of_judgements,
    of_silence,
)
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor
from xueliang_central.routes.asking import rulebook_of
from xueliang_central.routes.reports import AreaCode, area_of

router: Final = APIRouter(prefix="/api/noise", tags=["reports"])

Row = dict[str, Any]


@router.get("")
async def get_noise(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_NOISE))],
    area: AreaCode = None,
    span: Annotated[Span, Query(description="8 hours, 24 hours, 7 or 30 days, until now.")] = "week",
    order: Annotated[
        Order, Query(description="Of false alarms; share: only rules with enough judgements for one.")
    ] = "number",
) -> JSONResponse:
    """Cameras and rules with the most false alarms, rules that flap, rules that were never raised, each with what its
    own figures suggest; or with what is missing to suggest anything.

    An incident counts in the span in which it opened, as in reports. `false_share` is of those judged true or false;
    permitted is neither. 404: no `area` that the actor may see.
    """
    centre = centre_of(request)
    where = area_of(centre.areas.tree, actor, area)
    now = centre.wall()
    asked = Asked(actor, where.path, now - SPANS[span], span, order)
    shown = await _board(request, centre, asked)
    return JSONResponse(
        {
            "area": brief(where),
            "span": span,
            "from": iso(asked.begins_at.astimezone(UTC)),
            "to": iso(now.astimezone(UTC)),
            "order": order,
            "rows_at_most": board.ROWS,
            **shown,
        }
    )


async def _board(request: Request, centre: Centre, asked: Asked) -> dict[str, Any]:
    rulebook = rulebook_of(request)
    folding, propose_after = rulebook.folding, rulebook.silencing.propose_after
    async with centre.database.reading() as conn:
        rules = await board.noisiest_rules(conn, asked)
        of_cameras = await board.noisiest_cameras(conn, asked)
        flapping = await board.most_flapping(conn, asked, folding)
        gate_holds = await centre.gate.mode(conn) is Gate.ENFORCE
        unraised = await board.never_raised(conn, asked, gate_holds=gate_holds)
        known = await knowing.noises(conn, [*rules, *flapping], asked.begins_at, folding, propose_after)
        silent = [row["camera_id"] for row in unraised.rows]
        faults = await knowing.faults_of(conn, silent, asked.begins_at)
        shown = {row["camera_id"] for row in (*rules, *of_cameras, *flapping, *unraised.rows)}
        names = await knowing.named(conn, shown)
        waiting = await following.behind(conn)
    tree = centre.areas.tree
    return {
        "cameras": [_sums(tree, names, row) for row in of_cameras],
        "rules": [_of_rule(tree, names, row, known, of_judgements) for row in rules],
        "flapping": [_of_rule(tree, names, row, known, _flapping_of) | _flaps(row, known) for row in flapping],
        "never": _never(tree, names, unraised, faults),
        "events_behind": waiting,
    }


def _flapping_of(noise: Noise) -> Sequence[Suggestion]:
    return (of_flapping(noise),)


def _of_rule(tree: AreaTree, names: Mapping[str, Row], row: Row, known: Mapping[Any, Noise], suggest: Any) -> Row:
    found = suggest(known[row["camera_id"], row["rule_id"]])
    return {
        **_sums(tree, names, row),
        "rule_id": row["rule_id"],
        "hazard": row["hazard"],
        "suggestions": [one.as_json() for one in found],
    }


def _flaps(row: Row, known: Mapping[Any, Noise]) -> Row:
    return {
        "flap_count": row["flap_count"],
        "flap_window_s": row["flap_window_s"],
        "is_flapping": is_flapping(known[row["camera_id"], row["rule_id"]]),
    }


def _camera(tree: AreaTree, names: Mapping[str, Row], camera_id: str) -> Row:
    """One that has left the register is shown by its id."""
    found = names.get(camera_id)
    area = tree.find(found["area_code"]) if found else None
    return {
        "camera_id": camera_id,
        "camera_name": found["name"] if found else camera_id,
        "is_registered": found is not None,
        "area": None if area is None else brief(area),
    }


def _sums(tree: AreaTree, names: Mapping[str, Row], row: Row) -> Row:
    counted = ("incidents", "alerts", "repeats", "peak", "true", "false", "permitted", "nothing_here", "unjudged")
    judged = row["true"] + row["false"]
    return {
        **_camera(tree, names, row["camera_id"]),
        **{name: int(row[name]) for name in counted},
        "false_share": row["false"] / judged if judged else None,
        "last_raised_at": iso(row["last_raised_at"]),
    }


def _never(tree: AreaTree, names: Mapping[str, Row], found: Unraised, faults: Mapping[str, int]) -> Row:
    rows = []
    for row in found.rows:
        silent = Silent(int(row["peers"]), int(row["peers_raised"]), faults.get(row["camera_id"], 0))
        rows.append(
            {
                **_camera(tree, names, row["camera_id"]),
                "rule_id": row["rule_id"],
                "hazard": row["hazard"],
                "since": iso(row["since"]),
                "scheduled": row["scheduled"],
                "suggestions": [of_silence(silent).as_json()],
            }
        )
    return {"total": found.total, "younger": found.younger, "items": rows}

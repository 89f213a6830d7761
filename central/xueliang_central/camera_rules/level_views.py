"""What levels say as answers show it, and where a camera's settings come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree, brief
from xueliang_central.camera_rules.canary import Band, alerts_between
from xueliang_central.camera_rules.deciding import VersionState
from xueliang_central.camera_rules.following import Effect
from xueliang_central.camera_rules.inheriting import MODELS, LevelDefaults, said_by
from xueliang_central.camera_rules.tables import rule_versions
from xueliang_central.fleet.overview import iso

Row = dict[str, Any]
_HAVE_RUN = (VersionState.RAN.value, VersionState.DESIRED.value, VersionState.REPLACED.value)


def level_view(row: Row, *, with_settings: bool = False) -> dict[str, Any]:
    shown = {
        "version": row["version"],
        "state": row["state"],
        "why": row["why"],
        "made_at": iso(row["made_at"]),
        "by": row["by_name"],
        "restores": row["restores"],
        "severity_changes": row["severities"],
        "decided_at": iso(row["decided_at"]),
        "decided_by": row["decided_by_name"],
        "decide_note": row["decide_note"],
        "spreading": row["spreading"],
        "spread_at": iso(row["spread_at"]),
        "changed": row["changed"],
        "left_out": row["left_out"],
    }
    return {**shown, "settings": row["settings"]} if with_settings else shown


def canary_view(row: Row, cameras: Sequence[Row], moves: Sequence[str]) -> dict[str, Any]:
    ids = [one["camera_id"] for one in cameras]
    return {"version": row["version"], **trial_view(row), "cameras": ids, "moves": list(moves)}


def trial_view(row: Row) -> dict[str, Any]:
    """What is the same of everything that is tried first: `tables.trial_columns`."""
    times = {name: iso(row[name]) for name in ("began_at", "ends_at", "looked_at", "ended_at")}
    same = ("state", "hours", "promotes_itself", "band", "hazards", "figures", "reasons", "ended_by")
    figures = row["figures"]
    between = None if figures is None else alerts_between(figures["expected"], Band(**row["band"]))
    return {**{name: row[name] for name in same}, **times, "alerts_between": between}


def effect_view(one: Effect) -> dict[str, Any]:
    return asdict(one)


def origins_of(levels: Sequence[LevelDefaults], tree: AreaTree) -> dict[str, dict[str, Any]]:
    """Hazard → setting → the value that is inherited and the area that says it."""
    return {
        hazard: {name: {"value": value, "area": _named(tree, code)} for name, (value, code) in found.items()}
        for hazard in MODELS
        if (found := said_by(levels, hazard))
    }


def inherited_view(inherited: Mapping[str, Mapping[str, str]] | None, tree: AreaTree) -> dict[str, dict[str, Any]]:
    """rule_id → setting → the area that it is inherited from."""
    return {
        rule_id: {name: _named(tree, code) for name, code in names.items()}
        for rule_id, names in (inherited or {}).items()
        if names
    }


def _named(tree: AreaTree, code: str) -> dict[str, str]:
    """An area that has gone from the tree keeps its code."""
    area = tree.find(code)
    return {"code": code, "name": code, "name_en": code, "level": ""} if area is None else brief(area)


async def inherited_in_running(conn: AsyncConnection, camera_id: str, digest: str) -> Mapping[str, Any] | None:
    """Of what a node runs: what the newest version that says the same has inherited; None: nothing is known of it."""
    versions = rule_versions.c
    query = select(versions.inherited).where(
        versions.camera_id == camera_id, versions.digest == digest, versions.state.in_(_HAVE_RUN)
    )
    found: Mapping[str, Any] | None = (
        await conn.execute(query.order_by(versions.version.desc()).limit(1))
    ).scalar_one_or_none()
    return found

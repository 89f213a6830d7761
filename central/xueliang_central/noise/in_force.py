"""Keeps `noise_rules` right: which rules each camera's node runs, since when each has been as it is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Select, and_, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import ID_PATTERN
from xueliang_central.camera_rules.tables import rule_reports, rule_versions
from xueliang_central.cameras.tables import cameras
from xueliang_central.noise.tables import noise_cameras, noise_rules
from xueliang_central.store.among import among

Row = dict[str, Any]
CAMERAS_AT_ONCE: Final = 200
_HAZARD_PATTERN: Final = r"[a-z0-9_]{1,40}"


def _changed() -> Select[Any]:
    """Cameras whose node (the one that has them now) says other rules than those that are here."""
    said, here = rule_reports.c, noise_cameras.c
    return (
        select(said.camera_id)
        .join(cameras, and_(cameras.c.camera_id == said.camera_id, cameras.c.node_id == said.node_id))
        .outerjoin(noise_cameras, here.camera_id == said.camera_id)
        .where(or_(here.digest.is_(None), here.digest != said.digest, here.node_id != said.node_id))
        .order_by(said.camera_id)
    )


async def is_any_changed(conn: AsyncConnection) -> bool:
    return (await conn.execute(_changed().limit(1))).first() is not None


async def follow(conn: AsyncConnection) -> int:
    """Take up what some nodes say; how many cameras: CAMERAS_AT_ONCE when there may be more."""
    ids = list((await conn.execute(_changed().limit(CAMERAS_AT_ONCE))).scalars())
    if not ids:
        return 0
    reports = [dict(row) for row in (await conn.execute(_reports(conn, ids))).mappings()]
    before = await _before(conn, ids)
    rows = [row for report in reports for row in _rows(report, before)]
    await conn.execute(delete(noise_rules).where(among(conn, noise_rules.c.camera_id, ids)))
    await conn.execute(delete(noise_cameras).where(among(conn, noise_cameras.c.camera_id, ids)))
    if rows:
        await conn.execute(insert(noise_rules), rows)
    known = [{name: report[name] for name in ("camera_id", "node_id", "digest")} for report in reports]
    await conn.execute(insert(noise_cameras), known)
    return len(ids)


def _reports(conn: AsyncConnection, ids: Sequence[str]) -> Select[Any]:
    """What they run; where the node has named its digest only, the version that was sent with it."""
    said, sent = rule_reports.c, rule_versions.c
    same = and_(sent.camera_id == said.camera_id, sent.digest == said.digest, sent.state == "desired")
    return (
        select(said.camera_id, said.node_id, said.digest, said.since, said.settings, sent.settings.label("sent"))
        .outerjoin(rule_versions, same)
        .where(among(conn, said.camera_id, ids))
    )


async def _before(conn: AsyncConnection, ids: Sequence[str]) -> dict[tuple[str, str], Row]:
    query = select(noise_rules).where(among(conn, noise_rules.c.camera_id, ids))
    return {(row["camera_id"], row["rule_id"]): dict(row) for row in (await conn.execute(query)).mappings()}


def _rows(report: Row, before: Mapping[tuple[str, str], Row]) -> list[Row]:
    rows: dict[str, Row] = {}
    for rule in rules_in(report["settings"] or report["sent"]):
        if rule.get("drill"):
            continue
        content = digest_of(rule)
        known = before.get((report["camera_id"], rule["rule_id"]))
        is_same = known is not None and known["content"] == content
        rows[rule["rule_id"]] = {
            "camera_id": report["camera_id"],
            "rule_id": rule["rule_id"],
            "hazard": rule["hazard"],
            "shadow": bool(rule.get("shadow")),
            "scheduled": rule.get("schedule") is not None,
            "content": content,
            "since": known["since"] if is_same and known is not None else report["since"],
        }
    return list(rows.values())


def rules_in(settings: object) -> list[Row]:
    """The rules of a camera's settings. A node's are kept as it said them, read by nobody: what has no id and hazard
    such as rules have here is left out, lest one node stop the board of all."""
    rules = settings.get("rules") if isinstance(settings, Mapping) else None
    if not isinstance(rules, list):
        return []
    return [rule for rule in rules if isinstance(rule, dict) and _is_named(rule)]


def _is_named(rule: Row) -> bool:
    named = (ID_PATTERN, rule.get("rule_id")), (_HAZARD_PATTERN, rule.get("hazard"))
    return all(isinstance(value, str) and re.fullmatch(pattern, value) for pattern, value in named)


def digest_of(rule: Mapping[str, Any]) -> str:
    """Of what the rule says; its version number is not part of that."""
    plain = {name: value for name, value in rule.items() if name != "version"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

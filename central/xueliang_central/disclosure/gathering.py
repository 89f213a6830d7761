"""Reads what the pages about cameras say, in a few queries however many cameras there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Area, AreaTree, code_of_path
from xueliang_central.camera_rules.deciding import VersionState
from xueliang_central.camera_rules.tables import rule_reports, rule_versions
from xueliang_central.cameras.tables import cameras
from xueliang_central.disclosure.facts import (
    AreaName,
    Assessment,
    CameraFact,
    RuleFact,
    Said,
    rights_in_force,
    rules_of,
)
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.tables import alerts
from xueliang_central.rights.tables import users
from xueliang_configs.centre import CentreLiveViewConfig, DisclosureConfig
from xueliang_configs.retention import RetentionConfig

Row = dict[str, Any]

MODELS_OF: Final = timedelta(days=7)  # alerts that long back say which models judge


async def count(conn: AsyncConnection, *conditions: ColumnElement[bool]) -> int:
    """How many cameras meet the conditions."""
    return int((await conn.execute(select(func.count()).select_from(cameras).where(*conditions))).scalar_one())


def at_or_below(area: Area) -> ColumnElement[bool]:
    """Cameras that belong to the area, or to one below it."""
    path = cameras.c.area_path
    return or_(path == area.path, path.startswith(f"{area.path}/", autoescape=True))


async def assessment(
    conn: AsyncConnection,
    tree: AreaTree,
    area: Area,
    *conditions: ColumnElement[bool],
    retention: RetentionConfig,
    disclosure: DisclosureConfig,
    live_view: CentreLiveViewConfig | None,
    at: datetime,
    accounts: bool = True,
) -> Assessment:
    """What is to be told of the cameras that meet the conditions, by id.

    Args:
        area: what the page is about; where a node stands is only named inside it.
        accounts: count who may see each camera; the public is not told.
    """
    found = await conn.execute(select(cameras).where(*conditions).order_by(cameras.c.camera_id))
    rows = [dict(row) for row in found.mappings()]
    running = await _running(conn, *conditions)
    wanted = await _wanted(conn, *conditions)
    models = await _models(conn, at, *conditions)
    places = await _node_places(conn)
    people = await _people(conn) if accounts else {}
    return Assessment(
        area=name_of(tree, area.code),
        centre=name_of(tree, tree.chain(area.code)[0].code),
        cameras=tuple(
            _camera(
                row,
                tree,
                _rules(running.get(row["camera_id"]), wanted.get(row["camera_id"])),
                models.get(row["camera_id"], ()),
                places.get(row["node_id"]) if _is_below(places.get(row["node_id"]), area) else None,
                _seen_by(people, row["area_path"]),
            )
            for row in rows
        ),
        retention=retention,
        disclosure=disclosure,
        rights=rights_in_force(),
        made_at=at,
        live_minutes=None if live_view is None else live_view.minutes,
    )


def name_of(tree: AreaTree, code: str) -> AreaName:
    """The area with those above it. Raises NotFound."""
    chain = tree.chain(code)
    english = ", ".join(area.name_en or area.name for area in reversed(chain))
    return AreaName(code, "".join(area.name for area in chain), english)


def _camera(
    row: Row,
    tree: AreaTree,
    rules: tuple[tuple[RuleFact, ...], Said, datetime | None],
    models: tuple[str, ...],
    node_path: str | None,
    seen_by: Mapping[str, int],
) -> CameraFact:
    facts, said, said_at = rules
    changed = [row["updated_at"], *([said_at] if said_at else [])]
    return CameraFact(
        **{name: row[name] for name in ("camera_id", "name", "place_class", "purpose", "legal_basis", "node_id")},
        **{name: row[name] for name in ("signed_on", "approved_view", "view_approved_on", "review_by")},
        area=name_of(tree, row["area_code"]) if row["area_code"] in tree else None,
        rules=facts,
        rules_said=said,
        models=models,
        node_area=_known(tree, node_path),
        seen_by=seen_by,
        changed_at=max(changed),
    )


def _known(tree: AreaTree, path: str | None) -> AreaName | None:
    code = code_of_path(path) if path else None
    return name_of(tree, code) if code is not None and code in tree else None


def _is_below(path: str | None, area: Area) -> bool:
    return path is not None and (path == area.path or path.startswith(f"{area.path}/"))


def _rules(running: Row | None, wanted: Row | None) -> tuple[tuple[RuleFact, ...], Said, datetime | None]:
    """What its node says it runs; else what the centre wants, marked as that."""
    if running is not None and running["settings"] is not None:
        return rules_of(running["settings"]), "running", running["since"]
    if wanted is not None:
        return rules_of(wanted["settings"]), "wanted", wanted["made_at"]
    return (), "unsaid", None


async def _running(conn: AsyncConnection, *conditions: ColumnElement[bool]) -> dict[str, Row]:
    """By camera, of the node that has it now. A report that does not repeat its settings has those of its digest."""
    said, version = rule_reports.c, rule_versions.c
    query = (
        select(said.camera_id, said.since, said.settings, version.settings.label("of_version"))
        .join(cameras, and_(cameras.c.camera_id == said.camera_id, cameras.c.node_id == said.node_id))
        .outerjoin(rule_versions, and_(version.camera_id == said.camera_id, version.digest == said.digest))
        .where(*conditions)
    )
    found = (await conn.execute(query)).mappings()
    return {
        row["camera_id"]: {"since": row["since"], "settings": row["settings"] or row["of_version"]} for row in found
    }


async def _wanted(conn: AsyncConnection, *conditions: ColumnElement[bool]) -> dict[str, Row]:
    version = rule_versions.c
    query = (
        select(version.camera_id, version.settings, version.made_at)
        .join(cameras, cameras.c.camera_id == version.camera_id)
        .where(version.state == VersionState.DESIRED.value, *conditions)
    )
    return {row["camera_id"]: dict(row) for row in (await conn.execute(query)).mappings()}


async def _models(conn: AsyncConnection, at: datetime, *conditions: ColumnElement[bool]) -> dict[str, tuple[str, ...]]:
    query = (
        select(alerts.c.camera_id, alerts.c.model_digest)
        .join(cameras, cameras.c.camera_id == alerts.c.camera_id)
        .where(alerts.c.first_received_at > at - MODELS_OF, alerts.c.model_digest.is_not(None), *conditions)
        .distinct()
    )
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in await conn.execute(query):
        found[row.camera_id].append(row.model_digest)
    return {camera_id: tuple(sorted(digests)) for camera_id, digests in found.items()}


async def _node_places(conn: AsyncConnection) -> dict[str, str]:
    return {row.node_id: row.area_path for row in await conn.execute(select(nodes.c.node_id, nodes.c.area_path))}


async def _people(conn: AsyncConnection) -> dict[str, dict[str, int]]:
    """Accounts in force: path of the own area → role → how many. Help granted to a neighbour is not counted."""
    query = (
        select(users.c.area_path, users.c.role, func.count().label("many"))
        .where(users.c.disabled.is_(False))
        .group_by(users.c.area_path, users.c.role)
    )
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in await conn.execute(query):
        found[row.area_path][row.role] = row.many
    return found


def _seen_by(people: Mapping[str, Mapping[str, int]], path: str) -> dict[str, int]:
    """Of a camera at this path: the accounts of its area and of all above it."""
    totals: defaultdict[str, int] = defaultdict(int)
    parts = path.split("/") if path else []
    for end in range(1, len(parts) + 1):
        for role, many in people.get("/".join(parts[:end]), {}).items():
            totals[role] += many
    return dict(sorted(totals.items()))

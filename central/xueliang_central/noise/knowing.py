"""What is known of the rules at the top of the board: how long their alerts stood, the pauses between them, how the
rule is set now, which calendar proposals wait. A few queries for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import EndReason, Hazard
from xueliang_central.camera_rules.tables import rule_reports, rule_versions
from xueliang_central.cameras.tables import cameras
from xueliang_central.incidents.folding import FoldingRule
from xueliang_central.incidents.tables import alerts
from xueliang_central.noise.in_force import rules_in
from xueliang_central.noise.suggesting import Noise
from xueliang_central.noise.tables import noise_cases
from xueliang_central.silences.tables import calendar_proposals
from xueliang_central.store.among import among, pairs_among
from xueliang_configs.errors import ConfigError
from xueliang_configs.loading import rule_from
from xueliang_configs.schedules import DEFAULT_TIME_ZONE, zone_of

Row = dict[str, Any]
Key = tuple[str, str]  # camera_id, rule_id
EPISODES: Final = 200  # of a rule: a median does not become another by more of them
_ZONE: Final = zone_of(DEFAULT_TIME_ZONE)
_OPEN: Final = "open"  # silences.proposals.OPEN_STATE: that room stands beside this one


async def noises(
    conn: AsyncConnection,
    rows: Sequence[Row],
    begins_at: datetime,
    folding: Mapping[str, FoldingRule],
    propose_after: int,
) -> dict[Key, Noise]:
    """`rows`: of `board.noisiest_rules` or `board.most_flapping`."""
    keys = {(row["camera_id"], row["rule_id"]) for row in rows}
    if not keys:
        return {}
    episodes = await _episodes(conn, keys, begins_at)
    settings = await _settings(conn, {camera_id for camera_id, _ in keys})
    waiting = await _proposals(conn, keys)
    found: dict[Key, Noise] = {}
    for row in rows:
        key = row["camera_id"], row["rule_id"]
        rule, flap = _setting(settings.get(key)), folding.get(row["hazard"], FoldingRule())
        its = episodes[key]
        found[key] = Noise(
            true=row["true"],
            false=row["false"],
            permitted=row["permitted"],
            judged_days=_days(its),
            false_stood_s=_stood(its, "false_alarm"),
            true_stood_s=_stood(its, "true_hazard"),
            repeats=row["repeats"],
            gaps_s=_gaps(its),
            peak=row["peak"],
            flap_count=flap.flap_count,
            flap_window_s=flap.flap_window_s,
            dwell_s=getattr(rule, "dwell_s", None),
            clear_after_s=getattr(rule, "clear_after_s", None),
            is_there=key in settings or not any(camera_id == key[0] for camera_id, _ in settings),
            proposals=waiting[key],
            propose_after=propose_after,
        )
    return found


async def faults_of(conn: AsyncConnection, camera_ids: Collection[str], begins_at: datetime) -> dict[str, int]:
    """Alerts of camera faults by camera."""
    its = alerts.c
    query = (
        select(its.camera_id, func.count().label("total"))
        .where(among(conn, its.camera_id, list(camera_ids)), its.began_at >= begins_at)
        .where(its.hazard == Hazard.CAMERA_FAULT.value, its.drill.is_(False))
        .group_by(its.camera_id)
    )
    return {row.camera_id: row.total for row in await conn.execute(query)}


async def named(conn: AsyncConnection, camera_ids: Collection[str]) -> dict[str, Row]:
    """Name and area of these cameras; one that is not in the register is left out."""
    its = cameras.c
    query = select(its.camera_id, its.name, its.area_code).where(among(conn, its.camera_id, list(camera_ids)))
    return {row["camera_id"]: dict(row) for row in (await conn.execute(query)).mappings()}


async def _episodes(conn: AsyncConnection, keys: Collection[Key], begins_at: datetime) -> defaultdict[Key, list[Row]]:
    """Alerts of these rules in incidents of the span, in their order, each as its incident was judged; of each rule the
    newest EPISODES."""
    its, cases = alerts.c, noise_cases.c
    of_case = and_(cases.incident_id == its.incident_id, cases.camera_id == its.camera_id, cases.rule_id == its.rule_id)
    asked = (its.camera_id, its.rule_id, its.incident_id, its.began_at, its.ended_at, its.end_reason, cases.judged)
    newest_first = func.row_number().over(partition_by=(its.camera_id, its.rule_id), order_by=its.began_at.desc())
    numbered = (
        select(*asked, newest_first.label("nth"))
        .join(noise_cases, of_case)
        .where(pairs_among(conn, cases.camera_id, cases.rule_id, keys), cases.opened_at >= begins_at)
        .subquery()
    )
    query = select(numbered).where(numbered.c.nth <= EPISODES).order_by(numbered.c.began_at)
    found: defaultdict[Key, list[Row]] = defaultdict(list)
    for row in (await conn.execute(query)).mappings():
        found[row["camera_id"], row["rule_id"]].append(dict(row))
    return found


def _stood(episodes: Sequence[Row], judged: str) -> list[float]:
    """Seconds that each alert of this judgement stood, of those seen clear."""
    return [
        (one["ended_at"] - one["began_at"]).total_seconds()
        for one in episodes
        if one["judged"] == judged and one["end_reason"] == EndReason.SEEN_CLEAR.value and one["ended_at"]
    ]


def _gaps(episodes: Sequence[Row]) -> list[float]:
    """Seconds from the last sight of one alert to the onset of the next of the same incident."""
    last: dict[str, datetime] = {}
    gaps: list[float] = []
    for one in episodes:
        before = last.get(one["incident_id"])
        if before is not None and one["began_at"] > before:
            gaps.append((one["began_at"] - before).total_seconds())
        if one["ended_at"] is not None:
            last[one["incident_id"]] = one["ended_at"]
    return gaps


def _days(episodes: Sequence[Row]) -> int:
    judged = (one for one in episodes if one["judged"] in {"true_hazard", "false_alarm"})
    return len({one["began_at"].astimezone(_ZONE).date() for one in judged})


async def _settings(conn: AsyncConnection, camera_ids: Collection[str]) -> dict[Key, Row]:
    """Each rule as it is wanted; of a camera of which nothing is, as its node runs it."""
    ids = list(camera_ids)
    sent, said = rule_versions.c, rule_reports.c
    running = select(said.camera_id, said.settings).where(among(conn, said.camera_id, ids))
    wanted = select(sent.camera_id, sent.settings).where(among(conn, sent.camera_id, ids), sent.state == "desired")
    by_camera: dict[str, object] = {}
    for query in (running, wanted):
        by_camera |= {row.camera_id: row.settings for row in await conn.execute(query)}
    return {
        (camera_id, rule["rule_id"]): rule for camera_id, settings in by_camera.items() for rule in rules_in(settings)
    }


def _setting(rule: Row | None) -> Any:
    """The rule with its defaults; None: unknown, or of a release that has other settings."""
    if rule is None:
        return None
    try:
        return rule_from(rule)
    except ConfigError:
        return None


async def _proposals(conn: AsyncConnection, keys: Collection[Key]) -> defaultdict[Key, list[str]]:
    its = calendar_proposals.c
    query = (
        select(its.camera_id, its.rule_id, its.proposal_id)
        .where(pairs_among(conn, its.camera_id, its.rule_id, keys), its.state == _OPEN)
        .order_by(its.made_at.desc())
    )
    found: defaultdict[Key, list[str]] = defaultdict(list)
    for row in await conn.execute(query):
        found[row.camera_id, row.rule_id].append(row.proposal_id)
    return found

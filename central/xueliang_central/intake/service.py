"""A sighting taken in: one transaction for its alert, its incident, its row, the rules that were silent, and the audit.

What a source sends and cannot be taken goes to quarantine with the reason, as what a node sends does, and the sender
is told. What is not signed rightly is not kept at all: strangers must not push out what is in quarantine.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import NotUnderstood, Phase, content_hash
from xueliang_alerts.stations import Signal, read_signal
from xueliang_central.areas.locating import locate
from xueliang_central.areas.tree import Area, day_of
from xueliang_central.audit import chain
from xueliang_central.errors import CentralError, Conflict, MoveRefused
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.routing import NoAreas
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.ingest import quarantine, silencing
from xueliang_central.ingest.admission import INTAKE_TOPIC, Received, Refusal, RefusalKind
from xueliang_central.ingest.folding_in import known_alerts, place_all
from xueliang_central.intake.entries import PersonsSighting, merged, row_of_sighting, row_of_signal
from xueliang_central.intake.files import name_files
from xueliang_central.intake.nearby import silent_rules
from xueliang_central.intake.nearest import NEAR_KEPT, Near, nearest
from xueliang_central.intake.tables import missed_hazards, sightings, sources
from xueliang_central.rights.scope import Actor, Role, may_see, within
from xueliang_central.rights.tables import users
from xueliang_central.store.among import among
from xueliang_central.store.database import Database

Row = dict[str, Any]

CLOCK_AHEAD: Final = timedelta(minutes=5)
LONGEST_AGO: Final = timedelta(days=7)  # an older sighting belongs into a book, not into a queue


class SignalRefused(CentralError):
    """Signed rightly and yet not taken: kept in quarantine. Retry: no, mend what is said."""

    status = 422
    code = "signal_refused"
    title = "This signal cannot be taken"


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a sighting. `incident_id` None: a silence hides its alert."""

    sighting_id: str
    is_repeated: bool
    incident_id: str | None
    number: str | None
    why_folded: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class CallBack:
    """A number that a resident wants to be called at; forgotten after `until`."""

    number: str
    until: datetime


async def quarantined(database: Database, source_id: str, body: bytes, reason: str, at: datetime) -> None:
    """Keep what could not be taken, with the reason; the same bytes again only count up."""
    received = Received(f"{INTAKE_TOPIC}{source_id}", body, at)
    async with database.transaction() as conn:
        await quarantine.keep(conn, [Refusal(received, RefusalKind.NOT_UNDERSTOOD, reason, f"@{source_id}")])


def understand(source: Row, body: bytes, now: datetime) -> tuple[Signal, tuple[float, float]]:
    """A signal and its place (longitude, latitude). Raises NotUnderstood."""
    signal = read_signal(body)
    if signal.observed_at > now + CLOCK_AHEAD:
        raise NotUnderstood("observed_at lies in the future: set the clock")
    if source["longitude"] is not None and source["latitude"] is not None:
        return signal, (source["longitude"], source["latitude"])
    if signal.position is None:
        raise NotUnderstood("position: needed, this source has no registered place")
    return signal, (signal.position.longitude, signal.position.latitude)


async def take_signal(change: Change, source: Row, signal: Signal, place: tuple[float, float], body: bytes) -> Taken:
    """One signal of a source.

    Raises:
        NotUnderstood: it speaks for a place that is not the source's.
        Conflict: the key came before with other content.
        NoAreas: nothing can be routed yet.
    """
    source_id = source["source_id"]
    by_id, hash_ = f"@{source_id}", content_hash(body)
    await _lock(change, sources, sources.c.source_id == source_id)
    area = _area_at(change, place)
    if not within(area.path, source["area_path"]):
        raise NotUnderstood(f"position: outside the area of this source ({source['area_code']})")
    before = await _seen_before(change.conn, by_id, signal.key, hash_)
    if before is not None:
        return before
    row = row_of_signal(source_id, source["name"], signal, place, change.now)
    sighting = _sighting_row(change, row, area, "sensor", by_id, source["name"], signal.key, hash_)
    await change.conn.execute(update(sources).where(sources.c.source_id == source_id).values(last_heard_at=change.now))
    return await _take(change, row, sighting, actor=f"source:{source_id}")


@dataclass(frozen=True, slots=True)
class Besides:
    """What comes with a person's sighting. `call_back`: by a desk; the rest: by a worker."""

    call_back: CallBack | None = None
    accuracy_m: float | None = None
    is_place_good: bool = True
    photos: Sequence[str] = ()
    voices: Sequence[str] = ()
    same_as: str | None = None  # the incident that the worker recognised


async def take_sighting(
    change: Change, actor: Actor, asked: PersonsSighting, *, key: str, hash_: str, besides: Besides, name: str
) -> Taken:
    """A worker's own sighting, or a desk's on behalf of a resident.

    Raises:
        MoveRefused: not this person's to tell, outside the own areas, or of a time that cannot be.
        Conflict: the key came before with other content.
    """
    if (asked.channel == "worker") != (actor.role is Role.WORKER):
        raise MoveRefused("workers tell what they saw themselves, desks what a resident told", channel=asked.channel)
    if not change.now - LONGEST_AGO <= asked.seen_at <= change.now + CLOCK_AHEAD:
        raise MoveRefused(f"seen_at: expected a time within the last {LONGEST_AGO.days} days")
    await _lock(change, users, users.c.user_id == actor.user_id)
    before = await _seen_before(change.conn, actor.user_id, key, hash_)
    if before is not None:
        return before
    place = (asked.longitude, asked.latitude)
    area = _area_at(change, place)
    if not may_see(actor, area.path):
        raise MoveRefused("the place lies outside your areas: tell the desk that serves it")
    sighting_id = str(uuid.uuid4())
    row = row_of_sighting(sighting_id, replace(asked, seen_at=min(asked.seen_at, change.now)), change.now)
    sighting = _sighting_row(change, row, area, asked.channel, actor.user_id, name, key, hash_) | {
        "sighting_id": sighting_id
    }
    if (call_back := besides.call_back) is not None:
        sighting |= {"call_back": call_back.number, "call_back_until": call_back.until}
    sighting["accuracy_m"] = besides.accuracy_m
    same = await _recognised(change, actor, besides.same_as, asked)
    taken = await _take(change, row, sighting, actor=actor.name, same=same, may_be_missed=besides.is_place_good)
    await name_files(change, actor, sighting, besides.photos, besides.voices)
    if taken.incident_id is not None and (besides.photos or besides.voices):
        said = {"photos": list(besides.photos), "voices": list(besides.voices)}
        change.note(taken.incident_id, "reported", By("user", name), **{key: one for key, one in said.items() if one})
    return taken


async def _recognised(change: Change, actor: Actor, incident_id: str | None, asked: PersonsSighting) -> Row | None:
    """The open incident of that hazard; None: it is over by now, and the report stands for itself.

    Raises MoveRefused for one that is out of sight or about something else.
    """
    if incident_id is None:
        return None
    found = await change.conn.execute(select(incidents).where(incidents.c.incident_id == incident_id))
    case = found.mappings().one_or_none()
    if case is None or not may_see(actor, case["area_path"]):
        raise MoveRefused("same_as: no such incident in your areas")
    if (case["hazard"], case["drill"]) != (asked.hazard, asked.drill):
        raise MoveRefused("same_as: that incident is about another hazard", hazard=case["hazard"])
    return None if case["closed_at"] is not None else dict(case)


async def _lock(change: Change, table: Any, which: Any) -> None:
    """One sighting of a sender at a time: the same one sent twice at once is one."""
    # key_share: what only refers to the row need not wait
    await change.conn.execute(select(table).where(which).with_for_update(key_share=True))


async def _seen_before(conn: AsyncConnection, by_id: str, key: str, hash_: str) -> Taken | None:
    found = await conn.execute(select(sightings).where(sightings.c.by_id == by_id, sightings.c.idempotency_key == key))
    row = found.mappings().one_or_none()
    if row is None:
        return None
    if row["content_hash"] != hash_:
        raise Conflict("this key came before with other content")
    return await _outcome(conn, row["sighting_id"], row["alert_id"], is_repeated=True)


async def _outcome(conn: AsyncConnection, sighting_id: str, alert_id: str, *, is_repeated: bool) -> Taken:
    found = await conn.execute(
        select(alerts.c.incident_id, alerts.c.why_folded, incidents.c.number)
        .join(incidents, incidents.c.incident_id == alerts.c.incident_id)
        .where(alerts.c.alert_id == alert_id)
    )
    row = found.one_or_none()
    if row is None:
        return Taken(sighting_id, is_repeated, None, None, None)
    return Taken(sighting_id, is_repeated, row.incident_id, row.number, row.why_folded)


def _area_at(change: Change, place: tuple[float, float]) -> Area:
    code = locate(change.tree.on(day_of(change.now)), *place).code
    if code is None:
        raise NoAreas
    return change.tree.get(code)


def _sighting_row(
    change: Change, row: Row, area: Area, channel: str, by_id: str, by_name: str, key: str, hash_: str
) -> Row:
    return {
        "sighting_id": str(uuid.uuid4()),
        "channel": channel,
        "by_id": by_id,
        "by_name": by_name,
        "idempotency_key": key,
        "content_hash": hash_,
        **{name: row[name] for name in ("alert_id", "hazard", "severity", "drill", "longitude", "latitude")},
        "area_code": area.code,
        "area_path": area.path,
        "text": row["reason"]["text"],
        "seen_at": row["observed_at"],
        "received_at": change.now,
        "call_back": None,
        "call_back_until": None,
        "accuracy_m": None,
    }


async def _take(
    change: Change, row: Row, sighting: Row, *, actor: str, same: Row | None = None, may_be_missed: bool = True
) -> Taken:
    """The alert where it belongs, then the sighting, the silent rules and the audit record."""
    alert_id = row["alert_id"]
    known = await known_alerts(change, [alert_id])
    hidden = {} if known else await silencing.known_hidden(change.conn, [alert_id])
    before = known.get(alert_id) or (silencing.as_alert(hidden[alert_id]) if hidden else None)
    told_same = {} if same is None else {alert_id: same}
    await place_all(change, {alert_id: merged(before, row)}, known, hidden, told_same)
    near = await nearest(change.conn, (row["longitude"], row["latitude"]))
    cameras = [{name: getattr(one, name) for name in NEAR_KEPT} for one in near]
    await change.conn.execute(insert(sightings), {**sighting, "cameras": cameras})
    if may_be_missed and before is None and row["phase"] != Phase.CLEARED and not row["drill"]:
        await _mark_missed(change, sighting, near)
    detail = {name: sighting[name] for name in ("channel", "hazard", "severity", "area_code", "alert_id")}
    await chain.record(
        change.conn,
        actor=actor,
        action="sighting.taken",
        object_kind="sighting",
        object_id=sighting["sighting_id"],
        detail=detail,
        at=change.now,
    )
    return await _outcome(change.conn, sighting["sighting_id"], alert_id, is_repeated=False)


async def _mark_missed(change: Change, sighting: Row, near: list[Near]) -> None:
    silent = await silent_rules(change.conn, sighting["hazard"], sighting["seen_at"], near)
    rows = [
        {
            "sighting_id": sighting["sighting_id"],
            "camera_id": one.near.camera_id,
            "rule_id": one.rule_id,
            "rules_digest": one.rules_digest,
            "hazard": sighting["hazard"],
            "area_path": one.near.area_path,
            "distance_m": one.near.distance_m,
            "seen_at": sighting["seen_at"],
            "marked_at": change.now,
            "why": {
                "code": "reported_and_silent",
                "text": f"reported {one.near.distance_m:.0f} m away while rule {one.rule_id} was silent",
                "about": {"channel": sighting["channel"], "bearing_deg": one.near.bearing_deg},
            },
        }
        for one in silent
    ]
    if rows:
        await change.conn.execute(insert(missed_hazards), rows)


async def is_any_to_forget(conn: AsyncConnection, now: datetime) -> bool:
    """Asked by reading, so that an idle worker never takes the writer's place."""
    query = select(sightings.c.sighting_id).where(sightings.c.call_back_until <= now)
    return (await conn.execute(query.limit(1))).first() is not None


async def forget_call_backs(conn: AsyncConnection, now: datetime) -> int:
    """Erase the numbers whose time is over; returns how many."""
    is_over = sightings.c.call_back_until <= now
    done = await conn.execute(update(sightings).where(is_over).values(call_back=None, call_back_until=None))
    return done.rowcount


async def incidents_of(conn: AsyncConnection, alert_ids: list[str]) -> dict[str, Row]:
    """The incident that each of these alerts lies in now: {incident_id, number, state, close_reason, area_path}."""
    names = ("incident_id", "number", "state", "close_reason", "area_path")
    query = (
        select(alerts.c.alert_id, *(incidents.c[name] for name in names))
        .join(incidents, incidents.c.incident_id == alerts.c.incident_id)
        .where(among(conn, alerts.c.alert_id, alert_ids))
    )
    found = await conn.execute(query)
    return {row["alert_id"]: {name: row[name] for name in names} for row in found.mappings()}

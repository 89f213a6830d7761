"""A small city for tests of the flow: one branch of the tree with two grids, people, two nodes, four cameras.

All cameras but one are registered to edge-01; lane-west belongs to no node, so that any may speak for it.

3701 city ─ 370102 county ─ 370102003 township ─ 370102003005 village ─┬ …007 grid (worker wang, worker zhou)
                                                                       └ …008 grid (nobody)
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select

from xueliang_alerts.contract import (
    Alert,
    ClockState,
    EndReason,
    EvidenceRef,
    Gap,
    Hazard,
    Measure,
    Message,
    Phase,
    Position,
    Reason,
    Receipt,
    Severity,
    SpoolReceipt,
    alert_id_of,
    to_bytes,
)
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_central.areas.tables import areas
from xueliang_central.areas.tree import AreaBook, code_of_path, load_tree, parent_code, path_by_code
from xueliang_central.cameras.register import CameraPlace, upsert_cameras
from xueliang_central.dispatch.escalating import fire_next
from xueliang_central.dispatch.judging import IncidentMove, move_incident
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.tables import tasks
from xueliang_central.dispatch.working import TaskMove, move_task
from xueliang_central.evidence.tables import pictures
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.change import Rulebook
from xueliang_central.incidents.tables import alerts, incident_timeline, incidents
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.committing import Outcome, commit_batch
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.rights.tables import users
from xueliang_central.store.database import Database
from xueliang_configs.policies import PolicyTable

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
GRID, OTHER_GRID = "370102003005007", "370102003005008"
VILLAGE, TOWNSHIP, CITY = "370102003005", "370102003", "3701"
_SQUARES = {GRID: (117.0, 36.0, 117.01, 36.01), OTHER_GRID: (117.01, 36.0, 117.02, 36.01)}
_CODES = ("3701", "370102", "370102003", VILLAGE, GRID, OTHER_GRID)
PHOTO = "ab" * 32

POLICIES = {
    "policies": [
        {
            "match": {"hazard": ["fire_lane_obstruction"]},
            "judge_s": 60,
            "take_s": 60,
            "arrive_s": 180,
            "auto_dispatch": True,
            "escalate": ["village", "township", "city"],
            "escalate_every_s": 60,
            "check_s": 300,
            "reopen_window_s": 900,
        },
        {"judge_s": 60, "take_s": 180, "arrive_s": 300},
    ]
}


class HandClock:
    """A wall clock that a test moves."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def _square(code: str) -> dict[str, Any]:
    left, bottom, right, top = _SQUARES.get(code, (116.9, 35.9, 117.1, 36.1))
    ring = [[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]
    return {"type": "Polygon", "coordinates": [ring]}


def actor(role: Role, area_code: str, name: str) -> Actor:
    return Actor(str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), name, role, path_by_code(area_code))


WANG = actor(Role.WORKER, GRID, "wang")
ZHOU = actor(Role.WORKER, GRID, "zhou")
LI = actor(Role.OPERATOR, VILLAGE, "li")
CHEN = actor(Role.OPERATOR, TOWNSHIP, "chen")
MAYOR = actor(Role.SUPERVISOR, CITY, "mayor")
STRANGER = actor(Role.OPERATOR, OTHER_GRID, "stranger")
PEOPLE = (WANG, ZHOU, LI, CHEN, MAYOR, STRANGER)

LEVEL_OF = {4: "city", 6: "county", 9: "township", 12: "village", 15: "grid"}


@dataclass
class Stage:
    """The centre's flow over one database, driven by hand."""

    database: Database
    clock: HandClock
    rulebook: Rulebook
    sequence: dict[str, int] = field(default_factory=dict)

    async def take(self, *messages: Received, is_replay: bool = False) -> Outcome:
        async with changing(self.database, self.rulebook, self.clock) as change:
            return await commit_batch(change, list(messages), is_replay=is_replay)

    async def fire_all(self) -> int:
        fired = 0
        while True:
            async with changing(self.database, self.rulebook, self.clock) as change:
                if not await fire_next(change):
                    return fired
            fired += 1

    async def work(self, who: Actor, task_id: str, move: str, version: int, **more: Any) -> None:
        async with changing(self.database, self.rulebook, self.clock) as change:
            await move_task(change, who, task_id, TaskMove(move, version, **more))

    async def judge(self, who: Actor, incident_id: str, move: str, version: int, **more: Any) -> None:
        async with changing(self.database, self.rulebook, self.clock) as change:
            await move_incident(change, who, incident_id, IncidentMove(move, version, **more))

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        async with self.database.reading() as conn:
            return [dict(row) for row in (await conn.execute(select(table))).mappings()]

    async def one_incident(self) -> dict[str, Any]:
        found = await self.rows(incidents)
        assert len(found) == 1, [(row["number"], row["state"]) for row in found]
        return found[0]

    async def task(self) -> dict[str, Any]:
        """The newest task."""
        found = sorted(await self.rows(tasks), key=lambda row: (row["offered_at"], row["version"]))
        assert found, "no task"
        return found[-1]

    async def work_on(self, who: Actor, move: str, **more: Any) -> None:
        task = await self.task()
        await self.work(who, task["task_id"], move, task["version"], **more)

    async def story(self) -> list[str]:
        """Kinds of the timeline entries, in order."""
        async with self.database.reading() as conn:
            query = select(incident_timeline.c.kind).order_by(incident_timeline.c.entry_id)
            return list((await conn.execute(query)).scalars())

    async def count(self, table: Any) -> int:
        async with self.database.reading() as conn:
            total: int = (await conn.execute(select(func.count()).select_from(table))).scalar_one()
            return total

    async def alerts_known(self) -> dict[str, tuple[int, str, str | None]]:
        return {row["alert_id"]: (row["revision"], row["phase"], row["end_reason"]) for row in await self.rows(alerts)}


async def build(
    database: Database, clock: HandClock, *, policies: dict[str, Any] | None = None, people: Iterable[Actor] = PEOPLE
) -> Stage:
    async with database.transaction() as conn:
        for code in _CODES:
            row: dict[str, Any] = {"code": code, "name": f"区{code}", "name_en": f"Area {code}"}
            row |= {"level": LEVEL_OF[len(code)]}
            row |= {"parent": parent_code(code), "path": path_by_code(code)}
            await conn.execute(insert(areas).values(**row, geometry=_square(code)))
        for person in people:
            code = code_of_path(person.area_path)
            await conn.execute(
                insert(users).values(
                    user_id=person.user_id,
                    username=person.name,
                    display_name=person.name.title(),
                    role=person.role.value,
                    area_code=code,
                    area_path=person.area_path,
                    password_hash="-",
                    disabled=False,
                    created_at=clock(),
                )
            )
        for node_id in ("edge-01", "edge-02"):
            row = {"node_id": node_id, "area_path": path_by_code(VILLAGE), "token_hash": node_id}
            await conn.execute(insert(nodes).values(**row, registered_at=clock()))
        await conn.execute(
            insert(pictures).values(
                sha256=PHOTO, kind="photo", media_type="image/jpeg", bytes=9, received_at=clock(), received_from="x"
            )
        )
        tree = await load_tree(conn)
        places = [
            CameraPlace("lane-east", "东巷", GRID, 117.005, 36.005, "residential", "edge-01"),
            CameraPlace("lane-west", "西巷", GRID, 117.0052, 36.005, "residential", None),  # 18 m away
            CameraPlace("far-gate", "远门", GRID, 117.009, 36.009, "residential", "edge-01"),
            CameraPlace("other-gate", "邻门", OTHER_GRID, 117.015, 36.005, "street", "edge-01"),
        ]
        await upsert_cameras(conn, places, tree, at=clock())
    table = PolicyTable.model_validate(policies or POLICIES)
    return Stage(database, clock, Rulebook.of(AreaBook(tree), table))


SPOOL = uuid.UUID("11111111-1111-4111-8111-111111111111")
BOOT = uuid.UUID("22222222-2222-4222-8222-222222222222")


def alert(
    phase: Phase,
    revision: int,
    *,
    camera_id: str = "lane-east",
    began_at: datetime = NOON,
    seen_s: float = 60.0,
    end_reason: EndReason = EndReason.SEEN_CLEAR,
    severity: int = 2,
    hazard: Hazard = Hazard.FIRE_LANE_OBSTRUCTION,
    drill: bool = False,
    evidence: Sequence[EvidenceRef] = (),
    position: tuple[float, float] | None = None,
    clock_state: ClockState = ClockState.SYNCHRONISED,
    spool_id: uuid.UUID = SPOOL,
    code: str | None = None,
) -> Alert:
    is_end = phase is Phase.CLEARED
    observed_at = began_at + timedelta(seconds=seen_s)
    return Alert(
        alert_id=alert_id_of(spool_id, camera_id, "lane-blocked", began_at),
        revision=revision,
        phase=phase,
        end_reason=end_reason if is_end else None,
        camera_id=camera_id,
        hazard=hazard,
        rule_id="lane-blocked",
        rule_version=1,
        severity=Severity(severity),
        began_at=began_at,
        raised_at=began_at + timedelta(seconds=60),
        observed_at=observed_at,
        ended_at=observed_at if is_end else None,
        clock_state=clock_state,
        confidence=0.8,
        boxes_xyxyn=((0.1, 0.2, 0.3, 0.4),),
        frame_size_wh=(640, 360),
        measures={"share": Measure(value=0.41, unit="share")},
        reason=Reason(
            code=code or ("lane_clear" if is_end else "lane_blocked"), text="lane 41 % covered by truck for 63 s"
        ),
        evidence=tuple(evidence),
        drill=drill,
        position=Position(longitude=position[0], latitude=position[1]) if position else None,
    )


def message(
    body: Alert | Gap, sequence: int, *, node_id: str = "edge-01", spool_id: uuid.UUID = SPOOL, topic_node: str = ""
) -> bytes:
    return to_bytes(
        Message(node_id=node_id, spool_id=spool_id, sequence=sequence, boot_id=BOOT, emitted_at=NOON, body=body)
    )


def received(
    body: Alert | Gap,
    sequence: int,
    *,
    node_id: str = "edge-01",
    spool_id: uuid.UUID = SPOOL,
    topic_node: str | None = None,
    at: datetime = NOON,
) -> Received:
    payload = message(body, sequence, node_id=node_id, spool_id=spool_id)
    return Received(node_topic(topic_node or node_id, Leaf.ALERTS), payload, at)


def only_spool(outcome: Outcome) -> SpoolReceipt:
    receipts: list[Receipt] = outcome.receipts
    assert len(receipts) == 1
    assert len(receipts[0].spools) == 1
    return receipts[0].spools[0]


def raised(sequence: int = 1, **more: Any) -> Received:
    return received(alert(Phase.RAISED, 1, **more), sequence)


def cleared(sequence: int = 2, revision: int = 2, **more: Any) -> Received:
    return received(alert(Phase.CLEARED, revision, **more), sequence)

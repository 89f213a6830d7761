"""The ledger of incidents as 一单四制 has it: one list; hand-over, ledger, write-off and notice; and 五到位.

Read in pages that each open and close their own reading: a slow reader at the other end holds nothing of the database.
五到位 is told of a hazard that is or was kept open (docs/hazards-kept-open.md); of others what their task says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Area, AreaTree, Level, higher
from xueliang_central.clocks.limits import OF_SUSPENSION, ClockKind
from xueliang_central.clocks.tables import clocks, escalations
from xueliang_central.dispatch.tables import task_photos, tasks
from xueliang_central.incidents.states import CloseReason
from xueliang_central.incidents.tables import incidents
from xueliang_central.kept_open.tables import hazard_photos, hazard_plans
from xueliang_central.reports.periods import SHIFTS, ZONE, Period
from xueliang_central.reports.spreadsheets import Cell
from xueliang_central.store.among import among
from xueliang_central.store.database import Database
from xueliang_central.units.requests import standing
from xueliang_central.units.tables import unit_requests
from xueliang_central.words import HAZARD_ZH

Row = dict[str, Any]
Language = Literal["zh", "en"]

PAGE: Final = 500
_NO_LIMITS: Final = (ClockKind.REMIND.value, *(kind.value for kind in OF_SUSPENSION))  # nobody is late when they fire
_IS_ARRIVE: Final = clocks.c.kind == ClockKind.ARRIVE.value
_ZH: Final[Mapping[str, str]] = {
    **HAZARD_ZH,
    "open": "待研判",
    "dispatched": "已派发",
    "taken": "已接单",
    "arrived": "已到场",
    "handled": "已处置",
    "to_check": "待核查",
    "long_lived": "长期挂牌",
    "closed": "已办结",
    "verified": "同机核查通过",
    "false_alarm": "误报",
    "permitted": "已报备",
    "duplicate": "重复事件",
    "ended_by_itself": "自行恢复",
    "checked_by_hand": "人工核查办结",
    "judge": "研判",
    "take": "接单",
    "arrive": "到场",
    "check": "核查",
    "deadline": "整改期限",
    "reply": "单位回复",
    "clear": "单位清除",
    "oversee": "督办期限",
    "unit_told": "已告知管理单位",
    "unit_clearing": "单位清除中",
    "unit_done": "单位已清除",
    "unit_cannot": "单位无法处置",
    "unit_given_up": "已改派网格员",
    "unit_bypassed": "值班员直接派发",
    "unit_over": "已终止",
    "city": "市级",
    "county": "县区",
    "township": "镇街",
    "village": "村社区",
    "grid": "网格",
    "yes": "是",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which incidents: those that opened in the area on these local days (both included), merged ones left out."""

    area: Area
    first: date
    last: date
    hazard: str | None = None
    drill: bool = False
    language: Language = "zh"


@dataclass(frozen=True, slots=True)
class Case:
    """One incident and what belongs to it. `tasks`: in the order they were offered; `plan`, `request` (of a lane's
    managing unit), `arrive` (the last clock of it): empty: there is none."""

    incident: Row
    tasks: Sequence[Row]
    photos: int
    late: Sequence[str]
    told: int
    told_level: str | None
    tree: AreaTree
    plan: Row
    request: Row
    arrive: Row

    @property
    def task(self) -> Row:
        """The last one asked; empty when nobody was."""
        return self.tasks[-1] if self.tasks else {}

    def area_at(self, level: Level) -> str:
        """The name of the area at this level; its code when it has gone since."""
        for code in self.incident["area_path"].split("/"):
            found = self.tree.find(code)
            if found is not None and found.level is level:
                return found.name
        return "" if self.tree.find(self.incident["area_code"]) else str(self.incident["area_code"])


Codes = tuple[str, ...]  # told in the reader's language, unlike what people have written
Value = str | int | datetime | Codes | None
# Heading in Chinese and English, and what stands below it.
COLUMNS: Final[Sequence[tuple[str, str, Callable[[Case], Value]]]] = (
    ("清单·编号", "List: number", lambda case: case.incident["number"]),
    ("清单·隐患类型", "List: hazard", lambda case: (case.incident["hazard"],)),
    ("清单·等级", "List: severity", lambda case: case.incident["severity"]),
    ("清单·人工调级", "List: raised by", lambda case: _raised(case).get("by")),
    ("清单·调级前等级", "List: severity before it was raised", lambda case: _raised(case).get("before")),
    ("清单·状态", "List: state", lambda case: (case.incident["state"],)),
    ("清单·县市区", "List: county", lambda case: case.area_at(Level.COUNTY)),
    ("清单·乡镇街道", "List: township", lambda case: case.area_at(Level.TOWNSHIP)),
    ("清单·村社区", "List: village", lambda case: case.area_at(Level.VILLAGE)),
    ("清单·网格", "List: grid", lambda case: case.area_at(Level.GRID)),
    ("清单·点位", "List: place", lambda case: case.incident["camera_name"]),
    ("清单·发现时间", "List: opened", lambda case: case.incident["opened_at"]),
    ("清单·告警数", "List: alerts", lambda case: case.incident["alert_count"]),
    ("交办·管理单位先行", "Hand-over: managing unit first", lambda case: case.request.get("unit")),
    ("交办·告知单位时间", "Hand-over: unit told", lambda case: case.request.get("told_at")),
    ("交办·时间", "Hand-over: at", lambda case: case.tasks[0]["offered_at"] if case.tasks else None),
    ("交办·接单时限", "Hand-over: take by", lambda case: case.task.get("take_due_at")),
    ("交办·到场时限", "Hand-over: arrive by", lambda case: case.task.get("arrive_due_at")),
    ("交办·原到场时限", "Hand-over: arrive by, before it was moved", lambda case: case.arrive.get("first_due_at")),
    ("交办·延时次数", "Hand-over: limit moved", lambda case: case.arrive.get("times_moved")),
    ("交办·退回次数", "Hand-over: returned", lambda case: sum(task["state"] == "refused" for task in case.tasks)),
    ("台账·单位回复", "Ledger: what the unit did", lambda case: _of_unit(case)),
    ("台账·单位回复时间", "Ledger: unit replied", lambda case: case.request.get("replied_at")),
    ("台账·接单时间", "Ledger: taken", lambda case: case.task.get("taken_at")),
    ("台账·到场时间", "Ledger: arrived", lambda case: case.task.get("arrived_at")),
    ("台账·处置时间", "Ledger: handled", lambda case: case.task.get("handled_at")),
    ("台账·现场照片数", "Ledger: photos", lambda case: case.photos),
    ("台账·重新打开次数", "Ledger: reopened", lambda case: case.incident["reopened_count"]),
    ("台账·挂牌时间", "Ledger: kept open since", lambda case: case.plan.get("kept_at")),
    ("台账·延期次数", "Ledger: extended", lambda case: case.plan.get("extensions")),
    ("销号·时间", "Write-off: closed", lambda case: case.incident["closed_at"]),
    ("销号·方式", "Write-off: how", lambda case: _codes(case.incident["close_reason"])),
    (
        "销号·同机核查",
        "Write-off: seen gone by the camera",
        lambda case: _codes("yes" if case.incident["verified"] else None),
    ),
    ("通报·超时环节", "Notice: limits passed", lambda case: tuple(case.late)),
    ("通报·上报层级", "Notice: level told", lambda case: _codes(case.told_level)),
    ("通报·通知人次", "Notice: people told", lambda case: case.told),
    ("通报·督办层级", "Notice: level that follows it up", lambda case: (case.plan["level"],) if case.plan else None),
    ("督办·督办中心", "Supervision: by", lambda case: _supervision(case).get("area_name")),
    ("督办·要求", "Supervision: words", lambda case: _supervision(case).get("note")),
    ("督办·期限", "Supervision: due", lambda case: _moment(_supervision(case).get("due"))),
    ("督办·回复数", "Supervision: replies", lambda case: _supervision(case).get("replied")),
    ("督办·最后回复", "Supervision: last reply", lambda case: _last_reply(case)),
    ("督办·结束", "Supervision: ended", lambda case: _moment(_supervision(case).get("ended_at"))),
    ("五到位·责任人", "In place: duty holder", lambda case: _holder(case)),
    ("五到位·措施", "In place: measures", lambda case: case.plan.get("measures") or case.task.get("note")),
    ("五到位·资金", "In place: funds", lambda case: case.plan.get("funds")),
    ("五到位·时限", "In place: deadline", lambda case: case.plan.get("deadline") or case.task.get("arrive_due_at")),
    ("五到位·预案", "In place: plan", lambda case: case.plan.get("plan")),
)


def _of_unit(case: Case) -> Codes | None:
    """What has become of the request to the unit; None: none was told."""
    return (f"unit_{standing(case.request, case.incident['state'])}",) if case.request else None


def _supervision(case: Case) -> Row:
    """The last one; empty: no centre above has supervised it."""
    found: Row = case.incident["supervision"] or {}
    return found


def _last_reply(case: Case) -> str | None:
    replies = _supervision(case).get("replies") or ()
    return str(replies[-1]["text"]) if replies else None


def _raised(case: Case) -> Row:
    """What a person has said of its severity; empty: nobody has."""
    found: Row = case.incident["raised"] or {}
    return found


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _holder(case: Case) -> str | None:
    """The duty holder that the plan names, with the unit; else who was asked last."""
    if not case.plan:
        return case.task.get("worker_name")
    return f"{case.plan['holder']} · {case.plan['holder_unit']}"


def headings(language: Language) -> list[Cell]:
    return [zh if language == "zh" else en for zh, en, _ in COLUMNS]


async def count(conn: AsyncConnection, wanted: Wanted) -> int:
    """How many rows there will be, without the headings."""
    total: int = (await conn.execute(select(func.count()).select_from(incidents).where(*_are(wanted)))).scalar_one()
    return total


async def pages(database: Database, tree: AreaTree, wanted: Wanted) -> AsyncIterator[list[list[Cell]]]:
    """The rows in the order of opening. An incident is shown as it is when its page is read."""
    after: tuple[datetime, str] | None = None
    key = tuple_(incidents.c.opened_at, incidents.c.incident_id)
    while True:
        query: Select[Any] = select(incidents).where(*_are(wanted))
        if after is not None:
            query = query.where(key > after)
        ordered = query.order_by(incidents.c.opened_at, incidents.c.incident_id).limit(PAGE)
        async with database.reading() as conn:
            rows = [dict(row) for row in (await conn.execute(ordered)).mappings()]
            cases = await _cases(conn, tree, rows)
        if rows:
            yield [_row(case, wanted.language) for case in cases]
            after = rows[-1]["opened_at"], rows[-1]["incident_id"]
        if len(rows) < PAGE:
            return


def _are(wanted: Wanted) -> list[ColumnElement[bool]]:
    table, path = incidents.c, wanted.area.path
    conditions = [
        table.opened_at >= Period(wanted.first, 0).begins_at,
        table.opened_at < Period(wanted.last, len(SHIFTS) - 1).ends_at,
        or_(table.area_path == path, table.area_path.startswith(f"{path}/", autoescape=True)),
        table.drill == wanted.drill,
        or_(table.close_reason.is_(None), table.close_reason != CloseReason.MERGED.value),
    ]
    return conditions if wanted.hazard is None else [*conditions, table.hazard == wanted.hazard]


async def _cases(conn: AsyncConnection, tree: AreaTree, rows: Sequence[Row]) -> list[Case]:
    ids = [row["incident_id"] for row in rows]
    if not ids:
        return []
    asked: dict[str, list[Row]] = {incident_id: [] for incident_id in ids}
    offered = tasks.c.offered_at, tasks.c.task_id
    for task in (await _of(conn, select(tasks).order_by(*offered), tasks.c.incident_id, ids)).mappings():
        asked[task["incident_id"]].append(dict(task))
    photos = select(tasks.c.incident_id, func.count(func.distinct(task_photos.c.sha256)).label("total")).join(
        task_photos, task_photos.c.task_id == tasks.c.task_id
    )
    shown = {
        row.incident_id: row.total
        for row in await _of(conn, photos.group_by(tasks.c.incident_id), tasks.c.incident_id, ids)
    }
    of_kept = select(hazard_photos.c.incident_id, func.count().label("total")).group_by(hazard_photos.c.incident_id)
    for row in await _of(conn, of_kept, hazard_photos.c.incident_id, ids):
        shown[row.incident_id] = shown.get(row.incident_id, 0) + row.total
    plans = {
        row["incident_id"]: dict(row)
        for row in (await _of(conn, select(hazard_plans), hazard_plans.c.incident_id, ids)).mappings()
    }
    requests = {
        row["incident_id"]: dict(row)
        for row in (await _of(conn, select(unit_requests), unit_requests.c.incident_id, ids)).mappings()
    }
    moved = select(clocks.c.incident_id, clocks.c.first_due_at, clocks.c.times_moved)
    arrive = {
        row["incident_id"]: dict(row)
        for row in (
            await _of(conn, moved.where(_IS_ARRIVE).order_by(clocks.c.started_at), clocks.c.incident_id, ids)
        ).mappings()
    }
    is_late = clocks.c.breached_at.is_not(None), clocks.c.kind.not_in(_NO_LIMITS)
    limits = select(clocks.c.incident_id, clocks.c.kind).where(*is_late).order_by(clocks.c.due_at)
    late: dict[str, dict[str, None]] = {incident_id: {} for incident_id in ids}
    for row in await _of(conn, limits, clocks.c.incident_id, ids):
        late[row.incident_id][row.kind] = None
    fired = select(clocks.c.incident_id, escalations.c.level, escalations.c.told).join(
        clocks, clocks.c.clock_id == escalations.c.clock_id
    )
    told: dict[str, int] = dict.fromkeys(ids, 0)
    level: dict[str, str] = {}
    for row in await _of(conn, fired, clocks.c.incident_id, ids):
        told[row.incident_id] += row.told
        if row.level is not None:
            level[row.incident_id] = higher(level.get(row.incident_id, row.level), row.level).value
    empty: Row = {}
    return [
        Case(
            row,
            asked[one],
            shown.get(one, 0),
            tuple(late[one]),
            told[one],
            level.get(one),
            tree,
            plans.get(one, empty),
            requests.get(one, empty),
            arrive.get(one, empty),
        )
        for row in rows
        for one in (row["incident_id"],)
    ]


async def _of(conn: AsyncConnection, query: Select[Any], column: ColumnElement[Any], ids: Sequence[str]) -> Any:
    return await conn.execute(query.where(among(conn, column, ids)))


def _row(case: Case, language: Language) -> list[Cell]:
    return [_told(value(case), language) for _, _, value in COLUMNS]


def _told(value: Value, language: Language) -> Cell:
    if isinstance(value, datetime):
        return value.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, tuple):
        return " ".join(_ZH.get(code, code) if language == "zh" else code for code in value)
    return value


def _codes(code: str | None) -> Codes:
    return () if code is None else (code,)

"""HTTP only: figures of an area and some days, and the ledger of its incidents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse

from xueliang_alerts.contract import Hazard
from xueliang_central.areas.tree import Area, AreaTree, brief, code_of_path
from xueliang_central.centre import Centre, centre_of
from xueliang_central.dispatch.bulk_reads import note_read
from xueliang_central.dispatch.purposes import Purpose
from xueliang_central.errors import NotFound, ReportRefused
from xueliang_central.reports import figures, ledgers
from xueliang_central.reports.histograms import ABSOLUTE_ERROR_S, RELATIVE_ERROR
from xueliang_central.reports.periods import HOURS, SHIFTS, period_of
from xueliang_central.reports.spreadsheets import CsvWriter, Writer, XlsxWriter
from xueliang_central.rights.policy import Permission, require
from xueliang_central.rights.scope import Actor, may_see
from xueliang_central.routes.asking import Text
from xueliang_configs.schedules import DEFAULT_TIME_ZONE

router: Final = APIRouter(prefix="/api/reports", tags=["reports"])

LONGEST_DAYS: Final = 400  # a year and its month of comparison
USUAL_DAYS: Final = 30

XLSX_ROWS: Final = 500_000  # Excel opens a million, but a sheet written as it is read must stay below 2 GiB
_MEDIA: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

AreaCode = Annotated[str | None, Query(max_length=15, description="Left out: the own area.")]
First = Annotated[date | None, Query(alias="from", description="Local day. Left out: 29 days before `to`.")]
Last = Annotated[date | None, Query(alias="to", description="Local day, included. Left out: today.")]


@router.get("/figures")
async def get_figures(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.SEE_REPORTS))],
    area: AreaCode = None,
    first: First = None,
    last: Last = None,
    group: Annotated[figures.Grouping, Query(description="One group each; area: the areas one level down.")] = "none",
    hazard: Annotated[Hazard | None, Query()] = None,
    drill: Annotated[bool, Query(description="true: drills only; they are in no other figure.")] = False,
) -> JSONResponse:
    """Counts, rates and p50/p90 of each step, of the incidents that opened in the area on these days.

    An incident counts in everything on the day and shift it opened. A rate has its numerator and denominator; null:
    there is nothing it would be about.
    """
    centre = centre_of(request)
    where = area_of(centre.areas.tree, actor, area)
    begins, ends = days_of(first, last, period_of(centre.wall()).day)
    asked = figures.Question(where.code, begins, ends, group, None if hazard is None else hazard.value, drill)
    async with centre.database.reading() as conn:
        found = await figures.answer(conn, asked)
        fresh = await figures.freshness(conn)
    shown = {
        "area": brief(where),
        "from": begins.isoformat(),
        "to": ends.isoformat(),
        "time_zone": DEFAULT_TIME_ZONE,
        "drill": drill,
        "hazard": asked.hazard,
        "group": group,
        "freshness": fresh,
        "percentile_error": {"relative": round(RELATIVE_ERROR, 4), "below_1_s": ABSOLUTE_ERROR_S},
        "total": figures.shown(found.total),
        "groups": [
            {**_key(centre.areas.tree, group, key, where), **figures.shown(sums)}
            for key, sums in sorted(found.groups.items(), key=lambda item: str(item[0]))
        ],
    }
    return JSONResponse(shown)  # plain already: thousands of numbers are not looked at once more


@router.get(
    "/ledger", response_class=StreamingResponse, responses={200: {"content": {kind: {} for kind in _MEDIA.values()}}}
)
async def get_ledger(
    request: Request,
    actor: Annotated[Actor, Depends(require(Permission.EXPORT_LEDGER))],
    why: Annotated[Text, Query(min_length=1, max_length=200, description="What it is for; it is recorded.")],
    area: AreaCode = None,
    first: First = None,
    last: Last = None,
    form: Annotated[Literal["xlsx", "csv"], Query(alias="format")] = "xlsx",
    hazard: Annotated[Hazard | None, Query()] = None,
    drill: Annotated[bool, Query()] = False,
    language: Annotated[ledgers.Language, Query()] = "zh",
) -> StreamingResponse:
    """The ledger of 一单四制: a row for each incident that opened in the area on these days. The export is recorded."""
    centre = centre_of(request)
    where = area_of(centre.areas.tree, actor, area)
    begins, ends = days_of(first, last, period_of(centre.wall()).day)
    wanted = ledgers.Wanted(where, begins, ends, None if hazard is None else hazard.value, drill, language)
    async with centre.database.reading() as conn:
        rows = await ledgers.count(conn, wanted)
    if form == "xlsx" and rows > XLSX_ROWS:
        raise ReportRefused(f"expected at most {XLSX_ROWS} incidents in an xlsx, got {rows}: fewer days, or format=csv")
    await _record_export(centre, actor, wanted, form, why, rows)
    name = f"ledger-{where.code}-{begins}-{ends}.{form}"
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_written(centre, wanted, form), media_type=_MEDIA[form], headers=headers)


async def _record_export(centre: Centre, actor: Actor, wanted: ledgers.Wanted, form: str, why: str, rows: int) -> None:
    """Before the first byte: what cannot be recorded is not given."""
    detail = {
        "from": wanted.first.isoformat(),
        "to": wanted.last.isoformat(),
        "hazard": wanted.hazard,
        "drill": wanted.drill,
        "format": form,
        "rows": rows,
        "why": why,
    }
    async with centre.database.transaction() as conn:
        await note_read(
            conn,
            actor,
            Purpose.LOOKUP,
            action="ledger.exported",
            object_kind="area",
            object_id=wanted.area.code,
            detail=detail,
            now=centre.wall(),
        )


async def _written(centre: Centre, wanted: ledgers.Wanted, form: str) -> AsyncIterator[bytes]:
    writer: Writer = CsvWriter() if form == "csv" else XlsxWriter("一单四制" if wanted.language == "zh" else "Ledger")
    yield await asyncio.to_thread(writer.rows, [ledgers.headings(wanted.language)])
    async for rows in ledgers.pages(centre.database, centre.areas.tree, wanted):
        yield await asyncio.to_thread(writer.rows, rows)
    yield await asyncio.to_thread(writer.end)


def _key(tree: AreaTree, group: str, key: Any, where: Area) -> dict[str, Any]:
    match group:
        case "area":
            found = tree.find(key)
            named = {"code": key, "name": key, "name_en": key, "level": ""} if found is None else brief(found)
            return {"key": key, "area": named, "is_area_itself": key == where.code}
        case "shift":
            hours = f"{key * HOURS:02d}:00", f"{(key + 1) * HOURS:02d}:00"
            return {"key": SHIFTS[key], "from": hours[0], "until": hours[1]}
        case "day":
            return {"key": key.isoformat()}
        case _:
            return {"key": key}


def area_of(tree: AreaTree, actor: Actor, code: str | None) -> Area:
    """The area asked about. Raises NotFound for one that is missing, or outside the actor's scope."""
    found = tree.find(code or code_of_path(actor.area_path))
    if found is None or not may_see(actor, found.path):
        raise NotFound("area")
    return found


def days_of(first: date | None, last: date | None, today: date) -> tuple[date, date]:
    """The days asked about, both included. Raises ReportRefused."""
    ends = last or today
    try:
        begins = first or ends - timedelta(days=USUAL_DAYS - 1)
        days = (ends - begins).days + 1
    except OverflowError:
        raise ReportRefused(f"to: expected a day of these times, got {ends}") from None
    if not 1 <= days <= LONGEST_DAYS:
        raise ReportRefused(f"from and to: expected 1 to {LONGEST_DAYS} days, got {begins} to {ends}")
    return begins, ends

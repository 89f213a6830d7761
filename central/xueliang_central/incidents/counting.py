"""How many incidents are open in an area and in each area one step below it, by severity and by state.

One query over the index `incidents_open_by_area`, which holds open incidents and nothing else: what it costs follows
from what is open, not from what has ever been.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.incidents.tables import IS_OPEN, incidents
from xueliang_central.rights.scope import Actor, may_see, scoped

Tally = dict[str, Any]

_SEVERITIES: Final = ("1", "2", "3", "4")


async def open_by_area(conn: AsyncConnection, actor: Actor, path: str | None) -> dict[str, Any]:
    """Of everything that the actor sees; `path`: of the area looked at, None: of the roots.

    Returns:
        total, and areas: by code, each area on the way to the one looked at, itself, and those one step below it,
        where anything is open. Of each: open, drills, by_severity ("1" to "4") and by_state.
    """
    total, areas = _nothing(), dict[str, Tally]()
    for row in (await conn.execute(open_rows(actor))).mappings():
        _add(total, row)
        for code in _shown(row["area_path"], actor, path):
            _add(areas.setdefault(code, _nothing()), row)
    return {"total": total, "areas": areas}


def open_rows(actor: Actor) -> Select[Any]:
    """How many are open of each area, severity and state, drill or not."""
    columns = (incidents.c.area_path, incidents.c.severity, incidents.c.state, incidents.c.drill)
    query = scoped(select(*columns, func.count().label("open")), incidents.c.area_path, actor)
    # In the words of the index: a database does not see that a parameter says the same.
    return query.where(text(IS_OPEN)).group_by(*columns)


def _nothing() -> Tally:
    return {"open": 0, "drills": 0, "by_severity": dict.fromkeys(_SEVERITIES, 0), "by_state": {}}


def _add(tally: Tally, row: Any) -> None:
    count, severity, state = row["open"], str(row["severity"]), row["state"]
    tally["open"] += count
    tally["drills"] += count if row["drill"] else 0
    tally["by_severity"][severity] += count
    tally["by_state"][state] = tally["by_state"].get(state, 0) + count


def _shown(path: str, actor: Actor, looked_at: str | None) -> Iterator[str]:
    """Codes above the incident that are counted: on the way to the area looked at, itself, and one step below it."""
    ways = [looked_at] if looked_at is not None else list(actor.roots)
    for step in _steps(path.split("/")):
        if may_see(actor, step) and any(_is_on(step, way) for way in ways):
            yield step.rsplit("/", 1)[-1]


def _steps(codes: list[str]) -> Iterable[str]:
    return ("/".join(codes[:length]) for length in range(1, len(codes) + 1))


def _is_on(step: str, way: str) -> bool:
    return f"{way}/".startswith(f"{step}/") or step.rpartition("/")[0] == way

"""What an administrator does about the release of cameras on the centre's machine; each returns the lines to print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.administration import BY
from xueliang_central.areas.tree import load_tree
from xueliang_central.cameras.gate import Gate, ReleaseState, day_of, standing_of
from xueliang_central.cameras.releases import CameraGate, Entries, camera_row, problems_of, sign, withdraw
from xueliang_central.cameras.tables import cameras
from xueliang_central.errors import MoveRefused, NotFound
from xueliang_central.ingest import gating
from xueliang_central.rights.scope import in_area
from xueliang_central.store.database import Database

Row = dict[str, Any]


async def told(database: Database, chosen: Gate | None, *, area_code: str | None, at: datetime) -> list[str]:
    """A line for each camera that is not released, then the sums. Raises NotFound."""
    async with database.reading() as conn:
        mode = await CameraGate(chosen).mode(conn)
        rows = await _rows(conn, area_code, ())
        held = await gating.counts(conn)
    states: Counter[str] = Counter()
    lines: list[str] = []
    for row in rows:
        standing = standing_of(row, day_of(at))
        states[standing.state.value] += 1
        if not standing.is_released:
            lacks = f": {', '.join(standing.missing)}" if standing.missing else ""
            lines.append(f"{row['camera_id']}  {standing.state.value}{lacks}{_held(held.get(row['camera_id'], 0))}")
    known = {row["camera_id"] for row in rows}
    if area_code is None:
        lines += [
            f"{camera_id}  {ReleaseState.UNREGISTERED.value}{_held(many)}"
            for camera_id, many in sorted(held.items())
            if camera_id not in known
        ]
    sums = ", ".join(f"{many} {state}" for state, many in sorted(states.items())) or "no cameras"
    return [*lines, f"the gate: {mode.value}; {sums}; {sum(held.values())} alerts held in all"]


def _held(many: int) -> str:
    return f"  ({many} alerts held)" if many else ""


async def signed(
    database: Database, *, by: str, area_code: str | None, camera_ids: Sequence[str], at: datetime
) -> list[str]:
    """Sign for what the register states of these cameras; those that lack something are named and left as they are.

    What was withdrawn is left too, unless it is named: somebody had a reason. Raises MoveRefused, NotFound.
    """
    if not by.strip():
        raise MoveRefused("--by: expected the name of who signs")
    lines: list[str] = []
    done = 0
    async with database.transaction() as conn:
        for row in await _rows(conn, area_code, camera_ids):
            entries = {name: row[name] for name in Entries.__dataclass_fields__}
            problems = problems_of(entries, day_of(at))
            if row["withdrawn_at"] is not None and row["camera_id"] not in camera_ids:
                problems.append(f"its release was withdrawn by {row['withdrawn_by']}; name it with --camera")
            if problems:
                lines.append(f"not signed for {row['camera_id']}: {'; '.join(problems)}")
            elif not standing_of(row, day_of(at)).is_released:
                await sign(conn, row, Entries(**entries), by=f"{by.strip()} ({BY})", at=at)
                done += 1
    return [*lines, f"{done} cameras signed for by {by.strip()}, {len(lines)} not"]


async def withdrawn(database: Database, *, by: str, camera_ids: Sequence[str], why: str, at: datetime) -> list[str]:
    """Raises MoveRefused, NotFound, ReleaseRefused."""
    if not camera_ids:
        raise MoveRefused("--camera: expected which")
    async with database.transaction() as conn:
        for camera_id in camera_ids:
            row = await camera_row(conn, camera_id, lock=True)
            await withdraw(conn, row, why, by=f"{by.strip()} ({BY})", at=at)
    return [f"{camera_id} is released no longer; its alerts are held" for camera_id in camera_ids]


async def _rows(conn: AsyncConnection, area_code: str | None, camera_ids: Sequence[str]) -> list[Row]:
    condition: ColumnElement[bool] = true()
    if area_code is not None:
        condition = in_area(cameras.c.area_path, (await load_tree(conn)).path_of(area_code))
    found = await conn.execute(select(cameras).where(condition).order_by(cameras.c.camera_id))
    rows = [dict(row) for row in found.mappings()]
    missing = set(camera_ids) - {row["camera_id"] for row in rows}
    if missing:
        raise NotFound(f"not in the register, or not of this area: {', '.join(sorted(missing))}")
    return [row for row in rows if not camera_ids or row["camera_id"] in camera_ids]

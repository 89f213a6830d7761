"""Signing for a camera, and withdrawing that; what the gate does in this installation. In the caller's transaction.

`installation` says whether this centre watched cameras before there was a gate: then nothing is stopped until
centre.yaml says otherwise. Only the migration writes it, so it is read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.cameras.gate import NEEDED, Gate, Standing, day_of, digest_of, standing_of, why_not
from xueliang_central.cameras.register import MAX_NOTE_LETTERS
from xueliang_central.cameras.tables import cameras, installation
from xueliang_central.errors import CameraNotReleased, NotFound, ReleaseRefused
from xueliang_central.store.among import among

Row = dict[str, Any]


@dataclass(slots=True)
class CameraGate:
    """What is done about cameras that are not released. `chosen` None: as the installation was made."""

    chosen: Gate | None = None
    _found: Gate | None = field(default=None, init=False)

    async def mode(self, conn: AsyncConnection) -> Gate:
        if self.chosen is not None:
            return self.chosen
        if self._found is None:
            query = select(installation.c.value).where(installation.c.name == "camera_gate")
            self._found = Gate((await conn.execute(query)).scalar_one_or_none() or Gate.ENFORCE)
        return self._found

    async def is_closed_to(self, conn: AsyncConnection, camera: Row | None, at: datetime) -> bool:
        """Is this camera stopped here and now?"""
        return await self.mode(conn) is Gate.ENFORCE and not standing_of(camera, day_of(at)).is_released

    async def must_be_released(self, conn: AsyncConnection, camera: Row, at: datetime) -> None:
        """Raises CameraNotReleased when the gate is closed to it."""
        if await self.is_closed_to(conn, camera, at):
            standing = standing_of(camera, day_of(at))
            told = why_not(camera["camera_id"], standing)
            raise CameraNotReleased(
                told, camera_id=camera["camera_id"], state=standing.state.value, missing=list(standing.missing)
            )


@dataclass(frozen=True, slots=True)
class Entries:
    """What a person signs for. Days as people where the cameras stand count them."""

    purpose: str
    legal_basis: str
    signed_on: date
    approved_view: str
    view_approved_on: date
    review_by: date | None = None


def is_released(today: date) -> ColumnElement[bool]:
    """Of rows of `cameras`: the condition of `standing_of`, for queries. Whoever changes entries keeps them alike."""
    is_in_time = or_(cameras.c.review_by.is_(None), cameras.c.review_by >= today)
    return and_(cameras.c.released_at.is_not(None), is_in_time)


async def standings(conn: AsyncConnection, camera_ids: Iterable[str], at: datetime) -> dict[str, Standing]:
    """Of each of these cameras, those that are not in the register too."""
    asked = sorted(set(camera_ids))
    found = await conn.execute(select(cameras).where(among(conn, cameras.c.camera_id, asked)))
    rows: Mapping[str, Row] = {row["camera_id"]: dict(row) for row in found.mappings()}
    return {camera_id: standing_of(rows.get(camera_id), day_of(at)) for camera_id in asked}


async def sign(conn: AsyncConnection, camera: Row, entries: Entries, *, by: str, at: datetime) -> None:
    """Write these entries and sign for them. `camera`: its row, locked. Raises ReleaseRefused with every problem."""
    values = {name: getattr(entries, name) for name in Entries.__dataclass_fields__}
    problems = problems_of(values, day_of(at))
    if problems:
        raise ReleaseRefused(problems)
    signed = {"released_at": at, "released_by": by[:120], "released_digest": digest_of(values)}
    signed |= {"withdrawn_at": None, "withdrawn_by": None, "withdrawn_why": None}
    await _write(conn, camera["camera_id"], {**values, **signed}, at)
    told = {name: str(value) for name, value in values.items() if value is not None}
    await _record(conn, "camera.released", camera["camera_id"], {"entries": told, "by": by}, by, at)


async def withdraw(conn: AsyncConnection, camera: Row, why: str, *, by: str, at: datetime) -> None:
    """Its alerts are held from now on. Raises ReleaseRefused when there is nothing to withdraw, or no reason."""
    if not why.strip():
        raise ReleaseRefused(["why: expected a reason"])
    if camera["released_at"] is None:
        raise ReleaseRefused([f"{camera['camera_id']}: nobody has signed for it, so there is nothing to withdraw"])
    values = {"released_at": None, "released_by": None, "released_digest": None}
    withdrawn = {"withdrawn_at": at, "withdrawn_by": by[:120], "withdrawn_why": why[:MAX_NOTE_LETTERS]}
    await _write(conn, camera["camera_id"], {**values, **withdrawn}, at)
    await _record(conn, "camera.release_withdrawn", camera["camera_id"], {"why": why[:MAX_NOTE_LETTERS]}, by, at)


def problems_of(values: Row, today: date) -> list[str]:
    """Of the entries of one camera, each with its name."""
    problems = [f"{name}: not stated" for name in NEEDED if values[name] in (None, "")]
    for name in ("purpose", "legal_basis", "approved_view"):
        text = values[name] or ""
        if len(text) > MAX_NOTE_LETTERS or not text.isprintable():
            problems.append(f"{name}: expected 1 to {MAX_NOTE_LETTERS} printable characters")
    to_come = [name for name in ("signed_on", "view_approved_on") if values[name] is not None and values[name] > today]
    problems += [f"{name}: expected a day that has come, got {values[name]}" for name in to_come]
    if values["review_by"] is not None and values["review_by"] < today:
        problems.append(f"review_by: expected a day to come, got {values['review_by']}")
    return problems


async def camera_row(conn: AsyncConnection, camera_id: str, *, lock: bool = False) -> Row:
    """Raises NotFound."""
    query = select(cameras).where(cameras.c.camera_id == camera_id)
    row = (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if row is None:
        raise NotFound
    return dict(row)


async def _write(conn: AsyncConnection, camera_id: str, values: Row, at: datetime) -> None:
    await conn.execute(update(cameras).where(cameras.c.camera_id == camera_id).values(**values, updated_at=at))


async def _record(conn: AsyncConnection, action: str, camera_id: str, detail: Row, by: str, at: datetime) -> None:
    what = {"action": action, "object_kind": "camera", "object_id": camera_id}
    await chain.record(conn, actor=by, **what, detail=detail, at=at)

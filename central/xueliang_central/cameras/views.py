"""Views of cameras that turn, as their nodes told them with a still that was asked for, and the newest still of each.

Invariants
    - What is shown was told by the node that watches the camera now; what another one told before is not.
    - A view's still is the newest of it that is here: one that is on its way takes its place when it has come, and
      after that nobody sees the one before. Who sees it and when it goes: see `stills.py`.
    - A view that the node tells no longer loses its still.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Select, Table, and_, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.commands import FullStill, LookResult, NamedView
from xueliang_central.cameras.tables import camera_views, cameras, view_stills
from xueliang_central.evidence.pictures import PictureKind
from xueliang_central.evidence.tables import pictures
from xueliang_central.rights.scope import Actor, in_scope

NO_VIEW: Final = ""  # the picture shows none of the camera's views
LEAST: Final = 2  # views of a camera whose views are told apart


async def note_views(conn: AsyncConnection, camera_id: str, node_id: str, told: LookResult, at: datetime) -> None:
    """Keep what the answer to a look says of the camera's views. A node that says nothing of them changes nothing."""
    if told.views is None:
        return
    await _note_told(conn, camera_id, node_id, told.views, at)
    kept = [NO_VIEW, *(view.view_id for view in told.views)] if len(told.views) >= LEAST else []
    gone = and_(view_stills.c.camera_id == camera_id, view_stills.c.view_id.not_in(kept))
    await conn.execute(delete(view_stills).where(gone))
    shows = told.view_id if told.view_id is not None else NO_VIEW
    if told.still is not None and told.observed_at is not None and shows in kept:
        await _note_still(conn, camera_id, shows, node_id, told.still, told.observed_at, at)


async def _note_told(
    conn: AsyncConnection, camera_id: str, node_id: str, views: Sequence[NamedView], at: datetime
) -> None:
    values = {"node_id": node_id, "views": [view.model_dump() for view in views], "told_at": at}
    insert = _dialect(conn).insert(camera_views).values(camera_id=camera_id, **values)
    await conn.execute(insert.on_conflict_do_update(index_elements=["camera_id"], set_=values))


async def _note_still(
    conn: AsyncConnection,
    camera_id: str,
    view_id: str,
    node_id: str,
    still: FullStill,
    observed_at: datetime,
    at: datetime,
) -> None:
    """Beside the newest that is here, for it may never come; those before go."""
    values = {
        "node_id": node_id,
        "width": still.size_wh[0],
        "height": still.size_wh[1],
        "observed_at": observed_at,
        "noted_at": at,
    }
    key = {"camera_id": camera_id, "view_id": view_id, "sha256": still.sha256}
    insert = _dialect(conn).insert(view_stills).values(**key, **values)
    await conn.execute(insert.on_conflict_do_update(index_elements=list(key), set_=values))
    of_view = and_(view_stills.c.camera_id == camera_id, view_stills.c.view_id == view_id)
    here = select(view_stills.c.sha256).join(pictures, _ARRIVED).where(of_view)
    newest = (await conn.execute(here.order_by(view_stills.c.noted_at.desc()).limit(1))).scalar_one_or_none()
    await conn.execute(delete(view_stills).where(of_view, view_stills.c.sha256.not_in([still.sha256, newest or ""])))


async def views_of(conn: AsyncConnection, actor: Actor, camera_id: str) -> dict[str, Any] | None:
    """`told_at`, and `items`: of each view `view_id`, `name`, `state` and `still`, as `stills.still_of` tells one.

    None: the camera's node has not told them. Empty: it stands still. Whether the actor may see the camera's rules is
    asked before.
    """
    query = (
        select(camera_views.c.views, camera_views.c.told_at)
        .join(cameras, _watched_by_who_told(camera_views))
        .where(camera_views.c.camera_id == camera_id)
    )
    told = (await conn.execute(query)).mappings().one_or_none()
    if told is None:
        return None
    newest = (await conn.execute(_shown_to(actor, view_stills.c.camera_id == camera_id))).mappings()
    stills = {row["view_id"]: _still(row) for row in newest}
    items = [{**view, "still": stills.get(view["view_id"])} for view in told["views"]]
    return {"told_at": _iso(told["told_at"]), "items": items}


async def view_shown_by(conn: AsyncConnection, camera_id: str, sha256: str) -> str | None:
    """Which view of the camera a still shows; `NO_VIEW`: none of them. None: nobody knows."""
    query = (
        select(view_stills.c.view_id)
        .join(cameras, _watched_by_who_told(view_stills))
        .where(view_stills.c.camera_id == camera_id, view_stills.c.sha256 == sha256)
        .order_by(view_stills.c.noted_at.desc())
        .limit(1)
    )
    return (await conn.execute(query)).scalar_one_or_none()


async def camera_with_view(conn: AsyncConnection, actor: Actor, sha256: str) -> str | None:
    """A camera of one of whose views this is the still and that the actor may see."""
    named = select(view_stills.c.camera_id).where(view_stills.c.sha256 == sha256)
    for row in (await conn.execute(_shown_to(actor, view_stills.c.camera_id.in_(named)))).mappings():
        if row["sha256"] == sha256:
            return str(row["camera_id"])
    return None


_ARRIVED: Final = and_(
    pictures.c.sha256 == view_stills.c.sha256,
    pictures.c.kind == PictureKind.EVIDENCE.value,
    pictures.c.received_from == "node:" + view_stills.c.node_id,
)


def _watched_by_who_told(table: Table) -> ColumnElement[bool]:
    return and_(cameras.c.camera_id == table.c.camera_id, cameras.c.node_id == table.c.node_id)


def _shown_to(actor: Actor, which: ColumnElement[bool]) -> Select[Any]:
    """The newest still of each view that is here."""
    of_view = (view_stills.c.camera_id, view_stills.c.view_id)
    place = func.row_number().over(partition_by=of_view, order_by=view_stills.c.noted_at.desc())
    here = (
        select(*view_stills.c, place.label("place"))
        .join(cameras, _watched_by_who_told(view_stills))
        .join(pictures, _ARRIVED)
        .where(which, view_stills.c.view_id != NO_VIEW, in_scope(cameras.c.area_path, actor))
        .subquery()
    )
    return select(here).where(here.c.place == 1)


def _still(row: RowMapping) -> dict[str, Any]:
    size_wh, at = [row["width"], row["height"]], _iso(row["observed_at"])
    return {"sha256": row["sha256"], "frame_size_wh": size_wh, "observed_at": at, "is_asked_for": True}


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _dialect(conn: AsyncConnection) -> Any:
    return postgresql if conn.dialect.name == "postgresql" else sqlite

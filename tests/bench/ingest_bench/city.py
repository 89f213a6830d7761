"""A registered city for the centre: square areas, 1,875 nodes of sixteen cameras, a worker for every grid."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, insert

from xueliang_central.areas.tables import areas
from xueliang_central.areas.tree import parent_code, path_by_code
from xueliang_central.cameras.gate import digest_of
from xueliang_central.cameras.tables import cameras
from xueliang_central.fleet.tables import nodes
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import users
from xueliang_central.store.database import Database

NODES: Final = 1_875
CAMERAS_PER_NODE: Final = 16
CITY: Final = "9901"  # no province has 99: nobody's real code
COUNTIES, TOWNSHIPS, VILLAGES, GRIDS = 9, 6, 6, 10  # of each area above: 3,240 grids
_CORNER: Final = (110.0, 32.0)
_SIDE: Final = 0.01  # degrees: about a kilometre, so that cameras of two grids never fold
_LEVELS: Final = {4: "city", 6: "county", 9: "township", 12: "village", 15: "grid"}
_PLACES: Final = ("residential", "street", "school", "mall", "hospital", "industrial")
_AT_ONCE: Final = 5_000


def node_id_of(node: int) -> str:
    return f"edge-{node:04d}"


def camera_ids_of(node: int) -> list[str]:
    return [f"cam-{node:04d}-{number:02d}" for number in range(CAMERAS_PER_NODE)]


def grid_codes() -> list[str]:
    return [
        f"{CITY}{county:02d}{township:03d}{village:03d}{grid:03d}"
        for county in range(1, COUNTIES + 1)
        for township in range(1, TOWNSHIPS + 1)
        for village in range(1, VILLAGES + 1)
        for grid in range(1, GRIDS + 1)
    ]


def place_of(node: int, camera: int, grids: list[str]) -> tuple[str, str]:
    """A camera and the grid it stands in."""
    return camera_ids_of(node)[camera], grids[_grid_of(node, grids)]


def _grid_of(node: int, grids: list[str]) -> int:
    return node * len(grids) // NODES  # a node stands in one grid


async def register(database: Database, at: datetime) -> None:
    """Put the whole city into an empty database."""
    grids = grid_codes()
    codes = sorted({code[:length] for code in grids for length in _LEVELS}, key=lambda code: (len(code), code))
    await _put(database, areas, [_area(code, grids) for code in codes])
    await _put(database, users, [_worker(code, at) for code in grids])
    await _put(database, nodes, [_node(node_id_of(node), at) for node in range(NODES)])
    places = ((node, camera_id) for node in range(NODES) for camera_id in camera_ids_of(node))
    await _put(database, cameras, [_camera(n, node, id_, grids, at) for n, (node, id_) in enumerate(places)])


async def _put(database: Database, table: Table, rows: list[dict[str, Any]]) -> None:
    async with database.transaction() as conn:
        for first in range(0, len(rows), _AT_ONCE):
            await conn.execute(insert(table), rows[first : first + _AT_ONCE])


def _corner(number: int) -> tuple[float, float]:
    """South-west corner of the grid of this number, WGS84 degrees."""
    return _CORNER[0] + number % 60 * _SIDE, _CORNER[1] + number // 60 * _SIDE


def _area(code: str, grids: list[str]) -> dict[str, Any]:
    inside = [number for number, grid in enumerate(grids) if grid.startswith(code)]
    corners = [_corner(number) for number in inside]
    west, south = min(x for x, _ in corners), min(y for _, y in corners)
    east, north = max(x for x, _ in corners) + _SIDE, max(y for _, y in corners) + _SIDE
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "code": code,
        "name": f"区{code}",
        "name_en": f"Area {code}",
        "level": _LEVELS[len(code)],
        "parent": parent_code(code),
        "path": path_by_code(code),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "valid_from": None,
        "valid_to": None,
    }


def _worker(code: str, at: datetime) -> dict[str, Any]:
    return {
        "user_id": str(uuid.uuid5(uuid.NAMESPACE_OID, code)),
        "username": f"worker-{code}",
        "display_name": f"Worker {code}",
        "role": Role.WORKER.value,
        "area_code": code,
        "area_path": path_by_code(code),
        "password_hash": "-",
        "disabled": False,
        "created_at": at,
    }


def _node(node_id: str, at: datetime) -> dict[str, Any]:
    return {"node_id": node_id, "area_path": CITY, "token_hash": node_id, "registered_at": at}


def _camera(number: int, node: int, camera_id: str, grids: list[str], at: datetime) -> dict[str, Any]:
    grid = _grid_of(node, grids)
    west, south = _corner(grid)
    place = number % CAMERAS_PER_NODE
    row: dict[str, Any] = {
        "camera_id": camera_id,
        "name": f"监控{number}",
        "area_code": grids[grid],
        "area_path": path_by_code(grids[grid]),
        "located": "assigned",
        "located_note": "assigned to this area",
        "longitude": west + _SIDE * (place % 4 + 0.5) / 4,  # 250 m apart
        "latitude": south + _SIDE * (place // 4 + 0.5) / 4,
        "place_class": _PLACES[number % len(_PLACES)],
        "node_id": node_id_of(node),
        "purpose": "bench",
        "legal_basis": "bench",
        "signed_on": at.date(),
        "approved_view": "bench",
        "view_approved_on": at.date(),
        "review_by": None,
        "withdrawn_at": None,
        "updated_at": at,
    }
    return row | {"released_digest": digest_of(row), "released_at": at, "released_by": "bench"}

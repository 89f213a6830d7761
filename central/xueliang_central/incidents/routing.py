"""Alert to area, and why (pure, but for the tree it is handed).

The camera's place in the register decides; a camera that is not in it is placed by the position the node sent; without
that, one level above the areas of the node's other cameras; at the very least the root. What is not plainly in a grid
is marked `misplaced` and never dropped. Only areas that are valid on the day of the alert are gone to: where the
register's own has ended, or has not begun, the place of the camera decides which succeeds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from xueliang_alerts.contract import Position
from xueliang_central.areas.locating import locate
from xueliang_central.areas.tree import Area, AreaTree
from xueliang_central.cameras.register import ASSIGNED, CameraPlace
from xueliang_central.errors import CentralError


class NoAreas(CentralError):
    """No area has been imported yet, so no alert can be given to anyone. Retry: yes, after `import-areas`."""

    status = 503
    code = "no_areas"
    title = "No areas have been imported"
    retry_after_s = 2


@dataclass(frozen=True, slots=True)
class Route:
    """Which area answers for an alert. WGS84 degrees; None where nobody has said where the camera is."""

    area: Area
    camera_name: str
    place_class: str
    longitude: float | None
    latitude: float | None
    misplaced: bool
    why: dict[str, object]


def route(
    camera_id: str,
    place: CameraPlace | None,
    position: Position | None,
    node_areas: Sequence[str],
    tree: AreaTree,
    day: date,
) -> Route:
    """Where an alert of this camera goes.

    Args:
        node_areas: codes of the areas of the node's registered cameras.
        day: the local day on which the alert began.

    Raises:
        NoAreas: the tree is empty.
    """
    if not len(tree):
        raise NoAreas
    if place is not None:
        return _by_register(place, tree, day)
    valid = tree.on(day)
    if position is not None:
        found = locate(valid, position.longitude, position.latitude)
        area = tree.get(found.code) if found.code else tree.roots()[0]
        why = _why("position", f"not in the register; {found.note}", area, how=found.how)
        return Route(area, camera_id, "other", position.longitude, position.latitude, found.how != "inside", why)
    area = _above(node_areas, valid)
    why = _why("not_registered", "not in the register and without a position: one level up", area, how="level_up")
    return Route(area, camera_id, "other", None, None, True, why)


def _by_register(place: CameraPlace, tree: AreaTree, day: date) -> Route:
    area = tree.find(place.area_code)
    misplaced, note, how = place.is_misplaced, place.located_note, place.located
    if area is None or area.code not in tree.on(day):  # its area came later, has gone since, or is not valid then
        found = locate(tree.on(day), place.longitude, place.latitude)
        ended = "" if area is None else f"{area.code} is not valid on {day}; "
        area = tree.get(found.code) if found.code else tree.roots()[0]
        misplaced, note, how = found.how != "inside", ended + found.note, found.how
    code = "assigned" if how == ASSIGNED else "polygon"
    why = _why(code, f"register: {note}", area, how=how)
    return Route(area, place.name, place.place_class, place.longitude, place.latitude, misplaced, why)


def _why(code: str, text: str, area: Area, *, how: str) -> dict[str, object]:
    return {"code": code, "text": text, "about": {"area_code": area.code, "level": area.level.value, "how": how}}


def _above(node_areas: Sequence[str], tree: AreaTree) -> Area:
    """The lowest area above all of these: never a grid; the first root when there are none."""
    chains = [tree.ancestors(code) for code in sorted(set(node_areas)) if code in tree]
    common = tree.roots()[0]
    for step in zip(*chains, strict=False):
        if any(area.code != step[0].code for area in step):
            break
        common = step[0]
    return common

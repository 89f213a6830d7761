"""The pages about cameras as files, for the commands: the assessment of an area, a notice page for each camera."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from xueliang_central.areas.tree import Area, AreaTree, load_tree
from xueliang_central.audit import chain
from xueliang_central.disclosure import gathering
from xueliang_central.disclosure.facts import Assessment, CameraFact
from xueliang_central.disclosure.pages import assessment_page, index_page, notice_page
from xueliang_central.disclosure.words import Language
from xueliang_central.errors import MoveRefused
from xueliang_central.store.database import Database
from xueliang_configs.centre import CentreSettings

BY: Final = "administrator"  # who sits at the machine
INDEX: Final = "index.html"


async def write_assessment(
    database: Database, chosen: CentreSettings, file: Path, *, area_code: str | None, language: Language, at: datetime
) -> list[str]:
    """Write the assessment of an area; the lines to print. Raises MoveRefused, NotFound."""
    found = await _assessment(database, chosen, area_code, at, accounts=True)
    _write(file, assessment_page(found, language))
    await _record(database, found, {"language": language}, "assessment.made")
    incomplete = sum(bool(camera.missing) for camera in found.cameras)
    return [
        f"{file}: {len(found.cameras)} cameras of {found.area.code}, version {found.version}",
        f"{incomplete} cameras are not stated in full",
    ]


async def write_notices(
    database: Database, chosen: CentreSettings, folder: Path, *, area_code: str | None, at: datetime
) -> list[str]:
    """Write a page for each camera and an index; the lines to print, each camera that is not stated in full among
    them. Pages of cameras that are gone are removed. Raises MoveRefused, NotFound."""
    found = await _assessment(database, chosen, area_code, at, accounts=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        old = set(folder.glob("camera-*.html"))
    except OSError as error:
        raise MoveRefused(f"{folder}: cannot be written: {error.strerror}") from error
    for camera in found.cameras:
        _write(folder / _name(camera), [notice_page(found, camera)])
    _write(folder / INDEX, index_page(found, _name))
    for path in old - {folder / _name(camera) for camera in found.cameras}:
        path.unlink(missing_ok=True)
    await _record(database, found, {}, "notices.made")
    lacking = [f"note: {one.camera_id} lacks {', '.join(one.missing)}" for one in found.cameras if one.missing]
    return [*lacking, f"{folder / INDEX}: {len(found.cameras)} cameras of {found.area.code}"]


def _name(camera: CameraFact) -> str:
    return f"camera-{camera.camera_id}.html"  # the register takes only small letters, digits and hyphens


async def _assessment(
    database: Database, chosen: CentreSettings, area_code: str | None, at: datetime, *, accounts: bool
) -> Assessment:
    async with database.reading() as conn:
        tree = await load_tree(conn)
        area = _area(tree, area_code)
        return await gathering.assessment(
            conn,
            tree,
            area,
            gathering.at_or_below(area),
            retention=chosen.retention,
            disclosure=chosen.disclosure,
            live_view=chosen.live_view,
            at=at,
            accounts=accounts,
        )


def _area(tree: AreaTree, code: str | None) -> Area:
    roots = tree.roots()
    if code is None and len(roots) != 1:
        raise MoveRefused("say which area: --area CODE" if roots else "there are no areas yet: import-areas first")
    return tree.get(code or roots[0].code)


def _write(path: Path, pieces: Iterable[str]) -> None:
    """Raises MoveRefused."""
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
    except OSError as error:
        raise MoveRefused(f"{path}: cannot be written: {error.strerror}") from error


async def _record(database: Database, found: Assessment, detail: dict[str, str], action: str) -> None:
    said = {"version": found.version, "cameras": len(found.cameras), **detail}
    async with database.transaction() as conn:
        await chain.record(
            conn, actor=BY, action=action, object_kind="area", object_id=found.area.code, detail=said, at=found.made_at
        )

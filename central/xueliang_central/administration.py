"""What an administrator does on the machine itself: data in, people and nodes added, the audit chain checked.

Each function is one transaction on an open database and returns the lines to print. Errors are for the person who reads
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from xueliang_central.areas.datums import to_wgs84
from xueliang_central.areas.importing import import_areas
from xueliang_central.areas.tree import day_of, load_tree
from xueliang_central.audit.chain import Head, verify
from xueliang_central.cameras.gate import SIGNED
from xueliang_central.cameras.register import CameraPlace, places_of, relocate, upsert_cameras
from xueliang_central.cameras.tables import cameras
from xueliang_central.cap import receivers
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.fleet.by_areas import tell
from xueliang_central.fleet.nodes import add_node, is_registered, renew_token
from xueliang_central.incidents.states import State
from xueliang_central.incidents.tables import incidents
from xueliang_central.intake import sources
from xueliang_central.intake.signing import key_of
from xueliang_central.lanes.importing import import_lanes
from xueliang_central.lanes.importing import relocate as relocate_lanes
from xueliang_central.notices.contact_table import ContactTable
from xueliang_central.notices.importing import import_contacts
from xueliang_central.people.importing import import_rosters
from xueliang_central.people.roster_table import RosterTable
from xueliang_central.people.tables import shifts
from xueliang_central.reports import rolling
from xueliang_central.retention.due import KINDS
from xueliang_central.retention.removing import would_go
from xueliang_central.rights import people, second_factor
from xueliang_central.rights.administrators import breaches
from xueliang_central.rights.passwords import hash_password
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import users
from xueliang_central.store.database import Database
from xueliang_configs.areas import AreaTable
from xueliang_configs.cameras import CameraRegister, RegisteredCamera
from xueliang_configs.lanes import LaneTable
from xueliang_configs.notices import Channel
from xueliang_configs.retention import RetentionConfig

BY: Final = "administrator"  # who sits at the machine; the operating system knows who that is
KEPT: Final = (*SIGNED, "bearing_deg", "field_of_view_deg")
"""What an import of cameras leaves as it is where the file says nothing of it: what is signed for, and the view."""


async def take_areas(database: Database, table: AreaTable, *, at: datetime, remove_missing: bool) -> list[str]:
    """Import areas, and locate lanes again and the cameras that have no assigned area."""
    async with database.transaction() as conn:
        changes = await import_areas(
            conn,
            table,
            at=at,
            by=BY,
            remove_missing=remove_missing,
            holders={"cameras": cameras.c.area_code, "users": users.c.area_code, "shifts": shifts.c.area_code},
            going_on=select(incidents.c.area_code, "incident " + incidents.c.number).where(
                incidents.c.state != State.CLOSED.value
            ),
        )
        tree = await load_tree(conn)
        gone = await relocate(conn, tree, at=at)
        await tell(conn, gone, at)
        moved = {"cameras": len(gone), "lanes": await relocate_lanes(conn, tree.on(day_of(at)))}
    return [*changes.lines(), *(f"{count} {what} belong to another area now" for what, count in moved.items() if count)]


async def take_cameras(database: Database, register: CameraRegister, *, at: datetime) -> list[str]:
    """Import cameras, their positions brought to WGS84; each that lies in no grid is named."""
    async with database.transaction() as conn:
        known = await places_of(conn, [camera.camera_id for camera in register.cameras])
        places = [_place(camera, known.get(camera.camera_id)) for camera in register.cameras]
        changes = await upsert_cameras(conn, places, await load_tree(conn), at=at, actor=BY)
        odd = await conn.execute(
            select(cameras.c.camera_id, cameras.c.area_code, cameras.c.located_note)
            .where(cameras.c.located.in_(["nearest", "level_up", "nowhere"]))
            .order_by(cameras.c.camera_id)
        )
        notes = [f"note: {row.camera_id} belongs to {row.area_code}: {row.located_note}" for row in odd]
    lines = [f"+ {camera_id}" for camera_id in changes.added] + [f"~ {camera_id}" for camera_id in changes.changed]
    sums = f"{len(changes.added)} added, {len(changes.changed)} changed, {changes.unchanged} unchanged"
    return [*lines, sums, *notes]


def _place(camera: RegisteredCamera, known: CameraPlace | None) -> CameraPlace:
    """What the file leaves out of `KEPT` stays as it is; null takes it out."""
    source = {name: camera if known is None or name in camera.model_fields_set else known for name in KEPT}
    longitude, latitude = to_wgs84((camera.longitude, camera.latitude), camera.datum)
    return CameraPlace(
        camera_id=camera.camera_id,
        name=camera.name,
        area_code=camera.area_code,
        longitude=longitude,
        latitude=latitude,
        place_class=camera.place_class.value,
        node_id=camera.node_id,
        **{name: getattr(one, name) for name, one in source.items()},
    )


async def take_lanes(
    database: Database, table: LaneTable, *, at: datetime, dry_run: bool, remove_missing: bool
) -> list[str]:
    """Import fire lanes; each that lies in no grid is named. Raises ImportRefused."""
    async with database.transaction() as conn:
        changes = await import_lanes(
            conn, await load_tree(conn), table, at=at, by=BY, dry_run=dry_run, remove_missing=remove_missing
        )
    return [*changes, "dry run: nothing was changed"] if dry_run else changes


async def take_rosters(database: Database, table: RosterTable, *, at: datetime, dry_run: bool) -> list[str]:
    """Replace the rosters of the people whom the table names; the others keep theirs. Raises ImportRefused."""
    async with database.transaction() as conn:
        changes = await import_rosters(conn, await load_tree(conn), table, at=at, by=BY, dry_run=dry_run)
    return [*changes, "dry run: nothing was changed"] if dry_run else changes


async def take_contacts(
    database: Database, table: ContactTable, channels: Mapping[str, Channel], *, at: datetime, dry_run: bool
) -> list[str]:
    """Write the addresses that the table names; others stay. Raises ImportRefused."""
    async with database.transaction() as conn:
        changes = await import_contacts(conn, table, channels, at=at, by=BY, dry_run=dry_run)
    return [*changes, "dry run: nothing was changed"] if dry_run else changes


async def new_user(
    database: Database,
    *,
    username: str,
    display_name: str,
    role: str,
    area_code: str,
    password: str,
    at: datetime,
    holder: str | None = None,
) -> list[str]:
    """Add a person. Raises MoveRefused, Conflict, NotFound."""
    if role not in set(Role):
        raise MoveRefused(f"role must be one of {', '.join(Role)}, got {role!r}")
    hashed = await hash_password(password)
    async with database.transaction() as conn:
        path = (await load_tree(conn)).path_of(area_code)
        await people.add_user(
            conn,
            username=username,
            display_name=display_name,
            role=Role(role),
            area_code=area_code,
            area_path=path,
            password_hash=hashed,
            at=at,
            by=BY,
            holder=holder,
        )
    return [f"user {username.strip().lower()} added: {role} of {area_code}"]


async def changed_user(
    database: Database,
    *,
    username: str,
    role: str | None,
    area_code: str | None,
    holder: str | None,
    disabled: bool | None,
    forget_second_factor: bool,
    at: datetime,
) -> list[str]:
    """Change what is not None. Raises MoveRefused, Conflict, NotFound."""
    wanted = {"role": role, "holder": holder, "disabled": disabled}
    values: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    name = username.strip().lower()
    async with database.transaction() as conn:
        user_id = await conn.scalar(select(users.c.user_id).where(users.c.username == name))
        if user_id is None:
            raise NotFound(f"there is no user {name}")
        if area_code is not None:
            values |= {"area_code": area_code, "area_path": (await load_tree(conn)).path_of(area_code)}
        if not values and not forget_second_factor:
            raise MoveRefused("say what to change: --role, --area, --holder, --disable, --enable, …")
        if values:
            await people.change_user(conn, user_id, at=at, by=BY, **values)
        if forget_second_factor:
            await second_factor.reset(conn, user_id, by=BY, at=at)
    told = [f"{name}: {key} {value}" for key, value in values.items() if key != "area_path"]
    return [*told, f"{name}: no second factor now"] if forget_second_factor else told


async def check_accounts(database: Database) -> list[str]:
    """One line for each account that breaks the rule of the three administrators."""
    async with database.reading() as conn:
        return list(breaches(await people.standings(conn)))


async def new_node(database: Database, *, node_id: str, area_code: str | None, renew: bool, at: datetime) -> list[str]:
    """Register a node, or give it a new token; the last line is the token. Raises Conflict, MoveRefused, NotFound."""
    async with database.transaction() as conn:
        tree = await load_tree(conn)
        if renew:
            token = await renew_token(conn, node_id=node_id, at=at, by=BY)
            if token is None:
                raise MoveRefused(f"there is no node {node_id}")
            return [token]
        roots = tree.roots()
        if area_code is None and len(roots) != 1:
            raise MoveRefused("say which area the node belongs to: --area CODE")
        if await sources.source_of(conn, node_id) is not None:
            raise Conflict(
                f"the source {node_id} has this name: at the broker a station and a node cannot have one name"
            )
        path = tree.path_of(area_code or roots[0].code)
        return [await add_node(conn, node_id=node_id, area_path=path, at=at, by=BY)]


async def new_receiver(database: Database, *, receiver_id: str, area_code: str, at: datetime) -> list[str]:
    """Let another system fetch what is told of an area, or give it a new token: the last line. Raises MoveRefused."""
    async with database.transaction() as conn:
        path = (await load_tree(conn)).path_of(area_code)
        return [await receivers.add_receiver(conn, receiver_id=receiver_id, area_path=path, at=at, by=BY)]


async def end_receiver(database: Database, *, receiver_id: str, at: datetime) -> list[str]:
    """Its token no longer works. Raises MoveRefused."""
    async with database.transaction() as conn:
        await receivers.remove_receiver(conn, receiver_id=receiver_id, at=at, by=BY)
    return [f"{receiver_id} can fetch nothing any more"]


async def new_source(
    database: Database,
    key_path: Path,
    *,
    source_id: str,
    name: str,
    area_code: str,
    place: tuple[float, float] | None,
    at: datetime,
) -> list[str]:
    """Register a sensor or station; the last line is its key. Raises Conflict, MoveRefused, NotFound."""
    key = sources.intake_key(key_path)
    async with database.transaction() as conn:
        tree = await load_tree(conn)
        if await is_registered(conn, source_id):
            raise Conflict(f"there is a node {source_id}: at the broker a station and a node cannot have one name")
        row = await sources.add_source(
            conn, tree, source_id=source_id, name=name, area_code=area_code, place=place, at=at, by=BY
        )
    return [key_of(key, source_id, row["key_version"])]


def read_place(text: str | None) -> tuple[float, float] | None:
    """ "117.005,36.005" as longitude and latitude. Raises MoveRefused."""
    if text is None:
        return None
    parts = text.split(",")
    try:
        longitude, latitude = (float(part) for part in parts)
    except ValueError:
        raise MoveRefused(
            f"a place is written LONGITUDE,LATITUDE, for example 117.005,36.005; got {text[:60]!r}"
        ) from None
    return longitude, latitude


async def change_source(database: Database, key_path: Path, *, source_id: str, renew: bool, at: datetime) -> list[str]:
    """A new key (the last line), or the end of a source. Raises MoveRefused."""
    async with database.transaction() as conn:
        if renew:
            key = sources.intake_key(key_path)
            row = await sources.renew_key(conn, source_id=source_id, at=at, by=BY)
            return [key_of(key, source_id, row["key_version"])]
        await sources.disable(conn, source_id=source_id, at=at, by=BY)
    return [f"nothing is taken from {source_id} any more"]


async def check_audit(database: Database, known_head: str | None) -> tuple[bool, list[str]]:
    """Walk the audit chain; whether it is whole, and what to print. `known_head`: "position:hash" kept elsewhere."""
    head = None
    if known_head is not None:
        position, _, record_hash = known_head.partition(":")
        if not position.isdecimal() or not record_hash:
            raise MoveRefused("a head is written as POSITION:HASH, as this command prints it")
        head = Head(int(position), record_hash)
    async with database.reading() as conn:
        verdict = await verify(conn, known_head=head)
    told = f"{verdict.head.position}:{verdict.head.record_hash}"
    if verdict.is_whole:
        return True, [f"the audit chain is whole: {verdict.head.position} records", f"head {told}"]
    return False, [f"the audit chain is broken at record {verdict.position}: {verdict.problem}", f"last good {told}"]


async def roll_up_again(database: Database, first: date, last: date) -> list[str]:
    """Mark these local days, both included; the worker computes them within a minute or so. Raises MoveRefused."""
    if first > last:
        raise MoveRefused(f"--from: expected a day not after --to, got {first} and {last}")
    async with database.transaction() as conn:
        units = await rolling.mark_days(conn, first, last)
    return [f"{units} areas and shifts will be counted anew by the worker"]


async def what_would_go(database: Database, policy: RetentionConfig, *, at: datetime) -> list[str]:
    """A line for each kind: how much of it the worker would remove now, and since when the oldest has been here."""
    lines: list[str] = []
    for kind in KINDS:
        async with database.reading() as conn:
            found = await would_go(conn, kind, policy, at)
        if found is None:
            lines.append(f"{kind}: kept for ever")
        elif found.oldest is None:
            lines.append(f"{kind}: nothing is due")
        else:
            lines.append(f"{kind}: {found.total} would go, the oldest of {found.oldest:%Y-%m-%d}")
    return [*lines, "dry run: nothing was changed; the worker removes it within the hour"]

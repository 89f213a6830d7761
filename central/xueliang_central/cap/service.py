"""Tells what has happened: the events since the last look → incidents → messages. Driven by the worker.

The events of the stream are committed in the order of their ids and name every incident that has changed, so that
a look from the last id on misses none. An incident that changed twice between two looks is told once, as it is now.
What is told is committed with how far the events have been read: it is told once, whichever worker does it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import Area
from xueliang_central.audit import chain
from xueliang_central.cap import set_aside
from xueliang_central.cap.deciding import OVER, Facts, MessageType, Phase, decide
from xueliang_central.cap.document import Message, at_text, document_of, status_of
from xueliang_central.cap.tables import cap_messages, cap_progress, cap_set_aside, cap_told
from xueliang_central.cap.words import LEFT_AREA
from xueliang_central.errors import CentralError
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.tables import incidents
from xueliang_central.rights.scope import within
from xueliang_central.store.among import among
from xueliang_central.store.claims import skip_taken
from xueliang_central.store.tables import events
from xueliang_configs.sharing import Sharing

Row = dict[str, Any]

READ_LIMIT: Final = 500  # events of one look
RENEW_LIMIT: Final = 100
RENEW_SHARE: Final = 0.25  # of a message's life is left when what goes on is told again
LEFT: Final = {"code": "left_area", "text": "it has left this area and is told elsewhere", "about": {}}
_ONLY: Final = 1
_INCIDENT: Final = "incident"


async def is_any_due(conn: AsyncConnection, now: datetime, sharing: Sharing | None) -> bool:
    """Asked by reading, so that an idle worker never takes the writer's place."""
    after = (await conn.execute(select(cap_progress.c.event_id))).scalar_one_or_none()
    if sharing is None:
        return after is not None
    if after is None:
        return True
    newer = select(events.c.event_id).where(events.c.event_id > after)
    if (await conn.execute(newer.where(events.c.kind == _INCIDENT).limit(1))).first() is not None:
        return True
    is_far_behind = (await conn.execute(newer.limit(1).offset(READ_LIMIT))).first() is not None
    return is_far_behind or bool(await _to_renew(conn, now)) or bool(await set_aside.to_try(conn, now))


async def tell(change: Change, sharing: Sharing | None, *, origin: str | None) -> int:
    """Tell what is to be told now, as much as one transaction should; returns how many messages.

    The first look ever only notes where the events are: what was open before is told when it next changes.

    Args:
        sharing: None: nothing is told any more, and when it begins again nothing of what happened meanwhile.
        origin: the centre's own address, for links; None: it has none.
    """
    if sharing is None:
        await change.conn.execute(delete(cap_progress))
        await change.conn.execute(delete(cap_set_aside))
        return 0
    progress = select(cap_progress.c.event_id).where(cap_progress.c.progress_id == _ONLY)
    after = (await change.conn.execute(skip_taken(progress))).scalar_one_or_none()
    if after is None:
        await _begin(change.conn)
        return 0
    touched, through = await _touched_since(change.conn, after)
    touched |= dict.fromkeys(await _to_renew(change.conn, change.now))
    touched |= dict.fromkeys(await set_aside.to_try(change.conn, change.now))
    told = 0
    for incident in await _incidents(change.conn, touched):
        told += await _tell_or_set_aside(change, sharing, incident, origin)
    if through > after:
        await change.conn.execute(update(cap_progress).values(event_id=through))
    return told


async def _tell_or_set_aside(change: Change, sharing: Sharing, incident: Row, origin: str | None) -> int:
    """One incident of which no document can be made is tried again later, and stops none of the others."""
    incident_id = incident["incident_id"]
    told = await _told(change.conn, incident_id)
    try:
        messages = await _messages(change, sharing, incident, told, origin)
    except (CentralError, SQLAlchemyError):
        raise  # all of them wait for the same
    except Exception as error:
        await set_aside.put(change.conn, incident, error, change.now)
        return 0
    for message in messages:
        await _write(change, sharing, incident, message)
    await set_aside.take_back(change.conn, incident_id)
    return len(messages)


async def _begin(conn: AsyncConnection) -> None:
    """Also where another worker holds the row: then nothing is written."""
    latest = (await conn.execute(select(func.max(events.c.event_id)))).scalar_one() or 0
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    first = dialect.insert(cap_progress).values(progress_id=_ONLY, event_id=latest)
    await conn.execute(first.on_conflict_do_nothing())


async def _touched_since(conn: AsyncConnection, after: int) -> tuple[dict[str, None], int]:
    """Ids of incidents that changed, in order, and the last event that was read."""
    query = select(events.c.event_id, events.c.kind, events.c.body).where(events.c.event_id > after)
    found = (await conn.execute(query.order_by(events.c.event_id).limit(READ_LIMIT))).all()
    touched = {row.body[_INCIDENT]["incident_id"]: None for row in found if row.kind == _INCIDENT}
    return touched, found[-1].event_id if found else after


async def _to_renew(conn: AsyncConnection, now: datetime) -> list[str]:
    """But for those that are set aside: they have a time of their own."""
    due = select(cap_told.c.incident_id).where(cap_told.c.renew_at <= now, ~set_aside.is_one(cap_told.c.incident_id))
    due = due.order_by(cap_told.c.renew_at)
    return list((await conn.execute(due.limit(RENEW_LIMIT))).scalars())


async def _incidents(conn: AsyncConnection, incident_ids: Iterable[str]) -> list[Row]:
    found = await conn.execute(select(incidents).where(among(conn, incidents.c.incident_id, list(incident_ids))))
    return sorted((dict(row) for row in found.mappings()), key=lambda row: (row["opened_at"], row["incident_id"]))


async def _told(conn: AsyncConnection, incident_id: str) -> Row | None:
    found = await conn.execute(select(cap_told).where(cap_told.c.incident_id == incident_id))
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A message that can be written: its document is made. `area_path`, `gone_to`: as in `cap_messages`."""

    message: Message
    document: str
    why: Row
    area_path: str
    gone_to: str | None = None


async def _messages(
    change: Change, sharing: Sharing, incident: Row, told: Row | None, origin: str | None
) -> list[_Draft]:
    """What is to be told of an incident now, oldest first; nothing is written. Raises whatever a document does."""
    now = Facts.of(incident)
    before = None if told is None else _facts(told["facts"])
    is_running_out = told is not None and told["renew_at"] is not None and told["renew_at"] <= change.now
    step = decide(now, before, sharing, place_key=incident["place_key"], is_running_out=is_running_out)
    if step is None:
        return []
    if step.message_type is MessageType.CANCEL and before is not None:
        # What is taken back is what was told, also when other things changed with it.
        now = replace(before, phase=now.phase, close_reason=now.close_reason)
    drafts = []
    count = 0 if told is None else told["messages"]
    references = [] if told is None or step.message_type is MessageType.ALERT else told["chain"]
    left = None if told is None or before is None else await _left(change.conn, incident, told, before)
    if left is not None and before is not None:
        count += 1
        gone = replace(before, phase=Phase.WITHDRAWN, close_reason=LEFT_AREA)
        message = _message(change, sharing, incident, gone, MessageType.CANCEL, count, references, origin=None)
        drafts.append(_Draft(message, document_of(message, sharing), LEFT, left, incident["area_path"]))
    message = _message(change, sharing, incident, now, step.message_type, count + 1, references, origin=origin)
    return [*drafts, _Draft(message, document_of(message, sharing), step.why, incident["area_path"])]


async def _left(conn: AsyncConnection, incident: Row, told: Row, before: Facts) -> str | None:
    """Path of the area that the incident has left: whoever sees that one and not the new one must be told that it is
    over there. None: it is where it was, or what was told last is over already."""
    if before.phase in OVER or before.area_code == incident["area_code"]:
        return None
    last = cap_messages.c.identifier == f"{incident['incident_id']}-{told['messages']}"
    path = (await conn.execute(select(cap_messages.c.area_path).where(last))).scalar_one_or_none()
    return None if path is None or within(incident["area_path"], path) else str(path)


def _facts(kept: Row) -> Facts:
    return Facts(**{**kept, "phase": Phase(kept["phase"])})


def _message(
    change: Change,
    sharing: Sharing,
    incident: Row,
    facts: Facts,
    message_type: MessageType,
    count: int,
    references: Sequence[str],
    *,
    origin: str | None,
) -> Message:
    sent_at = change.now.replace(microsecond=0)
    return Message(
        identifier=f"{incident['incident_id']}-{count}",
        number=incident["number"],
        message_type=message_type,
        facts=facts,
        sent_at=sent_at,
        began_at=incident["began_at"],
        expires_at=sent_at + timedelta(seconds=sharing.valid_s),
        areas=_areas(change, facts.area_code),
        references=references,
        web=None if origin is None else f"{origin.rstrip('/')}/incidents/{incident['incident_id']}",
    )


async def _write(change: Change, sharing: Sharing, incident: Row, draft: _Draft) -> None:
    """Write the message and what is known of it."""
    message, facts, incident_id = draft.message, draft.message.facts, incident["incident_id"]
    row = {
        "identifier": message.identifier,
        "incident_id": incident_id,
        "area_path": draft.area_path,
        "gone_to": draft.gone_to,
        "area_code": facts.area_code,
        "number": message.number,
        "hazard": facts.hazard,
        "severity": facts.severity,
        "status": status_of(facts, sharing),
        "message_type": message.message_type.value,
        "scope": sharing.scope.capitalize(),
        "sent_at": message.sent_at,
        "expires_at": message.expires_at,
        "refers_to": list(message.references),
        "why": draft.why,
        "sha256": hashlib.sha256(draft.document.encode()).hexdigest(),
        "document": draft.document,
    }
    await change.conn.execute(insert(cap_messages), row)
    if draft.gone_to is None:  # a farewell is for some of the receivers: the others are told by what follows it
        await _note_told(change, sharing, incident_id, message)
    detail = {"incident_id": incident_id, "type": row["message_type"], "status": row["status"], "why": draft.why}
    await chain.record(
        change.conn,
        actor="system",
        action="cap.told",
        object_kind="cap_message",
        object_id=message.identifier,
        detail=detail,
        at=change.now,
    )


async def _note_told(change: Change, sharing: Sharing, incident_id: str, message: Message) -> None:
    renew_at = change.now + timedelta(seconds=sharing.valid_s * (1 - RENEW_SHARE))
    values = {
        "messages": int(message.identifier.rpartition("-")[2]),
        "chain": [*message.references, f"{sharing.sender},{message.identifier},{at_text(message.sent_at)}"],
        "facts": asdict(message.facts),
        "renew_at": None if message.facts.phase in OVER else renew_at,
    }
    mine = cap_told.c.incident_id == incident_id
    if not (await change.conn.execute(update(cap_told).where(mine).values(**values))).rowcount:
        await change.conn.execute(insert(cap_told), {"incident_id": incident_id, **values})


def _areas(change: Change, area_code: str) -> tuple[Area, ...]:
    """From the root to the area; of one that has gone since: what is above it."""
    tree, code = change.tree, area_code
    while code and code not in tree:
        code = code[:-1]
    return tree.chain(code) if code else tree.roots()[:1]

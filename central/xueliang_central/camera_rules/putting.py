"""A version of a camera's rules that was not typed there: it follows an area, or came with a copy. In the caller's
transaction, which holds the camera's row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.camera_rules import service
from xueliang_central.camera_rules.deciding import VersionState
from xueliang_central.camera_rules.tables import rule_versions
from xueliang_central.camera_rules.views import tell
from xueliang_configs.cameras import CameraRules

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """What is put.

    Attributes:
        origin: what made it, a row with by_id, by_name and the decision of a second person.
        named: columns of the version that name what made it; `detail`: the same for the audit record.
        is_agreed: it comes into force at once; else it waits for a second person at the camera.
    """

    part: CameraRules
    inherited: Mapping[str, Mapping[str, str]] | None
    severities: tuple[str, ...]
    why: str
    origin: Mapping[str, Any]
    named: Mapping[str, Any]
    action: str
    detail: Mapping[str, Any]
    is_agreed: bool
    restores: int | None = None


async def put(
    conn: AsyncConnection, camera_id: str, made: Made, desired: Row | None, report: Row | None, at: datetime
) -> int:
    """The new version, in force at once where it is agreed; what ran before is kept as one of its own."""
    version = await service.next_version(conn, camera_id, desired, report, at)
    by = {name: made.origin[name] for name in ("by_id", "by_name")}
    agreed = {name: made.origin[name] for name in ("decided_at", "decided_by_id", "decided_by_name", "decide_note")}
    values = {
        "camera_id": camera_id,
        "version": version,
        "state": VersionState.PROPOSED.value,
        "origin": "centre",
        "settings": made.part.as_written,
        "digest": made.part.digest,
        "inherited": made.inherited,
        "why": made.why,
        "made_at": at,
        "severities": list(made.severities),
        "restores": made.restores,
        "unsent": False,
        **by,
        **made.named,
        **(agreed if made.severities and made.is_agreed else {}),
    }
    await conn.execute(insert(rule_versions), values)
    if made.is_agreed:
        await service.put_in_charge(conn, camera_id, version)
    detail = {
        "version": version,
        "digest": made.part.digest,
        "why": made.why,
        "severity_changes": list(made.severities),
        **made.detail,
    }
    named = {"action": made.action, "object_kind": "camera", "object_id": camera_id}
    await chain.record(conn, actor=made.origin["by_name"], **named, detail=detail, at=at)
    await tell(conn, camera_id, at)
    return version

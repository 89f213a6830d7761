"""Revisions to alert, alerts to incident (pure). What comes out does not depend on the order in which they arrived.

Invariants
    - `merge`: the highest revision gives the fields; the evidence is the union over all revisions.
    - `summarise`: a function of the set of member alerts.
    - *Gone* means: of every camera and rule that took part, the latest episode ended `seen_clear`, and none is present.
      Any other end (rule changed, node stopped, view lost) says nothing about the place; only a later episode of the
      same camera and rule that is seen to clear can make up for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from xueliang_alerts.contract import Alert, EndReason, Phase

_PICTURE_ORDER: Final = {"confirm": 2, "onset": 1, "end": 0}  # which still shows the hazard best


@dataclass(frozen=True, slots=True)
class Revision:
    """One alert revision as it arrived."""

    node_id: str
    spool_id: str
    sequence: int
    emitted_at: datetime
    received_at: datetime
    alert: Alert


def evidence_of(revisions: Iterable[Alert], known: Iterable[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """Every still that any revision has named, with boxes and zone of the first revision that named it."""
    found: dict[str, dict[str, Any]] = {item["sha256"]: item for item in known}
    for alert in revisions:
        for ref in alert.evidence:
            before = found.get(ref.sha256)
            if before is None or alert.revision < before["revision"]:
                found[ref.sha256] = {
                    "sha256": ref.sha256,
                    "kind": ref.kind.value,
                    "bytes": ref.bytes,
                    "revision": alert.revision,
                    "boxes_xyxyn": [list(box) for box in alert.boxes_xyxyn],
                    "zone_xyn": [list(corner) for corner in alert.zone_xyn] if alert.zone_xyn else None,
                    "frame_size_wh": list(alert.frame_size_wh) if alert.frame_size_wh else None,
                }
    return sorted(found.values(), key=lambda item: (item["revision"], item["sha256"]))


def fields_of(revision: Revision) -> dict[str, Any]:
    """The columns of `alerts` that the highest revision decides."""
    alert = revision.alert
    return {
        "alert_id": str(alert.alert_id),
        "node_id": revision.node_id,
        "spool_id": revision.spool_id,
        "sequence": revision.sequence,
        "revision": alert.revision,
        "phase": alert.phase.value,
        "end_reason": alert.end_reason.value if alert.end_reason else None,
        "camera_id": alert.camera_id,
        "hazard": alert.hazard.value,
        "rule_id": alert.rule_id,
        "rule_version": alert.rule_version,
        "model_digest": alert.model_digest,
        "severity": int(alert.severity),
        "confidence": alert.confidence,
        "began_at": alert.began_at,
        "raised_at": alert.raised_at,
        "observed_at": alert.observed_at,
        "ended_at": alert.ended_at,
        "emitted_at": revision.emitted_at,
        "received_at": revision.received_at,
        "clock_state": alert.clock_state.value,
        "boxes_xyxyn": [list(box) for box in alert.boxes_xyxyn],
        "frame_size_wh": list(alert.frame_size_wh) if alert.frame_size_wh else None,
        "measures": {name: {"value": item.value, "unit": item.unit} for name, item in alert.measures.items()},
        "reason": {"code": alert.reason.code, "text": alert.reason.text, "about": dict(alert.reason.about)},
        "drill": alert.drill,
        "longitude": alert.position.longitude if alert.position else None,
        "latitude": alert.position.latitude if alert.position else None,
    }


def merge(before: dict[str, Any] | None, revisions: Sequence[Revision]) -> dict[str, Any]:
    """The row of an alert after `revisions` of it have arrived, in any order, beside what is known already."""
    newest = max(revisions, key=lambda item: item.alert.revision)
    evidence = evidence_of((item.alert for item in revisions), before["evidence"] if before else ())
    if before is not None and before["revision"] >= newest.alert.revision:
        return {**before, "evidence": evidence}
    first = before["first_received_at"] if before else min(item.received_at for item in revisions)
    return {**(before or {}), **fields_of(newest), "evidence": evidence, "first_received_at": first}


def is_seen_clear(member: dict[str, Any]) -> bool:
    return bool(member["phase"] == Phase.CLEARED and member["end_reason"] == EndReason.SEEN_CLEAR)


@dataclass(frozen=True, slots=True)
class Summary:
    """What an incident is, seen from its members. Field names are those of the columns of `incidents`."""

    severity: int
    began_at: datetime
    last_observed_at: datetime
    alert_count: int
    camera_count: int
    still_present: bool
    gone: bool
    reason: dict[str, Any]
    measures: dict[str, Any]
    picture: dict[str, Any] | None


def summarise(members: Sequence[dict[str, Any]]) -> Summary:
    """At least one member; times are the trusted ones (`trusted_began_at`, `trusted_observed_at` in each member)."""
    present = [member for member in members if member["phase"] != Phase.CLEARED]
    face = max(
        present or members, key=lambda member: (member["trusted_observed_at"], member["revision"], member["alert_id"])
    )
    return Summary(
        severity=min(member["severity"] for member in members),
        began_at=min(member["trusted_began_at"] for member in members),
        last_observed_at=max(member["trusted_observed_at"] for member in members),
        alert_count=len(members),
        camera_count=len({member["camera_id"] for member in members}),
        still_present=bool(present),
        gone=not present and _all_seen_clear(members),
        reason=face["reason"],
        measures=face["measures"],
        picture=_picture(members),
    )


def _all_seen_clear(members: Sequence[dict[str, Any]]) -> bool:
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for member in sorted(members, key=lambda item: (item["trusted_began_at"], item["alert_id"])):
        latest[member["camera_id"], member["rule_id"]] = member
    return all(is_seen_clear(member) for member in latest.values())


def _picture(members: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    stills = [
        (_PICTURE_ORDER.get(item["kind"], 0), member["trusted_observed_at"], item["revision"], item["sha256"], item)
        for member in members
        for item in member["evidence"]
    ]
    if not stills:
        return None
    item = max(stills, key=lambda still: still[:4])[4]
    picture = {key: item[key] for key in ("sha256", "boxes_xyxyn", "frame_size_wh")}
    return picture | {"zone_xyn": item.get("zone_xyn")}  # named by a release before there were zones: none

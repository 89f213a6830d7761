"""Cameras that went offline with their node, and not by themselves: one incident of the node (pure).

When a switch, a line or a power supply fails, every camera behind it goes offline within seconds. That is one question
and one errand, so those faults belong to a collective incident `~node:ID` of the county (see `shedding` for its kin),
whether the county sheds or not. What stands above several nodes is not in the register, so each node is told by itself.

Invariants
    - Only the fault *camera_offline* is inhibited. A covered, turned or frozen camera says something of its own.
    - Several cameras that failed within `AT_ONCE` of each other, or a node that is known to be away, are the node's
      failure, in whichever order that becomes known: incidents that cameras opened seconds before give up what nobody
      has judged yet. What happened at the same time counts, not what was told at the same time.
    - A camera that is still offline `BACK` after its node gets an incident of its own; nothing else lets it go, but a
      severity of 1. The node's incident takes its cameras in whatever its state: who repairs the node repairs them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from xueliang_central.incidents.folding import Arrival, Decision, Fold, FoldingRule
from xueliang_central.incidents.shedding import (
    MOST_SEVERE,
    NODE,
    Collective,
    Held,
    Holding,
    after_full,
    because,
    follower_key,
)

NODE_HAZARD: Final = "camera_fault"
OFFLINE: Final = "camera_offline"  # the reason code of a fault that says: no picture comes
AT_ONCE: Final = timedelta(
    seconds=60
)  # offline_after_s has one value for all cameras of a site; readers differ by 40 s
# 64 cameras that come back together were seen again within 142 s (docs/roadmap.md, F01); with a margin.
BACK: Final = timedelta(seconds=180)
LONGEST_KEY: Final = 60  # `incidents.place_key` holds 64: room for "~999" of one that follows


@dataclass(frozen=True, slots=True)
class Presence:
    """What is known of a node itself. `since`: of its present state; None: nothing was heard yet."""

    node_id: str
    is_away: bool = False
    since: datetime | None = None


def is_offline(row: Mapping[str, Any]) -> bool:
    """True for an alert (a row of `alerts`) of a camera that sends no picture."""
    return bool(row["hazard"] == NODE_HAZARD and row["reason"]["code"] == OFFLINE)


def may_be_of_node(arrival: Arrival, severity: int, rule: FoldingRule) -> bool:
    """False for what always stands for itself."""
    return (
        arrival.is_offline
        and not arrival.is_gone
        and not arrival.drill
        and severity > MOST_SEVERE
        and rule.node_cameras > 0
    )


def node_key(node_id: str) -> str:
    """The place of a node's incident; an id that does not fit is cut and told apart by its hash."""
    key = f"{NODE}{node_id}"
    if len(key) <= LONGEST_KEY:
        return key
    return f"{key[: LONGEST_KEY - 9]}.{hashlib.sha256(node_id.encode()).hexdigest()[:8]}"


def of_node(
    arrival: Arrival,
    node: Presence,
    collectives: Iterable[Collective],
    faults: Iterable[Held],
    now: datetime,
    rule: FoldingRule,
) -> Holding | None:
    """The node's incident for a camera that is offline, see `may_be_of_node`; None: the camera stands for itself.

    Args:
        collectives: of the county and hazard.
        faults: what these hold, what open incidents of single cameras do, and what came with it; of any node.
    """
    place_key = node_key(node.node_id)
    mine = [one for one in collectives if one.place_key == place_key or one.place_key.startswith(f"{place_key}~")]
    into = next((one for one in mine if one.takes_in(now)), None)
    known = {one.incident_id for one in mine}
    of_it = [one for one in faults if one.node_id == node.node_id]
    along = [
        one
        for one in of_it
        if one.is_offline
        and one.is_present
        and one.camera_id != arrival.camera_id
        and abs(one.began_at - arrival.began_at) <= AT_ONCE
    ]
    cameras = len({one.camera_id for one in along} | {arrival.camera_id})
    about: dict[str, object] = {"camera_id": arrival.camera_id, "node_id": node.node_id, "cameras": cameras}
    if is_down([one for one in of_it if one.incident_id in known], now, rule):
        code, text = "node_down", f"a camera of {node.node_id}, whose cameras failed together"
    elif node.is_away:
        code, text = "node_away", f"{node.node_id} is away itself: no camera of it can be seen"
    elif cameras >= rule.node_cameras:
        text = f"{cameras} cameras of {node.node_id} failed within {AT_ONCE.seconds} s: the node, not the cameras"
        code = "node_down"
    else:
        return None
    takes_along = tuple(sorted(one.alert_id for one in along if one.may_leave and one.incident_id not in known))
    if into is not None:
        why = because(code, f"{text}: incident {into.number}", {**about, "number": into.number})
        return Holding(Decision(Fold.JOIN, into.incident_id, why), None, takes_along)
    more, follows = after_full(mine)
    why = because(code, text + more, {**about, **follows})
    return Holding(Decision(Fold.OPEN, None, why), follower_key(place_key, mine), takes_along)


def is_down(of_node: Iterable[Held], now: datetime, rule: FoldingRule) -> bool:
    """Enough of what a node's incidents hold is offline, or came back within the rule's window: it may flap."""
    window = timedelta(seconds=rule.window_s)
    away = {one.camera_id for one in of_node if one.is_present or now - one.last_seen_at <= window}
    return len(away) >= rule.node_cameras


def released(
    one: Held, held: Iterable[Held], nodes: Mapping[str, Presence], now: datetime, rule: FoldingRule
) -> dict[str, object] | None:
    """Why a camera leaves its node's incident for one of its own now; None: it stays.

    Args:
        held: at least what the incidents of the node hold; it may have one that is full and one that follows.
        nodes: the presence of its node; one that was never heard of is not away.
    """
    if not one.is_present or not one.may_leave:
        return None
    if one.severity <= MOST_SEVERE:
        return because("severity", "its severity has risen to 1, which is never held", {"severity": one.severity})
    node = nodes.get(one.node_id, Presence(one.node_id))
    has_just_come = node.since is not None and now - node.since < BACK
    if node.is_away or has_just_come or now - one.raised_at < BACK:
        return None
    away = {
        other.camera_id
        for other in held
        if other.node_id == one.node_id
        and other.place_key.startswith(NODE)
        and (other.is_present or now - other.last_seen_at < BACK)
    }
    if len(away) >= rule.node_cameras > 0:
        return None
    text = f"still offline {BACK.seconds} s after {one.node_id} and its other cameras were back"
    return because("still_offline", text, {"camera_id": one.camera_id, "node_id": one.node_id, "s": BACK.seconds})

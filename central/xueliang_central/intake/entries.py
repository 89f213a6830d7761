"""What is reported as an alert-like entry: a row of `alerts` that belongs nowhere yet (pure).

A sighting of a person is one episode of its own, raised and never cleared by itself: whether it is gone is checked by
hand. A sensor's is raised, updated and cleared by the sensor; what the sensor sees clear is seen clear.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from xueliang_alerts.contract import ALERT_NAMESPACE, EndReason, Phase
from xueliang_alerts.stations import Signal
from xueliang_central.incidents.reported import BY_RESIDENT, BY_WORKER, MARK

Row = dict[str, Any]

NO_SPOOL: Final = str(uuid.UUID(int=0))
PLACE_NAMES: Final = {"worker": "网格员上报", "resident": "居民上报"}
_AS_TOLD: Final = 1.0  # confidence: nothing was estimated here; how sure the sender is, it does not say


@dataclass(frozen=True, slots=True)
class PersonsSighting:
    """What a worker saw, or a desk was told. WGS84 degrees."""

    channel: str  # worker | resident
    hazard: str
    severity: int
    text: str
    seen_at: datetime
    longitude: float
    latitude: float
    drill: bool
    doubt: str = ""  # what the place's name says of how well it is known


def episode_of(source_id: str, signal: Signal) -> str:
    """The same however often it is told. A drill is another one: what is real is never folded into a drill."""
    drill = "/drill" if signal.drill else ""
    began = signal.began_at.isoformat(timespec="microseconds")
    name = f"intake/{source_id}/{signal.point or ''}/{signal.hazard.value}/{began}{drill}"
    return str(uuid.uuid5(ALERT_NAMESPACE, name))


def row_of_signal(
    source_id: str, source_name: str, signal: Signal, place: tuple[float, float], received_at: datetime
) -> Row:
    """Place: longitude, latitude."""
    is_over = signal.phase is Phase.CLEARED
    point = f":{signal.point}" if signal.point else ""
    reason = {
        "code": "sensor_signal",
        "text": f"{source_name}: {signal.text}",
        "about": {"source": source_id, "point": signal.point or "", "place": source_name},
    }
    return _row(
        alert_id=episode_of(source_id, signal),
        node_id=f"{MARK}{source_id}",
        camera_id=f"{MARK}{source_id}{point}",
        rule_id="sensor",
        revision=signal.revision,
        phase=signal.phase.value,
        end_reason=EndReason.SEEN_CLEAR.value if is_over else None,
        hazard=signal.hazard.value,
        severity=int(signal.severity),
        began_at=signal.began_at,
        observed_at=signal.observed_at,
        ended_at=signal.observed_at if is_over else None,
        measures={name: {"value": item.value, "unit": item.unit} for name, item in signal.measures.items()},
        reason=reason,
        drill=signal.drill,
        place=place,
        received_at=received_at,
    )


def row_of_sighting(sighting_id: str, sighting: PersonsSighting, received_at: datetime) -> Row:
    name = PLACE_NAMES[sighting.channel] + sighting.doubt
    reason = {"code": f"{sighting.channel}_sighting", "text": sighting.text, "about": {"place": name}}
    return _row(
        alert_id=sighting_id,
        node_id=BY_WORKER if sighting.channel == "worker" else BY_RESIDENT,
        camera_id=f"{MARK}{sighting_id}",
        rule_id=sighting.channel,
        revision=1,
        phase=Phase.RAISED.value,
        end_reason=None,
        hazard=sighting.hazard,
        severity=sighting.severity,
        began_at=sighting.seen_at,
        observed_at=sighting.seen_at,
        ended_at=None,
        measures={},
        reason=reason,
        drill=sighting.drill,
        place=(sighting.longitude, sighting.latitude),
        received_at=received_at,
    )


def _row(*, place: tuple[float, float], received_at: datetime, **said: Any) -> Row:
    """With what no sender of these has: spool, model, boxes, stills."""
    return {
        **said,
        "spool_id": NO_SPOOL,
        "sequence": 0,
        "rule_version": 1,
        "model_digest": None,
        "confidence": _AS_TOLD,
        "raised_at": said["began_at"],
        "emitted_at": said["observed_at"],
        "first_received_at": received_at,
        "received_at": received_at,
        "clock_state": "unknown",
        "boxes_xyxyn": [],
        "frame_size_wh": None,
        "evidence": [],
        "longitude": place[0],
        "latitude": place[1],
    }


def merged(before: Row | None, now: Row) -> Row:
    """The row after this revision: the highest wins whatever the order of arrival."""
    if before is None:
        return now
    if before["revision"] >= now["revision"]:
        return before
    return {**before, **now, "first_received_at": before["first_received_at"]}

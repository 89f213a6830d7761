"""What is told of an incident, and when (pure).

    nothing ──fit, confirmed──▶ Alert ──severity, place, phase──▶ Update ──ended──▶ Update (all clear, past)
                                  └────────── false, permitted, duplicate, merged ──────────▶ Cancel

Invariants
    - What was never told is never taken back; what was told is followed to its end, whatever the policy says later.
    - A drill is told as Exercise and by nothing else.
    - After a Cancel the next message is an Alert again and refers to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from xueliang_central.incidents.shedding import is_collective
from xueliang_central.incidents.states import CloseReason, State
from xueliang_configs.sharing import Sharing


class Phase(StrEnum):
    """How far an incident is, as far as a receiver has to know."""

    SEEN = "seen"  # nobody has judged it
    CONFIRMED = "confirmed"  # somebody is sent, or is there
    HANDLED = "handled"  # done, and not seen to be gone yet
    ENDED = "ended"
    WITHDRAWN = "withdrawn"  # it was none, or another message speaks for it


class MessageType(StrEnum):
    ALERT = "Alert"
    UPDATE = "Update"
    CANCEL = "Cancel"


_WITHDRAWS: Final = frozenset(
    {CloseReason.FALSE_ALARM, CloseReason.PERMITTED, CloseReason.DUPLICATE, CloseReason.MERGED}
)
OVER: Final = frozenset({Phase.ENDED, Phase.WITHDRAWN})
_OF_STATE: Final = {
    State.OPEN: Phase.SEEN,
    State.UNIT_TOLD: Phase.CONFIRMED,
    State.UNIT_CLEARING: Phase.CONFIRMED,
    State.DISPATCHED: Phase.CONFIRMED,
    State.TAKEN: Phase.CONFIRMED,
    State.ARRIVED: Phase.CONFIRMED,
    State.HANDLED: Phase.HANDLED,
    State.TO_CHECK: Phase.HANDLED,
    State.LONG_LIVED: Phase.CONFIRMED,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What of an incident matters to a receiver. WGS84 degrees; None: nobody knows where the camera is."""

    hazard: str
    severity: int
    phase: Phase
    drill: bool
    area_code: str
    longitude: float | None
    latitude: float | None
    close_reason: str | None = None

    @classmethod
    def of(cls, incident: dict[str, Any]) -> Facts:
        """A row of `incidents`."""
        state, closed_as = State(incident["state"]), incident["close_reason"]
        if state is not State.CLOSED:
            phase = _OF_STATE[state]
        else:
            phase = Phase.WITHDRAWN if closed_as in _WITHDRAWS else Phase.ENDED
        plain = {name: incident[name] for name in ("hazard", "severity", "drill", "area_code")}
        return cls(
            **plain,
            phase=phase,
            longitude=incident["longitude"],
            latitude=incident["latitude"],
            close_reason=closed_as,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """A message to send. `why`: {code, text, about} as everywhere."""

    message_type: MessageType
    why: dict[str, Any]


def is_fit(facts: Facts, sharing: Sharing, *, place_key: str) -> bool:
    """May it be told at all? A collective incident holds what nothing has confirmed: never."""
    return (
        facts.hazard in sharing.hazards
        and facts.severity <= sharing.least_severity
        and (sharing.drills or not facts.drill)
        and (sharing.before_judged or facts.phase is not Phase.SEEN)
        and not is_collective(place_key)
    )


def decide(now: Facts, told: Facts | None, sharing: Sharing, *, place_key: str, is_running_out: bool) -> Step | None:
    """What to tell now; None: nothing.

    Args:
        told: what was told last; None: nothing yet.
        is_running_out: what was told last expires soon.
    """
    if told is None or told.phase is Phase.WITHDRAWN:
        if now.phase in OVER or not is_fit(now, sharing, place_key=place_key):
            return None
        return _step(
            MessageType.ALERT, "first_told", f"severity {now.severity}, {now.phase.value}", phase=now.phase.value
        )
    if now.phase is Phase.WITHDRAWN:
        closed_as = now.close_reason or ""
        return _step(MessageType.CANCEL, "withdrawn", f"closed as {closed_as}", close_reason=closed_as)
    changed = _changes(now, told)
    if changed:
        return _step(MessageType.UPDATE, "changed", f"{', '.join(changed)} changed", changed=",".join(changed))
    if is_running_out and now.phase not in OVER:
        return _step(MessageType.UPDATE, "still_there", "goes on, and the message before expires soon")
    return None


def _changes(now: Facts, told: Facts) -> list[str]:
    place = (now.area_code, now.longitude, now.latitude) != (told.area_code, told.longitude, told.latitude)
    changed = {"severity": now.severity != told.severity, "place": place, "phase": now.phase is not told.phase}
    return [name for name, is_changed in changed.items() if is_changed]


def _step(message_type: MessageType, code: str, text: str, **about: str) -> Step:
    return Step(message_type, {"code": code, "text": text, "about": about})

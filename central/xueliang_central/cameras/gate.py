"""May what a camera shows be analysed? Decided from its row in the register (pure). docs/disclosure.md

A camera is released when its purpose, its legal basis, the day of its sign and its approved view are stated and a
person has signed for exactly these words. Words that change afterwards, a new view among them, are signed for anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from xueliang_configs.schedules import DEFAULT_TIME_ZONE, zone_of

NEEDED: Final = ("purpose", "legal_basis", "signed_on", "approved_view", "view_approved_on")
SIGNED: Final = (*NEEDED, "review_by")  # the last is not needed, and no file prolongs a release
WHERE: Final = "state and sign them on the console (More, Release of cameras), or: xueliang-centre camera-gate sign"


class Gate(StrEnum):
    """What the centre does about a camera that is not released."""

    ENFORCE = "enforce"  # no rules are sent for it, and its alerts are held
    TELL = "tell"  # it is told of, and nothing is stopped


class ReleaseState(StrEnum):
    RELEASED = "released"
    UNREGISTERED = "unregistered"  # it is not in the register
    INCOMPLETE = "incomplete"  # something is not stated
    UNSIGNED = "unsigned"  # all is stated, and nobody has signed
    CHANGED = "changed"  # something was changed after it was signed
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"  # the day until which it had to be looked at again is over


@dataclass(frozen=True, slots=True)
class Standing:
    """How a camera stands at the gate. `missing`: names of the entries that are not stated."""

    state: ReleaseState
    missing: tuple[str, ...] = ()

    @property
    def is_released(self) -> bool:
        return self.state is ReleaseState.RELEASED


def standing_of(row: Mapping[str, Any] | None, today: date) -> Standing:
    """`row`: of `cameras`; None: there is none."""
    if row is None:
        return Standing(ReleaseState.UNREGISTERED)
    missing = tuple(name for name in NEEDED if row[name] is None)
    if row["withdrawn_at"] is not None:
        return Standing(ReleaseState.WITHDRAWN, missing)
    if missing:
        return Standing(ReleaseState.INCOMPLETE, missing)
    if row["released_digest"] is None:
        return Standing(ReleaseState.UNSIGNED)
    if row["released_at"] is None or row["released_digest"] != digest_of(row):
        return Standing(ReleaseState.CHANGED)
    if row["review_by"] is not None and row["review_by"] < today:
        return Standing(ReleaseState.EXPIRED)
    return Standing(ReleaseState.RELEASED)


def digest_of(row: Mapping[str, Any]) -> str:
    """Of what is signed for: any other word is another digest."""
    text = json.dumps([str(row[name]) for name in SIGNED], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def day_of(at: datetime) -> date:
    """The day where the cameras stand."""
    return at.astimezone(zone_of(DEFAULT_TIME_ZONE)).date()


def why_not(camera_id: str, standing: Standing) -> str:
    """What keeps the camera from being released, and where that is mended."""
    missing = ", ".join(standing.missing)
    said = {
        ReleaseState.UNREGISTERED: "it is not in the register (xueliang-centre import-cameras)",
        ReleaseState.INCOMPLETE: f"{missing}: not stated",
        ReleaseState.UNSIGNED: "nobody has signed for its entries",
        ReleaseState.CHANGED: "its entries were changed after they were signed for",
        ReleaseState.WITHDRAWN: "its release was withdrawn" + (f"; {missing}: not stated" if missing else ""),
        ReleaseState.EXPIRED: "the day until which it had to be looked at again (review_by) is over",
        ReleaseState.RELEASED: "nothing",
    }[standing.state]
    return f"camera {camera_id} is not released: {said}; {WHERE}"

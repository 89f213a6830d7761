"""What the pages about cameras say, as plain values (pure).

Invariants
    - Nothing here can name a stream, its address or a password: the centre's register does not hold them.
    - `version` is a digest of all that is said but the day: the same configuration has the same version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

from xueliang_central.cameras.gate import NEEDED
from xueliang_central.rights.policy import ROLES_OF, Permission
from xueliang_configs.cameras import CameraRules
from xueliang_configs.centre import DisclosureConfig
from xueliang_configs.errors import ConfigError
from xueliang_configs.loading import rules_from
from xueliang_configs.retention import RetentionConfig
from xueliang_configs.rules import Rule, at_place
from xueliang_configs.schedules import TimeBand, clock_text
from xueliang_configs.values import PlaceClass

Said = Literal["running", "wanted", "unsaid"]

SHOWN_RIGHTS: Final = (
    Permission.SEE_PICTURES,
    Permission.LOOK_NOW,
    Permission.SEE_INCIDENTS,
    Permission.SEE_CAMERAS,
    Permission.SEE_RULES,
    Permission.CHANGE_RULES,
    Permission.EXPORT_LEDGER,
    Permission.HOLD_INCIDENTS,
)
_VERSION_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class AreaName:
    """An area with those above it, root first, as people call it."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class RuleFact:
    """One rule that runs. `hours` empty: always. `severity` None: this release does not understand the rule."""

    rule_id: str
    hazard: str
    severity: int | None = None
    hours: tuple[str, ...] = ()
    drill: bool = False
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class CameraFact:
    """All that the pages say of one camera.

    Attributes:
        rules_said: "running": its node says so; "wanted": the centre wants them, its node has not said that it runs
            them; "unsaid": nobody has said which rules it has.
        models: digests of the models that judged its pictures, by the alerts of the last days; sorted.
        seen_by: accounts in force whose own area holds this camera, by role.
    """

    camera_id: str
    name: str
    area: AreaName | None
    place_class: str
    purpose: str | None
    legal_basis: str | None
    signed_on: date | None
    approved_view: str | None
    view_approved_on: date | None
    review_by: date | None
    rules: tuple[RuleFact, ...]
    rules_said: Said
    models: tuple[str, ...]
    node_id: str | None
    node_area: AreaName | None
    seen_by: Mapping[str, int]
    changed_at: datetime

    @property
    def missing(self) -> tuple[str, ...]:
        """What must be stated of a camera that is analysed and is not."""
        return tuple(name for name in NEEDED if getattr(self, name) is None)

    @property
    def hazards(self) -> tuple[str, ...]:
        return tuple(sorted({rule.hazard for rule in self.rules}))

    def is_overdue(self, today: date) -> bool:
        """The day until which it had to be looked at again is over."""
        return self.review_by is not None and self.review_by < today


@dataclass(frozen=True, slots=True)
class Assessment:
    """The configuration as it is told of an area. `made_at`: when it was read. `live_minutes`: so long people with the
    right may watch a camera live at a time, unmasked, where its node allows it; None: live view is off."""

    area: AreaName
    centre: AreaName
    cameras: tuple[CameraFact, ...]
    retention: RetentionConfig
    disclosure: DisclosureConfig
    rights: Mapping[str, tuple[str, ...]]
    made_at: datetime
    live_minutes: int | None = None

    @property
    def changed_at(self) -> datetime | None:
        """When the newest of what it says of cameras came here; None: there is no camera."""
        return max((camera.changed_at for camera in self.cameras), default=None)

    @property
    def version(self) -> str:
        return _digest(self, [{**asdict(camera), "changed_at": None} for camera in self.cameras])

    def version_of(self, camera: CameraFact) -> str:
        """Of what a notice page says: other cameras do not change it, nor does how many people there are."""
        return _digest(self, {**asdict(camera), "seen_by": None, "node_area": None, "models": None, "changed_at": None})


def _digest(found: Assessment, cameras: Any) -> str:
    said = {
        "area": asdict(found.centre),
        "cameras": cameras,
        "retention": found.retention.model_dump(mode="json"),
        "disclosure": found.disclosure.model_dump(mode="json"),
        "rights": dict(found.rights),
    }
    if found.live_minutes is not None:  # off is as it was before there was live view
        said["live_minutes"] = found.live_minutes
    text = json.dumps(said, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_VERSION_DIGITS]


def rights_in_force() -> dict[str, tuple[str, ...]]:
    """Which roles have which right, of those that show something of the streets."""
    return {right.value: tuple(sorted(role.value for role in ROLES_OF[right])) for right in SHOWN_RIGHTS}


def rules_of(settings: Mapping[str, Any]) -> tuple[RuleFact, ...]:
    """The rules of a camera as its node or the centre has written them, severities as at its place."""
    try:
        read = rules_from(settings)
    except ConfigError:  # written by another release: say what can be said
        return tuple(_plainly(settings.get("rules")))
    return tuple(_fact(at_place(rule, _place_of(read))) for rule in read.rules)


def _place_of(read: CameraRules) -> PlaceClass:
    return read.place_class


def _fact(rule: Rule) -> RuleFact:
    schedule = getattr(rule, "schedule", None)
    hours = () if schedule is None else tuple(_band(band) for band in schedule.bands)
    return RuleFact(rule.rule_id, rule.hazard, int(rule.severity), hours, rule.drill, rule.shadow)


def _band(band: TimeBand) -> str:
    return f"{' '.join(day.value for day in band.days)} {clock_text(band.start)}–{clock_text(band.until)}"


def _plainly(rules: Any) -> Iterable[RuleFact]:
    for rule in rules if isinstance(rules, list) else []:
        if isinstance(rule, dict):
            yield RuleFact(str(rule.get("rule_id", "")), str(rule.get("hazard", "")))


def stills_days(retention: RetentionConfig, hazard: str) -> int | None:
    """How long a still of this hazard is kept after its incident was closed; None: for ever."""
    if retention.evidence_days is None:
        return None
    return {one.value: days for one, days in retention.evidence_by_hazard.items()}.get(hazard, retention.evidence_days)

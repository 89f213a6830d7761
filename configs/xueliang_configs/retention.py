"""How long a centre keeps what it has: `retention` in centre.yaml. Days count from the closing of the incident where
there is one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from xueliang_alerts.contract import Hazard
from xueliang_configs.values import Settings

LONGEST_DAYS = 36_500

Days = Annotated[int, Field(ge=1, le=LONGEST_DAYS)]
MonthOrMore = Annotated[int, Field(ge=30, le=LONGEST_DAYS)]  # as long as recorders must keep (State Council Order 799)


class RetentionConfig(Settings):
    """Null: for ever. The audit chain, incidents, their timelines and roll-ups are always kept."""

    evidence_days: MonthOrMore | None = Field(
        default=90, description="Stills of nodes, after the incident was closed. Null: all of them, whatever follows."
    )
    evidence_no_hazard_days: Days = Field(
        default=30, description="Stills of an incident closed as false alarm, permitted or duplicate."
    )
    evidence_by_hazard: dict[Hazard, MonthOrMore] = Field(
        default_factory=dict, description="Stills of these hazards, in place of evidence_days."
    )
    photos_days: MonthOrMore | None = Field(default=180, description="Photos from the place, after it was closed.")
    unnamed_pictures_days: Days | None = Field(
        default=30, description="Pictures that no alert and no task has named, after they came."
    )
    alerts_days: MonthOrMore | None = Field(
        default=365, description="Alerts that have ended, after their incident was closed and their stills have gone."
    )
    records_days: MonthOrMore | None = Field(
        default=180, description="What nodes sent, byte for byte, after it came; longer while its incident is open."
    )
    notices_days: MonthOrMore | None = Field(
        default=180,
        description="Notices and what became of them by each channel, after they were written and their incident was "
        "closed.",
    )
    events_days: Annotated[int, Field(ge=2, le=LONGEST_DAYS)] | None = Field(
        default=30, description="The stream of events: how long a console may be away and read on."
    )

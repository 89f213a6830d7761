"""Which faults of a camera mute which of its own hazards, until the fault is over."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, field_validator

from xueliang_alerts.contract import Hazard
from xueliang_configs.values import Settings, problem

# What burns is told whatever the camera says of itself; a fault does not mute another.
NEVER_MUTED: Final = frozenset({Hazard.FIRE_SMOKE, Hazard.CAMERA_FAULT})
Fault = Literal["frozen", "black", "over_exposed", "defocused", "covered", "moved"]


class Inhibition(Settings):
    """While a camera says that it sees wrongly, what its rules tell is hidden, counted, and shown when that is over.

    Fire and smoke, severity 1 and drills never are, whatever is written here: they are marked.
    """

    faults: tuple[Fault, ...] = Field(
        default=("black", "covered", "frozen", "moved"), description="Faults that mute; an empty list: none does."
    )
    hazards: Annotated[tuple[Hazard, ...], Field(min_length=1)] = Field(
        default=tuple(hazard for hazard in Hazard if hazard not in NEVER_MUTED),
        description="What they mute, at the same camera.",
    )

    @field_validator("hazards")
    @classmethod
    def _may_be_muted(cls, hazards: tuple[Hazard, ...]) -> tuple[Hazard, ...]:
        wrong = next((hazard for hazard in hazards if hazard in NEVER_MUTED), None)
        if wrong is not None:
            raise problem(
                "never_muted", "expected hazards that a fault may mute", wrong.value, "take it out: it is always told"
            )
        return hazards

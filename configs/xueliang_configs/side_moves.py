"""How long what is asked on the way may take: requests that wait for a second person, suspensions, later limits,
supervisions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from xueliang_configs.values import Settings, problem

_DAY_S = 86_400.0


class SideMoves(Settings):
    """Limits of what two people agree on, and of what a centre above watches.

    They are those of the moment at which somebody asks: what has been asked or agreed keeps its dates.
    """

    decide_s: Annotated[float, Field(ge=60, le=_DAY_S)] = Field(
        default=1_800.0,
        description="A request of a worker that nobody has decided for so long lapses, and the worker is told: an "
        "approval that comes later is about another situation.",
    )
    suspension_longest_s: Annotated[float, Field(ge=600, le=31 * _DAY_S)] = Field(
        default=604_800.0,
        description="A task is suspended for at most so long from the request; 7 days. What needs longer is kept open "
        "with a plan.",
    )
    later_limit_longest_s: Annotated[float, Field(ge=60, le=7 * _DAY_S)] = Field(
        default=3_600.0,
        description="A limit that two people move is due at most so long after the moment that it had first; 1 hour.",
    )
    later_limit_most: Annotated[int, Field(ge=0, le=20)] = Field(
        default=2, description="The limit of one task is moved at most so often; 0: never."
    )
    supervision_longest_s: Annotated[float, Field(ge=3_600, le=366 * _DAY_S)] = Field(
        default=7_776_000.0,
        description="A centre above sets a date of a supervision at most so far ahead; 90 days.",
    )

    @field_validator("suspension_longest_s")
    @classmethod
    def _longer_than_its_request(cls, value: float, info: ValidationInfo) -> float:
        decide_s = info.data.get("decide_s")
        if decide_s is not None and value < decide_s:
            raise problem("order", f"expected at least decide_s ({decide_s:.0f})", f"{value:.0f}", f"{decide_s:.0f}")
        return value

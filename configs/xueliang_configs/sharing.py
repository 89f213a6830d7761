"""What is told to other systems as CAP 1.2 messages, and in whose name. Without it nothing is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from xueliang_alerts.contract import Hazard, Severity
from xueliang_configs.values import Settings, like, problem

_Sender = Annotated[str, like(r"[^\s,<&]{3,120}", "3 to 120 characters without space, comma, < and &", "centre@city")]
_Line = Annotated[str, like(r"[^\x00-\x1f\x7f]{1,200}", "one line of 1 to 200 characters", "duty desk, 12345")]

_Name = Annotated[str, like(r"[^\x00-\x1f\x7f]{1,80}", "one line of 1 to 80 characters", "City governance centre")]


class Sharing(Settings):
    """Which incidents are told outwards as CAP 1.2. Pictures never are."""

    sender: _Sender = Field(description="Who says it, worldwide the only one of this name: CAP's sender.")
    sender_name: _Name = Field(description="The same for people, in Chinese.")
    sender_name_en: _Name = Field(description="The same for people, in English.")
    contact: _Line | None = Field(default=None, description="Whom a receiver asks: a desk, never a person's number.")
    hazards: tuple[Hazard, ...] = Field(
        description="Hazards that are told. Taken out later, or none: what was told is followed to its end."
    )
    least_severity: Severity = Field(
        default=Severity.ORANGE, description="This severity and the more severe ones are told; 1 is the most severe."
    )
    before_judged: bool = Field(
        default=False, description="Also what neither a person nor the policy has confirmed yet, as *Likely*."
    )
    drills: bool = Field(default=True, description="Drills are told too, always with status Exercise.")
    trial: bool = Field(default=False, description="Everything that is no drill has status Test: while it is set up.")
    scope: Literal["public", "restricted", "private"] = Field(
        default="restricted", description="Whom a receiver may hand it on to."
    )
    restriction: _Line = Field(
        default="authorised receivers only", description="With scope restricted: to whom it is restricted."
    )
    addresses: tuple[Annotated[str, like(r'[^\s"<&]{1,120}', "a name without space", "fire@city")], ...] = Field(
        default=(), max_length=50, validate_default=True, description="With scope private: for whom it is."
    )
    radius_m: Annotated[float, Field(ge=10, le=10_000)] = Field(
        default=100.0, description="The circle that is told around the place; no place is known: the area's polygon."
    )
    valid_s: Annotated[float, Field(ge=600, le=7 * 86_400)] = Field(
        default=86_400.0, description="A message expires so long after it was sent; what goes on is told again before."
    )

    @field_validator("hazards")
    @classmethod
    def _no_blind_spots(cls, hazards: tuple[Hazard, ...]) -> tuple[Hazard, ...]:
        if Hazard.CAMERA_FAULT in hazards:
            raise problem(
                "hazard", "expected hazards of the city", "camera_fault, which tells where nobody looks", "take it out"
            )
        if len(set(hazards)) != len(hazards):
            raise problem("hazard", "expected each hazard once", ", ".join(hazard.value for hazard in hazards))
        return hazards

    @field_validator("restriction")
    @classmethod
    def _restriction_is_used(cls, restriction: str, info: ValidationInfo) -> str:
        scope = info.data.get("scope")
        if scope is not None and scope != "restricted":
            raise problem(
                "restriction",
                "expected scope restricted: with another one nobody reads it",
                f"scope {scope}",
                "leave restriction out",
            )
        return restriction

    @field_validator("addresses")
    @classmethod
    def _private_is_for_somebody(cls, addresses: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("scope") == "private" and not addresses:
            raise problem("addresses", "expected at least one with scope private", "none", "[fire@city]")
        if addresses and info.data.get("scope") in {"public", "restricted"}:
            raise problem(
                "addresses",
                "expected scope private: with another one it goes to everybody",
                f"scope {info.data['scope']}",
                "scope: private, or leave addresses out",
            )
        return addresses

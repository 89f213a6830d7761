"""What became of one try at a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Taken:
    """The target has it."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It may go later. `after_s`: what the target asked for, if it did. `reason`: a code, never an address."""

    reason: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """No retry helps until a person has mended something."""

    reason: str


Outcome: TypeAlias = Taken | TryAgain | Refused

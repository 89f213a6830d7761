"""Frozen values that cost little to make: `dataclass` for what every look makes anew.

`@dataclass(frozen=True)` writes each field through `object.__setattr__`: a value of nine fields takes five times as
long to make as a plain one, and a look makes some dozens of values. So the type checker sees the frozen dataclass it
reads, and forbids every write; what runs is a plain one with the same fields, `==`, hash and repr.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass"]

Value = TypeVar("Value")

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, eq: bool = True, **options: Any) -> Callable[[type[Value]], type[Value]]:
        """As `dataclasses.dataclass`; only frozen values are made here."""
        assert frozen
        return dataclasses.dataclass(eq=eq, unsafe_hash=eq, **options)

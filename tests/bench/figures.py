"""What a bench gives: a number by key, null for what it could not measure."""

from __future__ import annotations

Figures = dict[str, float | None]

"""Moments as the API and the JSON in rows write them."""

from __future__ import annotations

from datetime import UTC, datetime


def at_text(at: datetime | None) -> str | None:
    """ISO 8601, UTC, "Z", milliseconds."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

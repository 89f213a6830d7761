"""Moments as the API and the JSON in rows write them, and spans as a refusal says them."""

from __future__ import annotations

from datetime import UTC, datetime


def at_text(at: datetime | None) -> str | None:
    """ISO 8601, UTC, "Z", milliseconds."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span_text(seconds: float) -> str:
    """In English: "7 days", "1.5 hours", "30 minutes"."""
    for unit_s, word in ((86_400, "day"), (3_600, "hour")):
        if seconds >= unit_s:
            count = f"{seconds / unit_s:g}"
            return f"{count} {word}" if count == "1" else f"{count} {word}s"
    return f"{seconds / 60:g} minutes"

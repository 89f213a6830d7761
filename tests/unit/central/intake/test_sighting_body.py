"""What makes a report sent again the same report."""

from __future__ import annotations

from typing import Any

from xueliang_central.routes.sightings import SightingBody

_TOLD: dict[str, Any] = {"hazard": "fire_smoke", "severity": 2, "idempotency_key": "r1", "text": "冒烟"}


def _hash(**more: Any) -> str:
    return SightingBody.model_validate(_TOLD | more).hash


def test_a_report_sent_again_by_another_clock_is_the_same_report() -> None:
    without = _hash()
    assert _hash(seen_at="2026-11-26T04:00:00Z") == without
    assert _hash(seen_at="2026-11-26T04:00:07Z") == without


def test_what_else_it_tells_makes_it_another_one() -> None:
    assert len({_hash(), _hash(text="着火"), _hash(severity=1), _hash(photos=["a" * 64])}) == 4

"""Alerts and spools for the tests of this room."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from xueliang_alerts.contract import Alert, Hazard, Phase, Reason, Receipt, Rejected, Severity, SpoolReceipt
from xueliang_alerts.spool import Spool

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
NODE = "edge-01"


class Clock:
    """Both clocks by hand; `wall` and `mono` may be moved apart."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.wall_offset = timedelta(0)

    def wall(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds) + self.wall_offset

    def mono(self) -> float:
        return self.seconds


def an_alert(number: int = 1, *, severity: int = 2, text: str = "lane 41 % covered for 63 s >= 60 s") -> Alert:
    return Alert(
        alert_id=uuid.uuid5(uuid.NAMESPACE_OID, str(number)),
        revision=1,
        phase=Phase.RAISED,
        camera_id="lane-east",
        hazard=Hazard.FIRE_LANE_OBSTRUCTION,
        rule_id="lane-blocked",
        rule_version=1,
        severity=Severity(severity),
        began_at=NOON,
        raised_at=NOON,
        observed_at=NOON,
        confidence=0.9,
        reason=Reason(code="lane_blocked", text=text, about={"number": str(number)}),
    )


def open_spool(directory: Path, clock: Clock | None = None, **settings: Any) -> Spool:
    clock = clock or Clock()
    return Spool.open(directory, NODE, wall=clock.wall, mono=clock.mono, **settings)


def receipt_for(
    spool: Spool, through: int = 0, *, committed: tuple[tuple[int, int], ...] = (), rejected: tuple[int, ...] = ()
) -> Receipt:
    """What the centre answers after it was sent everything that is pending."""
    spool.pending(100_000)
    return an_answer(spool, through, committed=committed, rejected=rejected)


def an_answer(
    spool: Spool, through: int = 0, *, committed: tuple[tuple[int, int], ...] = (), rejected: tuple[int, ...] = ()
) -> Receipt:
    """The receipt alone, without anything having been sent."""
    return Receipt(
        node_id=spool.node_id,
        issued_at=NOON,
        spools=(
            SpoolReceipt(
                spool_id=spool.spool_id,
                contiguous_through=through,
                committed=committed,
                rejected=tuple(Rejected(sequence=sequence, reason="bad") for sequence in rejected),
            ),
        ),
    )


def pending_sequences(spool: Spool) -> list[int]:
    return [record.sequence for record in spool.pending(10_000)]

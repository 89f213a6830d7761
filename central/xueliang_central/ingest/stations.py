"""Signals of sensors and stations among the messages of the broker: each in a transaction of its own.

What a signal means, `intake` knows; it stands above ingest and is handed in by whoever starts it (`serving`).
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from xueliang_central.incidents.change import Change
from xueliang_central.ingest import quarantine
from xueliang_central.ingest.admission import Received, Refusal, RefusalKind
from xueliang_central.ingest.committing import Outcome


class TakesSignals(Protocol):
    """Takes one message of a station inside the caller's transaction, or says why not.

    Returns what is to be counted, or a Refusal for the quarantine. Raises only what trying again, or a mend of the
    program, can help. It may be called again with the same message: what it has done was undone, then.
    """

    async def __call__(self, change: Change, received: Received, *, is_replay: bool) -> str | Refusal: ...


async def commit_signal(
    change: Change, takes: TakesSignals, received: Received, *, is_replay: bool = False, refuse: str | None = None
) -> Outcome:
    """As `committing.commit_batch`, of one message of a station; nobody is answered."""
    if refuse is not None:
        came: str | Refusal = Refusal(received, RefusalKind.FAILED, refuse)
    else:
        came = await takes(change, received, is_replay=is_replay)
    if isinstance(came, str):
        return Outcome(counts=Counter({f"signals_{came}": 1}))
    await quarantine.keep(change.conn, [came])
    return Outcome(counts=Counter({f"quarantined_{came.kind.value}": 1}))

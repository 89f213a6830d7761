"""When shards that another ingest process is due are given back: not with their backlog in hand.

What is in hand is not acknowledged, so it comes again to whoever takes over, and late: NATS repeats after 30 s. In
between what has begun would be taken without its end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from xueliang_central.ingest.sharing import Group

FEW: Final = 200  # messages in hand: a batch
WITHIN_S: Final = 120.0  # a whole city's backlog takes one process a minute


class GivingBack:
    """`in_hand`: how many messages of these shards wait, not acknowledged."""

    def __init__(self, in_hand: Callable[[Collection[str]], int], mono: Callable[[], float]) -> None:
        self._in_hand, self._mono = in_hand, mono
        self._since_mono_s: dict[Group, float] = {}

    def ready(self, due: Collection[Group]) -> list[Group]:
        """Of those that are due to another: with few messages in hand, or due for longer than two minutes."""
        now = self._mono()
        self._since_mono_s = {group: self._since_mono_s.get(group, now) for group in due}
        return [
            group
            for group, since_mono_s in self._since_mono_s.items()
            if now - since_mono_s >= WITHIN_S or self._in_hand(group.shards) <= FEW
        ]

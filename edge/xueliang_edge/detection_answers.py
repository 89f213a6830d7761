"""What both detection services keep of their answers: those nobody has taken yet, and counts by name."""

from __future__ import annotations

from collections import Counter

from xueliang_edge.detection import Seen, Unknown
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Still


class Answers:
    """Belongs to one thread; `counts` may be read from others."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._kept: list[tuple[int, Seen | Unknown]] = []

    def __bool__(self) -> bool:
        """Some were not taken yet."""
        return bool(self._kept)

    def keep(self, ticket: int, answer: Seen | Unknown) -> None:
        """Until it is taken."""
        self.counts["answers" if isinstance(answer, Seen) else answer.reason] += 1
        self._kept.append((ticket, answer))

    def take(self) -> list[tuple[int, Seen | Unknown]]:
        """All of them, by ticket, once."""
        kept, self._kept = self._kept, []
        return kept

    def still(self, still: Still | Refused) -> Still | Refused:
        """Counted, and handed on."""
        self.counts["stills" if isinstance(still, Still) else "stills_refused"] += 1
        return still


def mean_detect_ms(mean: float | None, one: float) -> float:
    """Of some twenty detections, the latest counting most."""
    return one if mean is None else 0.95 * mean + 0.05 * one

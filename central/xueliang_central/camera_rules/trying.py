"""How a draft does where people have judged: a node's rows against the alerts that the centre has (pure).

The node's own `backtest --judged` counts in the same way, from a file; a node that is asked over the broker has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from xueliang_central.camera_rules.record import Recorded

Row = Mapping[str, Any]

# A duplicate says nothing of the hazard, and that nothing was found there may be because it had ended: neither counts.
_VERDICT_OF: Final[Mapping[str, bool]] = {"true_hazard": True, "false_alarm": False}


@dataclass(frozen=True, slots=True)
class Scored:
    """Counts first: a ratio of two alerts says little.

    Attributes:
        found, missed: alerts judged true that the draft raises too, and that it does not.
        unanswered: alerts judged true where the log cannot answer: neither found nor missed.
        true_alerts, false_alerts: alerts of the draft that meet a true, or none but false, judgements.
        unjudged: alerts of the draft of which nobody has said that they are true or false.
    """

    found: int
    missed: int
    unanswered: int
    true_alerts: int
    false_alerts: int
    unjudged: int

    @property
    def precision(self) -> float | None:
        """Of the judged alerts, how many are true; None: none was judged."""
        judged = self.true_alerts + self.false_alerts
        return self.true_alerts / judged if judged else None

    @property
    def recall(self) -> float | None:
        """Of the true alerts that the log can answer for, how many are raised; None: there are none."""
        hazards = self.found + self.missed
        return self.found / hazards if hazards else None

    @property
    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"precision": self.precision, "recall": self.recall}


def scored(rows: Iterable[Row], record: Sequence[Recorded]) -> Scored | None:
    """None: nobody has judged anything here, or the rows say nothing.

    Raises:
        ValueError, KeyError, TypeError: a row is not as a node writes it.
    """
    listed = list(rows)
    judged = [one for one in record if one.judged in _VERDICT_OF]
    if not judged:
        return None
    draft = [_span(row, "began_at", "ended_at") for row in listed if row["kind"] == "alert"]
    silent = [_span(row, "from_at", "until_at") for row in listed if row["kind"] == "cannot_answer"]
    counts: Counter[str] = Counter()
    met: list[set[bool]] = [set() for _ in draft]
    for one in judged:
        verdict = _VERDICT_OF[one.judged]
        hits = [index for index, span in enumerate(draft) if _meet(span, (one.began_at, one.ended_at))]
        for index in hits:
            met[index].add(verdict)
        if verdict:
            is_unknown = not hits and any(_meet(span, (one.raised_at, one.raised_at)) for span in silent)
            counts["found" if hits else "unanswered" if is_unknown else "missed"] += 1
    true_alerts, false_alerts = sum(True in verdicts for verdicts in met), sum(one == {False} for one in met)
    return Scored(
        found=counts["found"],
        missed=counts["missed"],
        unanswered=counts["unanswered"],
        true_alerts=true_alerts,
        false_alerts=false_alerts,
        unjudged=len(draft) - true_alerts - false_alerts,
    )


Span = tuple[datetime, datetime | None]


def _span(row: Row, begin: str, end: str) -> Span:
    return datetime.fromisoformat(row[begin]), None if row[end] is None else datetime.fromisoformat(row[end])


def _meet(one: Span, other: Span) -> bool:
    """They have a moment in common; an open end goes on."""
    (a, b), (c, d) = one, other
    return (d is None or a <= d) and (b is None or c <= b)

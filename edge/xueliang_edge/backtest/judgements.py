"""What operators have said of alerts: which were true, which false, which permitted. Read from a file; judged purely.

CSV with headings, or a JSON object a line; one judgement each:

    verdict     true, false or permitted (also true_alarm, false_alarm, 真, 假, 许可)
    at          a moment at which the alert was open, ISO 8601; also called time, raised_at, began_at
    alert_id    instead of `at`: an alert that the running version of the rule has raised
    camera_id, rule_id   empty: the camera and the rule that are asked about
"""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from xueliang_edge.backtest.alerts import WouldBeAlert
from xueliang_edge.backtest.answering import Answerable
from xueliang_edge.errors import JudgementsUnreadable

NEAR_S: Final = 10.0  # a judgement's moment may lie so far outside its alert: people note the minute, not the second
MAX_BYTES: Final = 64 * 2**20
_PROBLEMS_TOLD: Final = 20


class Verdict(StrEnum):
    """What an operator said of an alert."""

    TRUE = "true"
    FALSE = "false"
    PERMITTED = "permitted"
    """The hazard was there, and allowed: neither a hit nor a false alarm."""


_VERDICTS: Final[Mapping[str, Verdict]] = {
    "true": Verdict.TRUE,
    "true_alarm": Verdict.TRUE,
    "真": Verdict.TRUE,
    "false": Verdict.FALSE,
    "false_alarm": Verdict.FALSE,
    "假": Verdict.FALSE,
    "permitted": Verdict.PERMITTED,
    "许可": Verdict.PERMITTED,
}
_MOMENTS: Final = ("at", "time", "raised_at", "began_at")


@dataclass(frozen=True, slots=True)
class Judgement:
    """One of them, with the moment or the alert that it is about."""

    verdict: Verdict
    at: datetime | None
    alert_id: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class Scored:
    """How a draft does where people have judged. Counts first: a ratio of two alerts says little.

    Attributes:
        judged: judgements in the stretch asked about. permitted: of these, what counts neither way.
        found, missed: hazards judged true that the draft raises, and that it does not.
        unanswered: hazards judged true in time for which the log cannot answer: neither found nor missed.
        true_alerts, false_alerts: alerts of the draft that meet a true, or none but false, judgements.
        unjudged: alerts of the draft of which nobody has said anything, or that are permitted.
        unmatched: judgements by alert_id that no alert of the running version in this stretch has.
    """

    judged: int
    permitted: int
    found: int
    missed: int
    unanswered: int
    true_alerts: int
    false_alerts: int
    unjudged: int
    unmatched: int

    @property
    def precision(self) -> float | None:
        """Of the judged alerts, how many are true; None: none was judged."""
        judged = self.true_alerts + self.false_alerts
        return self.true_alerts / judged if judged else None

    @property
    def recall(self) -> float | None:
        """Of the true hazards that the log can answer for, how many are raised; None: there are none."""
        hazards = self.found + self.missed
        return self.found / hazards if hazards else None


def read_judgements(
    path: Path, camera_id: str, rule_id: str, moment_of: Callable[[str], datetime]
) -> tuple[Judgement, ...]:
    """Those of this camera and rule. `moment_of`: ISO 8601 to an aware moment; raises ValueError.

    Raises JudgementsUnreadable with every bad row, OSError.
    """
    if path.stat().st_size > MAX_BYTES:
        raise JudgementsUnreadable(f"{path}: expected at most {MAX_BYTES >> 20} MiB of judgements")
    found: list[Judgement] = []
    problems: list[str] = []
    try:
        for line, row in _rows(path.read_text("utf-8-sig")):
            try:
                if _is_about(row, "camera_id", camera_id) and _is_about(row, "rule_id", rule_id):
                    found.append(_judgement(row, moment_of))
            except ValueError as error:
                problems.append(f"{path}:{line}: {error}")
    except (UnicodeDecodeError, csv.Error) as error:
        raise JudgementsUnreadable(f"{path}: expected CSV or JSON lines in UTF-8: {error}") from error
    if problems:
        more = len(problems) - _PROBLEMS_TOLD
        told = problems[:_PROBLEMS_TOLD] + ([f"and {more} more"] if more > 0 else [])
        raise JudgementsUnreadable("\n".join(told))
    return tuple(found)


def _rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line number from 1, and the row as it is written."""
    if text.lstrip().startswith("{"):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield number, _json_row(line)
        return
    reader = csv.DictReader(io.StringIO(text))
    for row in reader:
        yield reader.line_num, {str(name).strip().lower(): value for name, value in row.items() if name is not None}


def _json_row(line: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"verdict": line[:40]}


def _is_about(row: Mapping[str, Any], name: str, wanted: str) -> bool:
    return str(row.get(name) or "").strip() in ("", wanted)


def _judgement(row: Mapping[str, Any], moment_of: Callable[[str], datetime]) -> Judgement:
    written = str(row.get("verdict") if row.get("verdict") is not None else "").strip().lower()
    verdict = _VERDICTS.get(written)
    if verdict is None:
        raise ValueError(f'verdict: expected true, false or permitted, got "{written[:40]}"')
    alert = str(row.get("alert_id") or "").strip()
    moment = next((text for name in _MOMENTS if (text := str(row.get(name) or "").strip())), "")
    if not alert and not moment:
        raise ValueError("expected a moment (at) or an alert_id, got neither")
    try:
        return Judgement(verdict, moment_of(moment) if moment else None, uuid.UUID(alert) if alert else None)
    except ValueError:
        what = f'at: expected a moment like 2026-11-23T08:00:00+08:00, got "{moment[:40]}"'
        raise ValueError(what if moment else f'alert_id: expected a UUID, got "{alert[:40]}"') from None


@dataclass(frozen=True, slots=True)
class Placed:
    """A judgement in time.

    Attributes:
        from_at, until_at: of the alert that it is about; else the moment noted, twice.
        raised_at: of that alert; else the moment. slack_s: so far outside of these an alert still is the one meant.
    """

    verdict: Verdict
    from_at: datetime
    until_at: datetime
    raised_at: datetime
    slack_s: float
    alert_id: uuid.UUID | None

    def hits(self, alerts: Sequence[WouldBeAlert]) -> list[int]:
        """Index of each alert that it is about."""
        slack = timedelta(seconds=self.slack_s)
        start, end = self.from_at - slack, self.until_at + slack
        return [index for index, alert in enumerate(alerts) if alert.overlap_s(start, end) >= 0]


def placed_in_time(judgement: Judgement, running: Mapping[uuid.UUID, WouldBeAlert], to_at: datetime) -> Placed | None:
    """None: it names an alert that is not among `running`, and no moment. `to_at`: the end of what is still open."""
    about = running.get(judgement.alert_id) if judgement.alert_id is not None else None
    if about is not None:
        until_at = about.ended_at or to_at
        return Placed(judgement.verdict, about.began_at, until_at, about.raised_at, 0.0, judgement.alert_id)
    if judgement.at is None:
        return None
    return Placed(judgement.verdict, judgement.at, judgement.at, judgement.at, NEAR_S, judgement.alert_id)


def scored(
    judgements: Sequence[Judgement],
    draft: Sequence[WouldBeAlert],
    running: Mapping[uuid.UUID, WouldBeAlert],
    answerable: Answerable,
    from_at: datetime,
    to_at: datetime,
) -> Scored:
    """`running`: the alerts of the running version by id; `from_at`, `to_at`: the stretch asked about."""
    counts: Counter[str] = Counter()
    met: list[set[Verdict]] = [set() for _ in draft]
    placed = [placed_in_time(one, running, to_at) for one in judgements]
    counts["unmatched"] = placed.count(None)
    for one in placed:
        if one is None or one.until_at < from_at or one.from_at > to_at:
            continue
        counts["judged"] += 1
        hits = one.hits(draft)
        for index in hits:
            met[index].add(one.verdict)
        if one.verdict is Verdict.PERMITTED:
            counts["permitted"] += 1
        elif one.verdict is Verdict.TRUE:
            is_unknown = not hits and answerable.reason_at(one.raised_at) is not None
            counts["found" if hits else "unanswered" if is_unknown else "missed"] += 1
    true_alerts = sum(Verdict.TRUE in verdicts for verdicts in met)
    false_alerts = sum(verdicts == {Verdict.FALSE} for verdicts in met)
    return Scored(
        judged=counts["judged"],
        permitted=counts["permitted"],
        found=counts["found"],
        missed=counts["missed"],
        unanswered=counts["unanswered"],
        true_alerts=true_alerts,
        false_alerts=false_alerts,
        unjudged=len(draft) - true_alerts - false_alerts,
        unmatched=counts["unmatched"],
    )

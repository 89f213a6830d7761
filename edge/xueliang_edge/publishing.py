"""A decision becomes an alert in the spool: one id per episode, revisions that count up, also over a restart.

Invariants
    - `publish` returns after the spool has accepted (fsynced) the alert.
    - alert_id is made of spool, camera, rule and onset; both it and the next revision are kept on disk before the spool
      accepts, so after a crash a revision number may be left out and is never used twice.
    - A cleared episode is forgotten; when the disk refuses that, the next write of the book forgets it. What cannot be
      represented (NaN, a broken box) is refused before the spool sees it.
"""

from __future__ import annotations

import json
import logging
import math
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import ValidationError

from xueliang_alerts.contract import (
    Alert,
    ClockState,
    EvidenceRef,
    Measure,
    Phase,
    Reason,
    alert_id_of,
)
from xueliang_configs.rules import Rule, has_place
from xueliang_edge.errors import NotRepresentable
from xueliang_edge.rules.episodes import Decision

log = logging.getLogger(__name__)

_FORMAT: Final = 1
_MAX_BOXES: Final = 64
_MAX_CORNERS: Final = 64
# The highest revision wins at the centre: when the book was lost, go on far above what an episode ever reaches (one
# update a minute for a year).
_AFTER_A_LOST_BOOK: Final = 600_000


class AlertSpool(Protocol):
    """What publishing needs of the spool; `xueliang_alerts.spool.Spool` is one."""

    @property
    def spool_id(self) -> uuid.UUID:
        """Made with the spool."""

    def accept(self, body: Alert) -> object:
        """Returns when the alert is on disk."""


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An episode the centre may still hear of.

    Attributes:
        alert_id: of all its revisions.
        began_at: its onset, as first said.
        revision: the last one used.
    """

    alert_id: str
    began_at: str
    revision: int


class Publisher:
    """Turns decisions into alerts. Belongs to one thread."""

    def __init__(
        self,
        spool: AlertSpool,
        book: Path,
        *,
        clock_state: Callable[[], ClockState] = lambda: ClockState.UNKNOWN,
    ) -> None:
        """`book` is a small JSON file of open episodes; missing or unreadable means none."""
        self._spool = spool
        self._book = book
        self._clock_state = clock_state
        self._open = _read_book(book)

    def publish(self, camera_id: str, rule: Rule, decision: Decision, evidence: Sequence[EvidenceRef] = ()) -> Alert:
        """Write one decision to the spool; returns the alert as accepted.

        Raises:
            NotRepresentable: the contract refuses it; nothing was written.
            OSError, or whatever the spool raises when its disk fails: the spool has not accepted it, and the revision
                number is left out.
        """
        key = f"{camera_id}/{rule.rule_id}"
        known = self._known(key, camera_id, rule, decision)
        next_one = replace(known, revision=known.revision + 1)
        alert = self._alert(camera_id, rule, decision, next_one, tuple(evidence))
        self._open[key] = next_one
        _write_book(self._book, self._open)
        self._spool.accept(alert)
        if decision.phase is Phase.CLEARED:
            del self._open[key]
            self._forget_on_disk(key)
        return alert

    def open_alerts(self) -> dict[str, OpenAlert]:
        """Open episodes by "camera_id/rule_id"."""
        return dict(self._open)

    def _forget_on_disk(self, key: str) -> None:
        """The spool has accepted the end: a book that cannot be written must not read as a refusal.

        The entry that stays is harmless: it is of one onset, and the next episode has another (`_known`).
        """
        try:
            _write_book(self._book, self._open)
        except OSError as error:
            log.warning("ended alert stays in the book of open ones", extra={"alert": key, "why": str(error)})

    def _known(self, key: str, camera_id: str, rule: Rule, decision: Decision) -> OpenAlert:
        began = decision.began.at.isoformat(timespec="microseconds")
        known = self._open.get(key)
        if known is not None and known.began_at == began:
            return known
        alert_id = alert_id_of(self._spool.spool_id, camera_id, rule.rule_id, decision.began.at)
        is_new = decision.phase is Phase.RAISED
        return OpenAlert(str(alert_id), began, 0 if is_new else _AFTER_A_LOST_BOOK)

    def _alert(
        self, camera_id: str, rule: Rule, decision: Decision, episode: OpenAlert, evidence: tuple[EvidenceRef, ...]
    ) -> Alert:
        try:
            return Alert(
                alert_id=uuid.UUID(episode.alert_id),
                revision=episode.revision,
                phase=decision.phase,
                end_reason=decision.end_reason,
                camera_id=camera_id,
                hazard=rule.hazard,
                rule_id=rule.rule_id,
                rule_version=rule.version,
                severity=decision.severity,
                began_at=decision.began.at,
                raised_at=decision.raised.at,
                observed_at=decision.observed.at,
                ended_at=decision.ended.at if decision.ended else None,
                clock_state=self._clock_state(),
                model_digest=decision.model_digest,
                confidence=decision.confidence,
                boxes_xyxyn=_boxes(decision.boxes_xyxyn),
                zone_xyn=_zone(rule) if evidence else None,
                frame_size_wh=decision.frame_size_wh,
                measures={name: Measure(value=value, unit=unit) for name, (value, unit) in decision.measures.items()},
                reason=Reason(
                    code=decision.reason.code, text=decision.reason.text[:400], about=dict(decision.reason.about)
                ),
                evidence=evidence,
                drill=rule.drill,
            )
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise NotRepresentable(f"{camera_id}/{rule.rule_id}: {where}: {first['msg']}") from error


def _boxes(boxes: Sequence[Sequence[float]]) -> tuple[tuple[float, float, float, float], ...]:
    """Boxes rounded to a ten-thousandth (a pixel of a 4K picture is 1/3840) and cut at the picture's edge."""
    cut = []
    for box in boxes[:_MAX_BOXES]:
        if not all(math.isfinite(value) for value in box):
            raise NotRepresentable("a box is not finite")
        left, top, right, bottom = (round(min(1.0, max(0.0, value)), 4) for value in box)
        cut.append((left, top, right, bottom))
    return tuple(cut)


def _zone(rule: Rule) -> tuple[tuple[float, float], ...] | None:
    """Where the rule looks, rounded as boxes are. None: nowhere in particular, or more corners than the contract has.

    A zone left out costs a drawing, never the alert.
    """
    if not has_place(rule) or len(rule.zone) > _MAX_CORNERS:
        return None
    return tuple((round(x, 4), round(y, 4)) for x, y in rule.zone)


def _read_book(path: Path) -> dict[str, OpenAlert]:
    try:
        saved: Any = json.loads(path.read_text(encoding="utf-8"))
        if saved["format"] != _FORMAT:
            raise ValueError(f"format {saved['format']}")
        return {key: _checked(OpenAlert(**item)) for key, item in saved["open"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        # Onset and spool give the same alert_id again; only the revision is lost: see _AFTER_A_LOST_BOOK.
        log.warning("open alerts unreadable", extra={"path": str(path), "problem": type(error).__name__})
        return {}


def _checked(item: OpenAlert) -> OpenAlert:
    uuid.UUID(item.alert_id)
    datetime.fromisoformat(item.began_at)
    if not isinstance(item.revision, int) or item.revision < 0:
        raise ValueError("revision")
    return item


def _write_book(path: Path, items: dict[str, OpenAlert]) -> None:
    """Replace the file whole: a crash leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    text = json.dumps({"format": _FORMAT, "open": {key: asdict(item) for key, item in items.items()}})
    fresh.unlink(missing_ok=True)  # one left by a crash would keep its own mode
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else a power cut may bring the old file back, and with it a revision that was used
    finally:
        os.close(folder)

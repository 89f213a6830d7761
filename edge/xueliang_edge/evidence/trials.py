"""What rules on trial would have raised: a masked still each with its reason, kept on the node for who tunes them.

Invariants
    - Nothing here leaves the node. Nothing is kept longer than `DAYS` and an hour, whatever became of its rule, its
      camera or the centre, as long as a node runs on this folder; nor beyond `PER_RULE_AT_MOST` of a rule.
    - `keep` waits for no disk; `write` belongs to the thread that may. What the disk refuses is counted and dropped.
      The alerts of a look are handed over before its trials.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from xueliang_configs.rules import Rule
from xueliang_edge.background import write_atomically
from xueliang_edge.evidence.stills import Still
from xueliang_edge.rules.episodes import Decision

log = logging.getLogger(__name__)

DAYS: Final = 7  # as the observation log: what it can no longer explain is not worth a picture
PER_RULE_AT_MOST: Final = 50  # 7 MB; a rule that fires more often is not ready, and shows it with these
WAITING_AT_MOST: Final = 20
TIDY_EVERY: Final = timedelta(hours=1)
STAMP: Final = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True, slots=True)
class _Kept:
    camera_id: str
    rule_id: str
    at: datetime
    jpeg: bytes
    about: bytes


class TrialStills:
    """`data_dir/trials/CAMERA/RULE/MOMENT.jpg`, and `.json` beside it."""

    def __init__(self, folder: Path, wall: Callable[[], datetime]) -> None:
        self._folder, self._wall = folder, wall
        self._waiting: deque[_Kept] = deque()
        self._tidied_at: datetime | None = None
        self.counts: Counter[str] = Counter()

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def has_room(self) -> bool:
        """False: the next one would be dropped."""
        return len(self._waiting) < WAITING_AT_MOST

    def keep(self, camera_id: str, rule: Rule, decision: Decision, still: Still) -> None:
        """Take one in hand, without waiting; beyond `WAITING_AT_MOST` it is dropped and counted."""
        if not self.has_room:
            self.counts["dropped_too_many"] += 1
            return
        about = {
            "camera_id": camera_id,
            "rule_id": rule.rule_id,
            "hazard": rule.hazard.value,
            "began_at": decision.began.at.isoformat(),
            "raised_at": decision.raised.at.isoformat(),
            "severity": int(decision.severity),
            "reason": decision.reason.text,
            "measures": {name: {"value": value, "unit": unit} for name, (value, unit) in decision.measures.items()},
        }
        text = json.dumps(about, ensure_ascii=False, indent=1) + "\n"
        self._waiting.append(_Kept(camera_id, rule.rule_id, decision.raised.at, still.jpeg, text.encode()))

    def write(self) -> None:
        """Put to the disk what is in hand; about once an hour take away what is too old."""
        while self._waiting:
            self._write_one(self._waiting.popleft())
        now = self._wall()
        if self._tidied_at is None or abs(now - self._tidied_at) >= TIDY_EVERY:
            self._tidied_at = now
            try:
                self._forget_old(now)
            except OSError as error:
                self.counts["disk_refused"] += 1
                log.warning("old stills of rules on trial not removed", extra={"why": str(error)})

    def _forget_old(self, now: datetime) -> None:
        """Of all rules, also those that are no longer on trial, and what a kill left half written."""
        oldest = (now - timedelta(days=DAYS)).strftime(STAMP)
        for path in sorted(self._folder.glob("*/*/*")):
            if path.suffix == ".part" or path.stem < oldest:
                path.unlink(missing_ok=True)
                self.counts["removed"] += path.suffix == ".jpg"

    def _write_one(self, kept: _Kept) -> None:
        folder = self._folder / kept.camera_id / kept.rule_id
        stem = kept.at.strftime(STAMP)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._make_room(folder)
            write_atomically(folder / f"{stem}.json", kept.about)
            write_atomically(folder / f"{stem}.jpg", kept.jpeg)
        except OSError as error:
            self.counts["disk_refused"] += 1
            log.warning("still of a rule on trial not kept", extra={"why": str(error)})
            return
        self.counts["kept"] += 1

    def _make_room(self, folder: Path) -> None:
        stems = sorted({path.stem for path in folder.iterdir() if path.suffix in {".jpg", ".json"}})
        for stem in stems[: max(0, len(stems) - PER_RULE_AT_MOST + 1)]:
            self.counts["removed"] += 1
            for suffix in (".jpg", ".json"):
                (folder / f"{stem}{suffix}").unlink(missing_ok=True)

"""What this node last said of each rule, and so which alerts are open, over a kill and a restart.

Invariants
    - The spool is the truth about what was said. This file only says quickly what the spool's newest revision of each
      open alert is; what was accepted after the file was written is read from the spool at the start. So however the
      node dies, no revision number is used twice and no open alert is forgotten.
    - An entry is the alert itself, as the contract has it: nothing here that the centre was not told.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from xueliang_alerts.contract import Alert, NotUnderstood, Phase, read_message
from xueliang_alerts.spool import SpoolRecord
from xueliang_edge.background import write_atomically

log = logging.getLogger(__name__)

_BATCH: Final = 200


class SpoolTail(Protocol):
    """The part of the spool that is needed here."""

    @property
    def spool_id(self) -> uuid.UUID: ...

    def pending_after(self, sequence: int, limit: int) -> list[SpoolRecord]: ...


class OpenAlerts:
    """The newest revision of the newest alert, by camera and rule; open or ended. One thread notes, any may ask."""

    def __init__(self, path: Path, spool: SpoolTail) -> None:
        """Reads what an earlier run left; call it before anything settles records of the spool."""
        self._path = path
        self._spool_id = str(spool.spool_id)
        self._through = 0
        self._last: dict[tuple[str, str], Alert] = {}
        self.write_failures = 0
        self._load()
        for sequence, alert in self._accepted_since(spool):
            self._take(alert, sequence)

    def get(self, camera_id: str, rule_id: str) -> Alert | None:
        """The open alert of this rule."""
        alert = self._last.get((camera_id, rule_id))
        return alert if alert is not None and alert.phase is not Phase.CLEARED else None

    def last(self, camera_id: str, rule_id: str) -> Alert | None:
        """The newest revision that the spool accepted from this rule, open or ended."""
        return self._last.get((camera_id, rule_id))

    def all(self) -> tuple[Alert, ...]:
        """Every open alert."""
        return tuple(alert for alert in list(self._last.values()) if alert.phase is not Phase.CLEARED)

    def note(self, alert: Alert, sequence: int) -> None:
        """The spool has accepted this revision."""
        self._take(alert, sequence)
        entries = [one.model_dump(mode="json", exclude_none=True) for one in self._last.values()]
        content = {"spool_id": self._spool_id, "through": self._through, "last": entries}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self._path, json.dumps(content).encode())
        except OSError as error:
            # Not fatal: at the next start the spool tells the same, as long as the records are pending.
            self.write_failures += 1
            log.warning("open alerts not written", extra={"why": str(error)})

    def _take(self, alert: Alert, sequence: int) -> None:
        key = (alert.camera_id, alert.rule_id)
        self._through = max(self._through, sequence)
        known = self._last.get(key)
        if known is None or known.alert_id != alert.alert_id or known.revision <= alert.revision:
            self._last[key] = alert

    def _load(self) -> None:
        try:
            content = json.loads(self._path.read_bytes())
            if content["spool_id"] != self._spool_id:
                return
            alerts = [Alert.model_validate_json(json.dumps(one)) for one in content["last"]]
            self._through = int(content["through"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("open alerts not readable, taken from the spool", extra={"why": str(error)})
            return
        self._last = {(one.camera_id, one.rule_id): one for one in alerts}

    def _accepted_since(self, spool: SpoolTail) -> Iterator[tuple[int, Alert]]:
        after = self._through
        while records := spool.pending_after(after, _BATCH):
            for record in records:
                after = record.sequence
                try:
                    body = read_message(record.payload).body
                except NotUnderstood as error:
                    log.warning("spool record not understood", extra={"why": error.reason})
                    continue
                if isinstance(body, Alert):
                    yield record.sequence, body

"""Pictures by content hash: kept on disk until the centre has them, sent behind the alerts.

Invariants
    - A still is on the disk (fsync, mode 0600) before the alert that names it is accepted.
    - The store is bounded. When it is full, pictures of the least severe alerts go first, oldest first; each is
      counted.
    - Metadata first: a picture is sent while no alert waits; at most `STARVED_S` it waits for that, on a thin link that
      never empties its backlog pictures still trickle.
    - The same bytes are one picture: it is asked for (HEAD) before it is sent, and sending it twice does no harm.
    - Nothing is ever uploaded that was not composed by `stills.py`; the store takes `Still`, no path and no picture.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import httpx

from xueliang_edge.background import write_atomically
from xueliang_edge.evidence.stills import Still

log = logging.getLogger(__name__)

DEFAULT_CAP_BYTES: Final = 2 << 30  # 72 h cut, 16 cameras, 12 alerts an hour, 150 kB each (FAULTS: outage buffered)
STARVED_S: Final = 30.0
TIMEOUT_S: Final = 20.0  # each step of one request: 150 kB over 64 kbit/s takes 19 s in all, a single write far less
BACKOFF_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
UNKNOWN_TRIES: Final = 40  # 404 on PUT: the alert may still be on its way; with the back-off above about 40 minutes
_NAME: Final = re.compile(r"^([0-9])-([0-9]{16})-([0-9a-f]{64})\.jpg$")


@dataclass(frozen=True, slots=True, order=True)
class Pending:
    """One picture that waits, in the order of sending: severe first, then oldest."""

    severity: int
    number: int
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.severity}-{self.number:016d}-{self.sha256}.jpg"


class EvidenceStore:
    """Pending pictures in one folder. May be called from any thread."""

    def __init__(self, folder: Path, cap_bytes: int = DEFAULT_CAP_BYTES) -> None:
        """Takes up what an earlier run left. Raises OSError when the folder cannot be made."""
        self._folder = folder
        self._cap_bytes = cap_bytes
        self._guard = threading.Lock()
        self._arrived = threading.Condition(self._guard)
        self.counts: Counter[str] = Counter()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sizes: dict[Pending, int] = {}
        for path in folder.iterdir():
            if path.name.endswith(".part"):
                path.unlink(missing_ok=True)
            elif matched := _NAME.match(path.name):
                self._sizes[Pending(int(matched[1]), int(matched[2]), matched[3])] = path.stat().st_size
        self._last_number = max((one.number for one in self._sizes), default=0)

    def keep(self, still: Still, severity: int) -> bool:
        """Put one still on the disk. False: no room, or the disk refused (counted); name it nowhere then.

        Whoever looks meanwhile does not wait for the disk. Two at the same time may go beyond the cap by one still.
        """
        with self._guard:
            if any(one.sha256 == still.sha256 for one in self._sizes):
                return True
            if not self._make_room(len(still.jpeg), severity):
                self.counts["no_room"] += 1
                return False
            self._last_number += 1
            pending = Pending(severity, self._last_number, still.sha256)
        try:
            write_atomically(self._folder / pending.file_name, still.jpeg)
        except OSError as error:
            self.counts["disk_refused"] += 1
            log.warning("evidence not kept", extra={"why": str(error)})
            return False
        with self._guard:
            self._sizes[pending] = len(still.jpeg)
            self.counts["kept"] += 1
            self._arrived.notify_all()
            return True

    def next(self, skip: frozenset[str] = frozenset()) -> Pending | None:
        """What should be sent next."""
        with self._guard:
            return min((one for one in self._sizes if one.sha256 not in skip), default=None)

    def read(self, pending: Pending) -> bytes | None:
        """None when the file is gone."""
        try:
            return (self._folder / pending.file_name).read_bytes()
        except OSError:
            return None

    def drop(self, pending: Pending, reason: str) -> None:
        """It is there, or it will never be: forget it, counted by reason."""
        with self._guard:
            if self._sizes.pop(pending, None) is not None:
                self.counts[reason] += 1
                (self._folder / pending.file_name).unlink(missing_ok=True)

    def wait(self, timeout_s: float) -> None:
        """Until something arrives, at most this long."""
        with self._guard:
            self._arrived.wait(timeout_s)

    def wake(self) -> None:
        with self._guard:
            self._arrived.notify_all()

    def pending_count(self) -> int:
        with self._guard:
            return len(self._sizes)

    def pending_bytes(self) -> int:
        with self._guard:
            return sum(self._sizes.values())

    def _make_room(self, needed_bytes: int, severity: int) -> bool:
        held = sum(self._sizes.values())
        for victim in sorted(self._sizes, key=lambda one: (-one.severity, one.number)):
            if held + needed_bytes <= self._cap_bytes:
                break
            if victim.severity < severity:
                return False  # everything left is more severe than this one
            held -= self._sizes.pop(victim)
            self.counts["evicted"] += 1
            (self._folder / victim.file_name).unlink(missing_ok=True)
        return held + needed_bytes <= self._cap_bytes


class Outcome(StrEnum):
    """What became of one attempt."""

    SENT = "sent"
    ALREADY_THERE = "already_there"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    UNKNOWN_THERE = "unknown_there"
    NOT_ALLOWED = "not_allowed"
    NO_ANSWER = "no_answer"


_SETTLED: Final = frozenset({Outcome.SENT, Outcome.ALREADY_THERE, Outcome.REFUSED, Outcome.TOO_LARGE})
_WORDS: Final = {
    Outcome.NOT_ALLOWED: "the centre refuses this node's token: make a new one with "
    "`xueliang-centre add-node` and put it into node.centre.token",
    Outcome.UNKNOWN_THERE: "the centre knows no alert with this picture yet, or node.centre.url is not a centre",
    Outcome.NO_ANSWER: "the centre does not answer; pictures wait on the disk",
    Outcome.TOO_LARGE: "the centre finds this picture too large; it is given up",
    Outcome.REFUSED: "the centre refuses this picture; it is given up",
}


class Uploader:
    """Sends pending pictures from a thread of its own, until `close`."""

    def __init__(
        self,
        store: EvidenceStore,
        centre_url: str,
        token: str,
        *,
        mono: Callable[[], float],
        alerts_waiting: Callable[[], bool],
        client: httpx.Client | None = None,
    ) -> None:
        """`alerts_waiting`: metadata is still on its way, pictures stand back."""
        self._store, self._mono, self._alerts_waiting = store, mono, alerts_waiting
        self._url = centre_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        # No proxies from the environment: the centre is on the closed network, its token must not go elsewhere.
        self._client = client or httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)
        self._stop = threading.Event()
        self._last_sent_mono_s = mono()
        self._unknown_tries: Counter[str] = Counter()
        self._not_before_mono_s: dict[str, float] = {}
        self._failures = 0
        self.problem: str | None = None
        self.counts: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Stop after the request in hand; it is cut when it takes longer."""
        self._stop.set()
        self._store.wake()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._client.close()

    def send_one(self, pending: Pending) -> Outcome:
        """One attempt; the store is not touched."""
        path = f"{self._url}/api/evidence/{pending.sha256}"
        try:
            answer = self._client.head(path, headers=self._headers)
            if answer.status_code == 200:
                return Outcome.ALREADY_THERE
            if answer.status_code in (401, 403):
                return Outcome.NOT_ALLOWED
            data = self._store.read(pending)
            if data is None:
                return Outcome.REFUSED
            answer = self._client.put(path, content=data, headers=self._headers | {"Content-Type": "image/jpeg"})
        except (httpx.HTTPError, RuntimeError):  # RuntimeError: the client was closed meanwhile
            return Outcome.NO_ANSWER
        return _outcome(answer.status_code)

    def _run(self) -> None:
        while not self._stop.is_set():
            pending = self._store.next(self._held_back())
            if pending is None:
                self._last_sent_mono_s = self._mono()
                self._store.wait(0.5)
            elif self._must_stand_back():
                self._stop.wait(0.2)
            else:
                try:
                    self._settle(pending, self.send_one(pending))
                except OSError as error:
                    log.warning("evidence store", extra={"why": str(error)})
                    self._stop.wait(BACKOFF_S[-1])

    def _must_stand_back(self) -> bool:
        return self._alerts_waiting() and self._mono() - self._last_sent_mono_s < STARVED_S

    def _settle(self, pending: Pending, outcome: Outcome) -> None:
        self._last_sent_mono_s = self._mono()
        self.counts[outcome.value] += 1
        if outcome in _SETTLED:
            self._failures = 0
            self._unknown_tries.pop(pending.sha256, None)
            self._not_before_mono_s.pop(pending.sha256, None)
            self._store.drop(pending, outcome.value)
            self._say(outcome if outcome in _WORDS else None)
            return
        self._say(outcome)
        if outcome is Outcome.UNKNOWN_THERE:
            self._hold_back(pending)
            return
        self._stop.wait(BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)])
        self._failures += 1

    def _hold_back(self, pending: Pending) -> None:
        """The centre does not know this one: later, and meanwhile the others."""
        self._unknown_tries[pending.sha256] += 1
        tries = self._unknown_tries[pending.sha256]
        self._not_before_mono_s[pending.sha256] = self._mono() + BACKOFF_S[min(tries, len(BACKOFF_S)) - 1]
        if tries >= UNKNOWN_TRIES:
            self._store.drop(pending, Outcome.UNKNOWN_THERE.value)
            del self._unknown_tries[pending.sha256], self._not_before_mono_s[pending.sha256]

    def _held_back(self) -> frozenset[str]:
        now = self._mono()
        return frozenset(sha256 for sha256, until in self._not_before_mono_s.items() if until > now)

    def _say(self, outcome: Outcome | None) -> None:
        """A repeated problem is logged once."""
        words = _WORDS[outcome] if outcome is not None else None
        if words is not None and words != self.problem:
            log.warning("evidence upload: %s", words)
        self.problem = words


def _outcome(status: int) -> Outcome:
    if status in (200, 201, 204, 409):
        return Outcome.SENT
    if status in (401, 403):
        return Outcome.NOT_ALLOWED
    if status == 404:
        return Outcome.UNKNOWN_THERE
    if status == 413:
        return Outcome.TOO_LARGE
    if status in (400, 415, 422):
        return Outcome.REFUSED
    return Outcome.NO_ANSWER

"""One view's stream to the centre: a thread that posts bundles, no faster than its share of the line.

Each bundle is a request of its own: it holds behind address translation and proxies, the centre's answer ends the view,
and what waits meanwhile is bounded (`Outbox`). Nothing is sent twice and nothing is kept.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

import httpx

from xueliang_edge.live_view.outbox import Bundle, Outbox
from xueliang_streams.live_mp4 import Fragment

log = logging.getLogger(__name__)

TOGETHER_S: Final = 0.12
"""Pictures of so long go out together: the centre counts a node's requests, and 8 a second a view leave room."""
SILENT_S: Final = 2.0
"""Without a picture for so long the centre is asked whether anybody watches still."""
TIMEOUT_S: Final = 10.0
WAITS_S: Final = 1.5
"""So much of the line's share may wait; more is old before it arrives."""
LEAST_BYTES: Final = 96 * 1024


class Sender:
    """Owns its thread and its connection."""

    def __init__(self, target: str, token: str, kbit_per_s: int, *, mono: Callable[[], float]) -> None:
        self._target, self._mono = target, mono
        self._bytes_per_s = kbit_per_s * 125
        self._outbox = Outbox(max(LEAST_BYTES, round(self._bytes_per_s * WAITS_S)))
        self._guard = threading.Condition()
        self._codec = ""
        self._over = ""
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "video/mp4"}
        # No proxies from the environment: the centre is on the closed network, its token must not go elsewhere.
        self._client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)
        self._thread = threading.Thread(target=self._run, name="live view", daemon=True)
        self.sent_bytes = 0

    def start(self) -> None:
        self._thread.start()

    @property
    def over(self) -> str:
        """Why nothing more is sent; empty: it is."""
        return self._over

    @property
    def lost(self) -> int:
        return self._outbox.lost

    def put(self, fragment: Fragment, codec: str) -> None:
        """Returns at once."""
        with self._guard:
            self._codec = codec
            self._outbox.put(fragment)
            self._guard.notify()

    def close(self, why: str) -> None:
        """Tell the centre why it is over, unless it said so itself."""
        with self._guard:
            was_over, self._over = self._over, self._over or why
            self._guard.notify()
        if self._thread.is_alive():
            self._thread.join(TIMEOUT_S)
        if not was_over:
            self._post(b"", {"over": why})
        self._client.close()

    def _run(self) -> None:
        free_from_s = self._mono()
        while not self._over:
            bundle = self._next(free_from_s)
            if self._over:
                return
            params: dict[str, str | int] = {"lost": self._outbox.lost}
            if bundle is not None:
                params = {"key": int(bundle.is_key), "lost": bundle.lost, "codec": self._codec}
            began_s = self._mono()
            why = self._post(bundle.data if bundle is not None else b"", params)
            if why:
                self._over = self._over or why
                return
            size = len(bundle.data) if bundle is not None else 0
            self.sent_bytes += size
            free_from_s = max(began_s + TOGETHER_S, max(free_from_s, began_s) + size / self._bytes_per_s)

    def _next(self, free_from_s: float) -> Bundle | None:
        """None: nothing came for `SILENT_S`, or it is over."""
        with self._guard:
            silent_from_s = self._mono() + SILENT_S
            while not self._over:
                now_s = self._mono()
                if now_s >= free_from_s:
                    bundle = self._outbox.take()
                    if bundle is not None or now_s >= silent_from_s:
                        return bundle
                    self._guard.wait(silent_from_s - now_s)
                else:
                    self._guard.wait(free_from_s - now_s)
        return None

    def _post(self, data: bytes, params: dict[str, str | int]) -> str:
        """Why it is over; empty: the centre wants more."""
        try:
            answer = self._client.post(self._target, content=data, params=params, headers=self._headers)
        except (httpx.HTTPError, RuntimeError) as error:
            log.warning("live view cannot be sent", extra={"why": type(error).__name__})
            return "centre_unreachable"
        if answer.status_code == 204:
            return ""
        if answer.status_code != 404:
            log.warning("the centre refuses live view", extra={"status": answer.status_code})
            return "centre_refused"
        return "viewer_gone"

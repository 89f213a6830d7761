"""The Protocol between what wants to send or receive and the thing that speaks to a broker.

Invariants
    - Threads: `publish`, `subscribe`, `get` and `acknowledge` may be called from any thread. A handler is called in the
      transport's own thread: it must be quick and must not raise (asyncio bridges with `loop.call_soon_threadsafe`).
    - `connect()` starts and returns at once; the transport reconnects, with jittered back-off, until `close()`.
    - QoS 1 messages are acknowledged by whoever took them, never by the transport: what is not acknowledged comes again
      after a reconnect. A message taken on an earlier connection can no longer be acknowledged: `acknowledge()` is then
      False, and the broker repeats it.
    - A publish that the broker has acknowledged is *not* delivered: only a receipt says so. A forbidden publish is
      dropped silently by most brokers.
    - Only what MQTT 3.1.1 and 5 share, and what NATS and Mosquitto both do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

Qos = Literal[0, 1]


class LinkPhase(StrEnum):
    IDLE = "idle"  # connect() not called yet
    CONNECTING = "connecting"  # no connection; trying, or waiting to try again
    CONNECTED = "connected"
    REFUSED = "refused"  # the broker answered and said no (password, certificate); still trying, slowly
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class LinkState:
    """Where the connection stands.

    Attributes:
        generation: counts connections made so far; 0 before the first.
        since_mono_s: when this phase began, on the transport's `mono`.
        detail: why, in words for a person; no password, no URL with one.
    """

    phase: LinkPhase
    generation: int
    since_mono_s: float
    detail: str = ""

    @property
    def is_connected(self) -> bool:
        return self.phase is LinkPhase.CONNECTED


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message received. `acknowledge` is True when the broker was told, False when its connection is gone."""

    topic: str
    payload: bytes
    qos: int
    is_retained: bool
    generation: int
    acknowledge: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class LastWill:
    """What the broker says in our place when the connection is lost without a good-bye. Always QoS 1."""

    topic: str
    payload: bytes
    retain: bool = True


class PublishHandle(Protocol):
    """One publish on its way to the broker."""

    @property
    def is_acknowledged(self) -> bool:
        """The broker has it (PUBACK; for QoS 0: handed to the socket)."""

    def wait(self, timeout_s: float) -> bool:
        """Wait for the acknowledgement; False when it did not come in time."""


class Inbox(Protocol):
    """Where a transport puts what arrives, in its own thread. Bounded by whoever made it."""

    def put_nowait(self, item: Incoming, /) -> None:
        """Keep it. Raises queue.Full: it stays unacknowledged, and the broker sends it again."""


Handler = Callable[[Incoming], None]
StateListener = Callable[[LinkState], None]


class Transport(Protocol):
    """A connection to a broker that keeps itself up."""

    @property
    def state(self) -> LinkState: ...

    def connect(self) -> None:
        """Start; returns at once. The broker may be down: it is tried again until close()."""

    def close(self, timeout_s: float = 5.0) -> None:
        """Say good-bye (so no last will), stop the thread. May be called twice."""

    def publish(self, topic: str, payload: bytes, *, qos: Qos = 1, retain: bool = False) -> PublishHandle:
        """Send. Raises NotConnected (nothing was sent) or TransportClosed."""

    def subscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        """Subscribe with QoS 1, now and after every reconnect; may be called before connect().

        With a handler, its messages go there (in the transport's thread); without, to `get`. What matches no filter is
        acknowledged, dropped and counted. When two filters match one topic, the one subscribed first takes it.
        """

    def unsubscribe(self, topic_filter: str) -> None:
        """Forget the filter and tell the broker."""

    def get(self, timeout_s: float) -> Incoming | None:
        """The next message of a filter without handler, or None. The queue is bounded; see the implementation."""

    def on_state(self, listener: StateListener) -> None:
        """Be told of every change of state, in the transport's thread; at once with the present state."""

    def counters(self) -> dict[str, int]:
        """received, published, acknowledged, dropped by reason, reconnects."""

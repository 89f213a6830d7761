"""The MQTT transport: paho-mqtt, MQTT 3.1.1, persistent session, manual acknowledgement.

Invariants
    - `clean_session=False` and a stable client id: the broker keeps what we have not acknowledged.
    - A message is tagged with the connection it came on; its acknowledgement goes out on that connection or not at all.
      (Packet ids start anew with each connection: an old id could acknowledge another message.)
    - Messages nobody subscribed to here (left in the session by an earlier program) are acknowledged, dropped, counted;
      else they would fill the broker's window.
    - TLS is all or nothing: with TLS settings there is no way to a connection that is not verified.
    - A message that finds no room is left unacknowledged and the connection is made anew once there is room again (the
      queue for `get` has been emptied, or `ask_again` is called), so that the broker sends it again.
    - What the broker repeats on the same connection while it is in our hands (NATS does, after its ack_wait) is dropped
      and counted: it is acknowledged once.
"""

from __future__ import annotations

import logging
import queue
import random
import socket
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from xueliang_alerts.clocks import Mono
from xueliang_alerts.errors import NotConnected, TransportClosed
from xueliang_alerts.mqtt_client import BlockReadingClient, matches
from xueliang_alerts.transport import (
    Handler,
    Inbox,
    Incoming,
    LastWill,
    LinkPhase,
    LinkState,
    PublishHandle,
    Qos,
    StateListener,
)

log = logging.getLogger(__name__)

SHORT_CONNECTION_S: Final = 10.0  # one that ends sooner does not reset the back-off: a clone with our client id (F38)
DEAD_PEER_MS: Final = 40_000  # unacknowledged bytes for this long end the connection (F34: noticed within 45 s)
FULLEST_WINDOW: Final = 256  # publishes under way to the broker at once


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Files in PEM. With cert_file and key_file the node shows its own certificate."""

    ca_file: Path
    cert_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Verifies the broker's name and chain. Raises OSError, ssl.SSLError for files that cannot be used."""
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Where the broker is and who we are. The password never shows in repr, logs or errors."""

    host: str
    client_id: str
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsSettings | None = None
    keepalive_s: int = 25
    connect_timeout_s: float = 5.0
    reconnect_min_s: float = 1.0
    reconnect_max_s: float = 30.0
    queue_limit: int = 2000
    clean_session: bool = False
    subscribe_qos: Qos = 1  # 0: nothing is acknowledged nor repeated


class _Handle:
    """paho's message info as a PublishHandle."""

    def __init__(self, info: paho.MQTTMessageInfo) -> None:
        self._info = info

    @property
    def is_acknowledged(self) -> bool:
        try:
            return self._info.is_published()
        except (ValueError, RuntimeError):
            return False

    def wait(self, timeout_s: float) -> bool:
        try:
            self._info.wait_for_publish(timeout_s)
        except (ValueError, RuntimeError):
            return False
        return self.is_acknowledged


class MqttLink:
    """A `Transport` over one MQTT connection."""

    def __init__(
        self,
        settings: MqttSettings,
        *,
        mono: Mono,
        will: LastWill | None = None,
        rng: random.Random | None = None,
        inbox: Inbox | None = None,
    ) -> None:
        """Does not connect yet. Raises OSError, ssl.SSLError when TLS files cannot be used.

        `inbox`: takes what would else wait for `get`; it may be shared with other links. Its owner calls `ask_again`
        when it has room again.
        """
        self._settings = settings
        self._mono = mono
        self._rng = rng or random.Random()  # noqa: S311  jitter, no secret
        self._lock = threading.RLock()
        self._state = LinkState(LinkPhase.IDLE, 0, mono())
        self._listeners: list[StateListener] = []
        self._filters: dict[str, Handler | None] = {}
        self._queue: queue.Queue[Incoming] = queue.Queue(settings.queue_limit)
        self._inbox: Inbox = self._queue if inbox is None else inbox
        self._in_hand: set[int] = set()  # packet ids of this connection that are not acknowledged
        self._must_reconnect = False
        self._is_own_wish = False
        self._short_connections = 0
        self._counts: Counter[str] = Counter()
        self._client = self._new_client(will)

    def _new_client(self, will: LastWill | None) -> paho.Client:
        client = BlockReadingClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._settings.client_id,
            clean_session=self._settings.clean_session,
            protocol=paho.MQTTv311,
            manual_ack=True,
        )
        client.connect_timeout = self._settings.connect_timeout_s
        client.max_inflight_messages_set(FULLEST_WINDOW)
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._settings.password)
        if self._settings.tls is not None:
            client.tls_set_context(self._settings.tls.context())
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        client.on_socket_open = _tune_socket
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        return client

    # --- connection ---

    @property
    def state(self) -> LinkState:
        return self._state

    def connect(self) -> None:
        with self._lock:
            if self._state.phase is LinkPhase.CLOSED:
                raise TransportClosed("this link was closed")
            if self._state.phase is not LinkPhase.IDLE:
                return
            self._enter(LinkPhase.CONNECTING)
        self._pace_reconnects()
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=self._settings.keepalive_s)
        self._client.loop_start()

    def close(self, timeout_s: float = 5.0) -> None:  # noqa: ARG002  paho's thread ends by itself within its own limit
        with self._lock:
            if self._state.phase is LinkPhase.CLOSED:
                return
            was_started = self._state.phase is not LinkPhase.IDLE
            self._enter(LinkPhase.CLOSED)
        if was_started:
            self._client.disconnect()
            self._client.loop_stop()

    def on_state(self, listener: StateListener) -> None:
        with self._lock:
            self._listeners.append(listener)
            state = self._state
        listener(state)

    def _enter(self, phase: LinkPhase, detail: str = "", *, next_generation: bool = False) -> None:
        with self._lock:
            if self._state.phase is LinkPhase.CLOSED:
                return
            generation = self._state.generation + (1 if next_generation else 0)
            changed = (phase, generation, detail) != (self._state.phase, self._state.generation, self._state.detail)
            self._state = state = LinkState(phase, generation, self._mono(), detail)
            listeners = list(self._listeners)
        if changed:
            log.info("broker link", extra={"phase": phase.value, "generation": generation, "detail": detail})
            for listener in listeners:
                listener(state)

    def _pace_reconnects(self) -> None:
        """Jitter, so that a thousand nodes do not come back in one second; paho doubles it up to the limit."""
        limit = self._settings.reconnect_max_s
        base = min(limit, self._settings.reconnect_min_s * 2 ** min(self._short_connections, 10))
        least = base * self._rng.uniform(1.0, 1.5)
        self._client.reconnect_delay_set(least, max(least, limit * self._rng.uniform(0.75, 1.25)))

    def _on_connect(
        self, client: paho.Client, _data: Any, flags: paho.ConnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._counts["refused"] += 1
            self._enter(LinkPhase.REFUSED, f"the broker refused: {reason.getName()}")
            return
        self._must_reconnect = False
        self._in_hand = set()
        with self._lock:
            filters = list(self._filters)
        if filters:
            qos: int = self._settings.subscribe_qos
            client.subscribe([(topic_filter, qos) for topic_filter in filters])
        self._counts["connected"] += 1
        self._enter(
            LinkPhase.CONNECTED, "session kept" if flags.session_present else "new session", next_generation=True
        )

    def _on_connect_fail(self, _client: paho.Client, _data: Any) -> None:
        self._counts["connect_failed"] += 1
        self._enter(LinkPhase.CONNECTING, f"no connection to {self._settings.host}:{self._settings.port}")

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: paho.DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        state = self._state
        if state.phase is LinkPhase.CONNECTED:
            was_short = self._mono() - state.since_mono_s < SHORT_CONNECTION_S and not self._is_own_wish
            self._is_own_wish = False
            self._short_connections = self._short_connections + 1 if was_short else 0
            self._counts["lost"] += 1
            self._pace_reconnects()
        if state.phase is not LinkPhase.REFUSED:
            self._enter(LinkPhase.CONNECTING, f"connection lost: {reason.getName()}")

    # --- sending ---

    def publish(self, topic: str, payload: bytes, *, qos: Qos = 1, retain: bool = False) -> PublishHandle:
        state = self._state
        if state.phase is LinkPhase.CLOSED:
            raise TransportClosed("this link was closed")
        if not state.is_connected:
            raise NotConnected(f"no connection to the broker: {state.detail or state.phase.value}")
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        if info.rc == paho.MQTT_ERR_QUEUE_SIZE:
            raise NotConnected("too many publishes wait for the broker")
        self._counts["published"] += 1
        return _Handle(info)

    def _on_publish(self, _client: paho.Client, _data: Any, _mid: int, _reason: ReasonCode, _properties: Any) -> None:
        self._counts["publish_acknowledged"] += 1

    # --- receiving ---

    def subscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        if not topic_filter or "\0" in topic_filter:
            raise ValueError(f"not a topic filter: {topic_filter!r}")
        with self._lock:
            self._filters[topic_filter] = handler
            is_connected = self._state.is_connected
        if is_connected:
            self._client.subscribe(topic_filter, self._settings.subscribe_qos)

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        refused = sum(reason.is_failure for reason in reasons)
        if refused:
            self._counts["subscriptions_refused"] += refused
            log.error("the broker refused a subscription: may this user read it?", extra={"refused": refused})

    def unsubscribe(self, topic_filter: str) -> None:
        with self._lock:
            self._filters.pop(topic_filter, None)
            is_connected = self._state.is_connected
        if is_connected:
            self._client.unsubscribe(topic_filter)

    def get(self, timeout_s: float) -> Incoming | None:
        try:
            return self._queue.get(timeout=timeout_s) if timeout_s > 0 else self._queue.get_nowait()
        except queue.Empty:
            self.ask_again()
            return None

    def ask_again(self) -> None:
        """There is room again: if messages found none, connect anew; the broker repeats them, and what is in hand."""
        if self._must_reconnect:
            self._must_reconnect = False
            self._drop_connection()

    def counters(self) -> dict[str, int]:
        return dict(self._counts)

    def _drop_connection(self) -> None:
        """Make paho connect anew, as after a loss: the broker then repeats what we left unacknowledged."""
        self._is_own_wish = True
        current: Any = self._client.socket()
        if current is not None:
            try:
                current.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self._counts["received"] += 1
        if message.dup and message.qos > 0 and message.mid in self._in_hand:
            self._counts["repeated_in_hand"] += 1
            return
        incoming = self._incoming(message)
        with self._lock:
            matching = [item for item in self._filters.items() if matches(item[0], incoming.topic)]
        if not matching:
            self._counts["dropped_unexpected_topic"] += 1
            incoming.acknowledge()
            return
        handler = matching[0][1]
        if handler is not None:
            self._hand_over(handler, incoming)
            return
        try:
            self._inbox.put_nowait(incoming)
        except queue.Full:
            self._in_hand.discard(message.mid)
            self._counts["dropped_queue_full"] += 1
            self._must_reconnect = True

    def _hand_over(self, handler: Handler, incoming: Incoming) -> None:
        try:
            handler(incoming)
        except Exception:  # the handler's fault must not end the connection of everyone else
            self._counts["handler_failed"] += 1
            log.exception("message handler failed", extra={"topic": incoming.topic})

    def _incoming(self, message: paho.MQTTMessage) -> Incoming:
        generation = self._state.generation
        mid, qos, in_hand = message.mid, message.qos, self._in_hand
        if qos > 0:
            in_hand.add(mid)

        def acknowledge() -> bool:
            state = self._state
            if not state.is_connected or state.generation != generation:
                self._counts["acknowledged_too_late"] += 1
                return False
            if qos > 0:
                in_hand.discard(mid)
                self._client.ack(mid, qos)
            self._counts["acknowledged"] += 1
            return True

        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "\ufffd"
        return Incoming(topic, bytes(message.payload), qos, message.retain, generation, acknowledge)


def _tune_socket(_client: paho.Client, _data: Any, sock: Any) -> None:
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)
    except (OSError, AttributeError):
        log.debug("socket options not set")

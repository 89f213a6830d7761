"""What a received message is: a spool record, a status, a report of rules, or something for the quarantine, with the
reason (pure)."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from xueliang_alerts.contract import (
    MAX_MESSAGE_BYTES,
    Alert,
    Gap,
    Message,
    NodeStatus,
    NotUnderstood,
    content_hash,
    read_message,
    read_status,
)
from xueliang_alerts.desired import ReportedRules, read_reported
from xueliang_alerts.topics import Leaf, parse_topic

LARGEST: Final = 2**63 - 1  # what both databases hold in an integer
INTAKE_TOPIC: Final = "intake/webhook/"  # where a source's signal that could not be taken is kept under
LARGEST_VERSION: Final = 2**31 - 2  # of the centre's own versions of rules: what it gives next must be one, too


class RefusalKind(StrEnum):
    """Why a message is in quarantine."""

    BAD_TOPIC = "bad_topic"
    NOT_UNDERSTOOD = "not_understood"
    FOREIGN_NODE = "foreign_node"  # the payload speaks for another node than the one whose topic it came on
    UNKNOWN_NODE = "unknown_node"  # not registered: no receipt, so that the node repeats it until it is
    CLONED_NODE = "cloned_node"  # the same key with other bytes
    FOREIGN_ALERT = "foreign_alert"  # a revision of an alert that another node, camera or rule has begun
    FOREIGN_CAMERA = "foreign_camera"  # a new alert of a camera that the register gives to another node
    FAILED = "failed"  # understood, and yet it could not be committed: a fault of ours


# Answered "rejected" so that the node stops repeating it. Not: an unknown node (it may be registered in a minute), and
# a clone (that sequence is committed with other bytes).
ANSWERED: Final = frozenset(
    {
        RefusalKind.NOT_UNDERSTOOD,
        RefusalKind.FOREIGN_NODE,
        RefusalKind.FOREIGN_ALERT,
        RefusalKind.FOREIGN_CAMERA,
        RefusalKind.FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes from the broker, and when the centre got them."""

    topic: str
    payload: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class SpoolKey:
    """Identity of a record. `node_id` is the topic's: what the broker has checked."""

    node_id: str
    spool_id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Record:
    """A message that was understood."""

    key: SpoolKey
    content_hash: str
    received: Received
    message: Message

    @property
    def alert(self) -> Alert | None:
        return self.message.body if isinstance(self.message.body, Alert) else None

    @property
    def gap(self) -> Gap | None:
        return self.message.body if isinstance(self.message.body, Gap) else None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message for the quarantine. `key` None: its sequence could not be read, so it cannot be answered."""

    received: Received
    kind: RefusalKind
    reason: str
    node_id: str | None = None
    key: SpoolKey | None = None


def understand(received: Received) -> Record | NodeStatus | ReportedRules | Refusal:
    """Sort one message. Never raises for what it was sent."""
    if received.topic.startswith(INTAKE_TOPIC):
        said = "came over the webhook: its sender sends it again"
        return Refusal(received, RefusalKind.NOT_UNDERSTOOD, said)
    topic = parse_topic(received.topic)
    if topic is None or topic.leaf not in {Leaf.ALERTS, Leaf.STATUS, Leaf.CONFIG_REPORTED}:
        return Refusal(received, RefusalKind.BAD_TOPIC, "not a topic this centre reads")
    try:
        if topic.leaf is Leaf.STATUS:
            return _status(received, topic.node_id)
        if topic.leaf is Leaf.CONFIG_REPORTED:
            return _reported(received, topic.node_id)
        return _record(received, topic.node_id)
    except NotUnderstood as error:
        key = readable_key(topic.node_id, received.payload) if topic.leaf is Leaf.ALERTS else None
        return Refusal(received, RefusalKind.NOT_UNDERSTOOD, error.reason, topic.node_id, key)


def _status(received: Received, node_id: str) -> NodeStatus | Refusal:
    _must_be_storable(received.payload)
    status = read_status(received.payload)
    if status.node_id != node_id:
        return Refusal(received, RefusalKind.FOREIGN_NODE, f"speaks for {status.node_id}", node_id)
    if max(status.last_sequence, status.backlog_records, *status.counters.values(), 0) > LARGEST:
        raise NotUnderstood("a number is too large")
    return status


def _reported(received: Received, node_id: str) -> ReportedRules | Refusal:
    _must_be_storable(received.payload)
    report = read_reported(received.payload)
    if report.node_id != node_id:
        return Refusal(received, RefusalKind.FOREIGN_NODE, f"speaks for {report.node_id}", node_id)
    if report.answer is not None and report.answer.version > LARGEST_VERSION:
        raise NotUnderstood("answer.version: too large")
    return report


def _record(received: Received, node_id: str) -> Record | Refusal:
    _must_be_storable(received.payload)
    message = read_message(received.payload)
    _must_fit(message)
    key = SpoolKey(node_id, str(message.spool_id), message.sequence)
    if message.node_id != node_id:
        return Refusal(received, RefusalKind.FOREIGN_NODE, f"speaks for {message.node_id}", node_id, key)
    return Record(key, content_hash(received.payload), received, message)


def _must_be_storable(payload: bytes) -> None:
    """PostgreSQL keeps no NUL character in text or JSON, so no database gets one."""
    if b"\\u0000" in payload:
        raise NotUnderstood("a NUL character is not allowed")


def _must_fit(message: Message) -> None:
    body = message.body
    if message.sequence > LARGEST:
        raise NotUnderstood("sequence: too large")
    if isinstance(body, Gap) and body.last_sequence >= message.sequence:
        raise NotUnderstood("gap: reaches beyond its own sequence")
    if isinstance(body, Alert):
        if body.rule_version > LARGEST:
            raise NotUnderstood("rule_version: too large")
        if max(body.frame_size_wh or (0,)) > LARGEST:
            raise NotUnderstood("frame_size_wh: too large")


def readable_key(node_id: str, payload: bytes) -> SpoolKey | None:
    """Spool and sequence of something that is otherwise not understood."""
    if len(payload) > MAX_MESSAGE_BYTES:
        return None
    try:
        value = json.loads(payload)
        sequence = value["sequence"]
        spool_id = uuid.UUID(value["spool_id"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if type(sequence) is not int or not 1 <= sequence <= LARGEST:
        return None
    return SpoolKey(node_id, str(spool_id), sequence)

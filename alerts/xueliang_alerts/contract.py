"""The contract between edge and centre: the only thing both sides share.

Invariants
    - A message is identified by (node_id, spool_id, sequence). `spool_id` is made with the spool; `sequence` counts
      from 1 without gaps per spool and goes on over reboots. The same key always has the same bytes; the same key with
      other bytes is a cloned node or a fault and never enters the books.
    - An alert is a series of revisions of one episode. (alert_id, revision) is unique; the highest revision wins,
      whatever the order of arrival.
    - Only `EndReason.SEEN_CLEAR` says that the hazard was seen to be gone. Every other end says that we stopped
      knowing.
    - All wall times are aware UTC. Order and dwell never depend on the wall clocks of two machines.
    - The sender forbids fields it does not know (`extra="forbid"` on the models below); the centre reads with
      `read_message`, which ignores fields added by a newer sender. NaN and infinities are refused on both sides.

Golden files of every version lie in `tests/contract/golden/` and are never edited.
"""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

SCHEMA_VERSION: Final = 1
ID_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
SHA256_PATTERN: Final = r"^[0-9a-f]{64}$"
MAX_MESSAGE_BYTES: Final = 64 * 1024  # an alert is about 1.2 kB; a larger one is a fault and goes to quarantine
MAX_COUNT: Final = 2**53 - 1  # the largest whole number every JSON reader and database keeps exactly
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)  # a node whose clock starts at 1970 may speak of minutes before
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)  # so that no reader's arithmetic overflows
ALERT_NAMESPACE: Final = uuid.UUID("6c1f5c1e-6d0b-5f0e-9a5e-2f8f3f6e4b11")  # any fixed value; part of the contract


def _must_be_utc(value: datetime) -> datetime:
    if value.tzinfo is None or value.utcoffset() != timedelta(0):
        raise ValueError("time must be aware UTC, for example 2026-11-23T08:00:00Z")
    if not EARLIEST <= value < LATEST:
        raise ValueError("time must lie between 1900 and 2200")
    return value.astimezone(UTC)


def _must_be_finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("number must be finite")
    return value


UtcTime = Annotated[datetime, AfterValidator(_must_be_utc)]
Finite = Annotated[float, AfterValidator(_must_be_finite)]
Id = Annotated[str, Field(pattern=ID_PATTERN)]
Sha256 = Annotated[str, Field(pattern=SHA256_PATTERN)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Sequence = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Unit = Annotated[Finite, Field(ge=0.0, le=1.0)]
CounterName = Annotated[str, Field(max_length=64)]
Pixels = Annotated[int, Field(gt=0, le=100_000)]
BoxXyxyn = tuple[Unit, Unit, Unit, Unit]
PointXyn = tuple[Unit, Unit]


class Hazard(StrEnum):
    """What is watched for: things and places, never identities."""

    FIRE_LANE_OBSTRUCTION = "fire_lane_obstruction"
    CROWD = "crowd"
    FIRE_SMOKE = "fire_smoke"
    ILLEGAL_PARKING = "illegal_parking"
    BLOCKED_EXIT = "blocked_exit"
    INTRUSION = "intrusion"
    LINE_CROSSING = "line_crossing"
    WRONG_WAY = "wrong_way"
    EBIKE_INDOORS = "ebike_indoors"
    WATER_LEVEL = "water_level"
    DEBRIS_ON_ROAD = "debris_on_road"
    CAMERA_FAULT = "camera_fault"
    GEO_HAZARD = "geo_hazard"  # a landslide, a debris flow: told by stations, no camera judges it


class Severity(IntEnum):
    """1 is the most severe; colours as in GB alert levels."""

    RED = 1
    ORANGE = 2
    YELLOW = 3
    BLUE = 4


class Phase(StrEnum):
    RAISED = "raised"
    UPDATED = "updated"
    CLEARED = "cleared"


class EndReason(StrEnum):
    """Why an episode ended. Only SEEN_CLEAR verifies an incident."""

    SEEN_CLEAR = "seen_clear"
    RULE_CHANGED = "rule_changed"
    RULE_REMOVED = "rule_removed"
    NODE_STOPPED = "node_stopped"
    VIEW_LOST = "view_lost"


class ClockState(StrEnum):
    """What the node believes of its wall clock when it wrote the record."""

    SYNCHRONISED = "synchronised"
    UNTRUSTED = "untrusted"
    UNKNOWN = "unknown"


class EvidenceKind(StrEnum):
    ONSET = "onset"
    CONFIRM = "confirm"
    END = "end"


class _Contract(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Measure(_Contract):
    """One number behind a decision, with its unit: 0.41 "share", 63 "s", 12 "people"."""

    value: Finite
    unit: Annotated[str, Field(max_length=24)]


class Reason(_Contract):
    """Why a rule decided so.

    `code` is stable, and consoles translate by it (with the alert's measures and `about`); `text` is the whole sentence
    in English, complete without the code: "lane 41 % covered by truck for 63 s >= 60 s".
    """

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    text: Annotated[str, Field(min_length=1, max_length=400)]
    about: Annotated[dict[str, Annotated[str, Field(max_length=80)]], Field(max_length=8)] = {}


class EvidenceRef(_Contract):
    """A masked still that the node will upload (HTTP PUT by hash); it may arrive later than the alert, or never."""

    sha256: Sha256
    kind: EvidenceKind
    bytes: Annotated[int, Field(gt=0, le=8_000_000)]


class Position(_Contract):
    """WGS84 degrees."""

    longitude: Annotated[Finite, Field(ge=-180, le=180)]
    latitude: Annotated[Finite, Field(ge=-90, le=90)]


class Alert(_Contract):
    """One revision of one episode of a rule on an edge node."""

    kind: Literal["alert"] = "alert"
    alert_id: uuid.UUID
    revision: Annotated[int, Field(ge=1, le=1_000_000)]
    phase: Phase
    end_reason: EndReason | None = None
    camera_id: Id
    hazard: Hazard
    rule_id: Id
    rule_version: Annotated[int, Field(ge=1, le=2_000_000_000)]
    severity: Severity
    began_at: UtcTime = Field(description="Onset: when the condition began to hold.")
    raised_at: UtcTime = Field(description="When the dwell was met.")
    observed_at: UtcTime = Field(description="The last picture behind this revision.")
    ended_at: UtcTime | None = Field(
        default=None, description="When the condition was last seen to hold; set when cleared."
    )
    clock_state: ClockState = ClockState.UNKNOWN
    model_digest: Sha256 | None = Field(
        default=None, description="sha256 of the model file; null where no model took part."
    )
    confidence: Unit
    boxes_xyxyn: Annotated[tuple[BoxXyxyn, ...], Field(max_length=64)] = ()
    zone_xyn: Annotated[tuple[PointXyn, ...], Field(min_length=3, max_length=64)] | None = Field(
        default=None,
        description="Corners of where in the picture the rule looked, to be drawn over the stills named here; null: no "
        "still, no such place, or a node that does not tell.",
    )
    frame_size_wh: tuple[Pixels, Pixels] | None = None
    measures: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], Measure], Field(max_length=16)
    ] = {}
    reason: Reason
    evidence: Annotated[tuple[EvidenceRef, ...], Field(max_length=3)] = ()
    drill: bool = False
    position: Position | None = None

    @model_validator(mode="after")
    def _phases_and_ends_agree(self) -> Alert:
        cleared = self.phase is Phase.CLEARED
        if cleared != (self.end_reason is not None) or cleared != (self.ended_at is not None):
            raise ValueError("a cleared revision has end_reason and ended_at; any other phase has neither")
        for left, top, right, bottom in self.boxes_xyxyn:
            if right < left or bottom < top:
                raise ValueError("boxes_xyxyn must be left, top, right, bottom")
        return self


class Gap(_Contract):
    """The node says that it no longer has these records of this spool: evicted by a cap, or damaged beyond reading."""

    kind: Literal["gap"] = "gap"
    first_sequence: Sequence
    last_sequence: Sequence
    why: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]

    @model_validator(mode="after")
    def _in_order(self) -> Gap:
        if self.last_sequence < self.first_sequence:
            raise ValueError("last_sequence must not be below first_sequence")
        return self


Body = Annotated[Alert | Gap, Field(discriminator="kind")]


class Message(_Contract):
    """What travels on `…/alerts`: one spool record. Its bytes are made once, at the spool, and repeated unchanged."""

    schema_version: Annotated[int, Field(ge=1, le=1_000_000)] = SCHEMA_VERSION
    node_id: Id
    spool_id: uuid.UUID
    sequence: Sequence
    boot_id: uuid.UUID = Field(description="Which monotonic clock was used; a new one each start of the node.")
    emitted_at: UtcTime
    body: Body


SequenceRange = tuple[Sequence, Sequence]


class Rejected(_Contract):
    """A record that the centre has put into quarantine: the node stops repeating it."""

    sequence: Sequence
    reason: Annotated[str, Field(max_length=200)]


class SpoolReceipt(_Contract):
    """What of one spool is committed at the centre."""

    spool_id: uuid.UUID
    contiguous_through: Count = Field(description="Everything up to here is settled; 0: nothing yet.")
    committed: Annotated[tuple[SequenceRange, ...], Field(max_length=1000)] = ()
    rejected: Annotated[tuple[Rejected, ...], Field(max_length=200)] = ()

    @model_validator(mode="after")
    def _ranges_in_order(self) -> SpoolReceipt:
        if any(last < first for first, last in self.committed):
            raise ValueError("a committed range must be first, last")
        return self

    def settles(self, sequence: int) -> bool:
        """True when the node need not send this record again: committed, or answered "rejected"."""
        if sequence <= self.contiguous_through:
            return True
        if any(first <= sequence <= last for first, last in self.committed):
            return True
        return any(item.sequence == sequence for item in self.rejected)


class Receipt(_Contract):
    """Retained on `…/receipts`: one entry per spool of this node that the centre has heard of lately, newest first."""

    schema_version: Annotated[int, Field(ge=1, le=1_000_000)] = SCHEMA_VERSION
    node_id: Id
    issued_at: UtcTime
    spools: Annotated[tuple[SpoolReceipt, ...], Field(max_length=4)]


class CameraStatus(_Contract):
    """How one camera of the node does, for the fleet page."""

    camera_id: Id
    state: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]
    since: UtcTime | None = None
    achieved_gap_s: Finite | None = None
    problem: Annotated[str, Field(max_length=300)] | None = None


class NodeState(StrEnum):
    ONLINE = "online"
    STOPPED = "stopped"
    LOST = "lost"  # the broker says it, by the node's last will


class NodeStatus(_Contract):
    """Retained on `…/status`; the last will is the same with state `lost`."""

    schema_version: Annotated[int, Field(ge=1, le=1_000_000)] = SCHEMA_VERSION
    node_id: Id
    state: NodeState
    boot_id: uuid.UUID
    spool_id: uuid.UUID | None = None
    at: UtcTime
    software: Annotated[str, Field(max_length=80)] = ""
    last_sequence: Count = 0
    backlog_records: Count = 0
    backlog_empty_since: UtcTime | None = Field(
        default=None, description="Since when every accepted record is settled."
    )
    clock_state: ClockState = ClockState.UNKNOWN
    cameras: Annotated[tuple[CameraStatus, ...], Field(max_length=256)] = ()
    counters: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[int, Field(ge=-MAX_COUNT, le=MAX_COUNT)]],
        Field(max_length=64),
    ] = {}


class NotUnderstood(ValueError):
    """Bytes that are no message of this contract. `reason` is short, safe to store and to answer with."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason[:200]


def alert_id_of(spool_id: uuid.UUID, camera_id: str, rule_id: str, began_at: datetime) -> uuid.UUID:
    """The episode's id, the same however often it is said: uuid5 of spool, camera, rule and onset (microseconds)."""
    began = _must_be_utc(began_at).isoformat(timespec="microseconds")
    return uuid.uuid5(ALERT_NAMESPACE, f"{spool_id}/{camera_id}/{rule_id}/{began}")


def to_bytes(model: BaseModel) -> bytes:
    """The one encoding on the wire and on disk: compact UTF-8 JSON, keys in the order of the model."""
    return model.model_dump_json(exclude_none=True).encode()


def content_hash(payload: bytes) -> str:
    """sha256 of the bytes as sent: the same key with another content hash is a cloned node."""
    return hashlib.sha256(payload).hexdigest()


def _refuse_constant(name: str) -> object:
    raise NotUnderstood(f"{name} is not allowed")


def must_be_a_json_object(payload: bytes) -> None:
    """What the model's own parser would let pass: too large, NaN in a field we ignore, nesting without end."""
    if len(payload) > MAX_MESSAGE_BYTES:
        raise NotUnderstood(f"message of {len(payload)} bytes, limit {MAX_MESSAGE_BYTES}")
    try:
        value = json.loads(payload.decode("utf-8"), parse_constant=_refuse_constant)
    except NotUnderstood:
        raise
    except (ValueError, RecursionError) as error:
        raise NotUnderstood(f"not UTF-8 JSON: {type(error).__name__}") from error
    if not isinstance(value, dict):
        raise NotUnderstood(f"expected an object, got {type(value).__name__}")


def first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


Read = TypeVar("Read", bound=_Contract)


def _read(model: type[Read], payload: bytes) -> Read:
    """Strict in types ("1" is no number, 1700000000 is no time), lenient in fields that a newer sender has added."""
    must_be_a_json_object(payload)
    try:
        return model.model_validate_json(payload, strict=True, extra="ignore")
    except ValidationError as error:
        raise NotUnderstood(first_problem(error)) from error


def read_message(payload: bytes) -> Message:
    """Read what a node sent, ignoring fields of a newer version.

    Raises:
        NotUnderstood: anything that is not a message of this contract; the reason is safe to store and to answer with.
    """
    return _read(Message, payload)


def read_receipt(payload: bytes) -> Receipt:
    """Read what the centre answered, ignoring fields of a newer version. Raises NotUnderstood."""
    return _read(Receipt, payload)


def read_status(payload: bytes) -> NodeStatus:
    """Read a node's status, ignoring fields of a newer version. Raises NotUnderstood."""
    return _read(NodeStatus, payload)

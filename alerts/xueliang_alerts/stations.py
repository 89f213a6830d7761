"""What a sensor or geo-hazard station says: a signal, and over MQTT the envelope that signs it.

The signal travels in the envelope as text, because its bytes are what is signed: the very body of the webhook.
Strict in types and fields: a station is set up once, and a slip must be seen then.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from xueliang_alerts.contract import (
    Hazard,
    Measure,
    NotUnderstood,
    Phase,
    Position,
    Severity,
    UtcTime,
    first_problem,
    must_be_a_json_object,
)

SIGNAL_LIMIT_BYTES: Final = 16 * 1024  # a signal is about 500 bytes
ENVELOPE_LIMIT_BYTES: Final = 4 * SIGNAL_LIMIT_BYTES  # text within text: quotes and what is not ASCII take more
SOURCE_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,29}$"  # "@" + source + ":" + point must fit where cameras are named
Storable = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


class Signal(BaseModel):
    """One revision of one episode that a sensor or station tells of. The episode: source, point, hazard, began_at."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key: Annotated[Storable, Field(min_length=1, max_length=120, description="The same signal again: the same key.")]
    hazard: Hazard
    severity: Severity
    phase: Phase = Phase.RAISED
    revision: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    point: Annotated[str, Field(pattern=SOURCE_PATTERN, description="Which of its gauges.")] | None = None
    began_at: UtcTime
    observed_at: UtcTime
    text: Annotated[Storable, Field(min_length=1, max_length=200, description="What it measured, in words.")]
    measures: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], Measure], Field(max_length=16)
    ] = {}
    position: Position | None = None
    drill: bool = False

    @field_validator("hazard")
    @classmethod
    def _of_the_city(cls, hazard: Hazard) -> Hazard:
        if hazard is Hazard.CAMERA_FAULT:
            raise ValueError("camera_fault is told by nodes only")
        return hazard

    @model_validator(mode="after")
    def _in_order(self) -> Signal:
        if self.observed_at < self.began_at:
            raise ValueError("observed_at must not be before began_at")
        return self


class SignedSignal(BaseModel):
    """A signal on its way over MQTT. Who it is from, the topic says; the signature holds for that source only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    time: Annotated[str, Field(pattern=r"^[0-9]{1,12}$", description="Seconds since 1970 when it was signed.")]
    signature: Annotated[
        str,
        Field(
            pattern=r"^sha256=[0-9a-f]{64}$",
            description="HMAC-SHA256 under the source's key, as text, over TIME.SOURCE.SIGNAL.",
        ),
    ]
    signal: Annotated[str, Field(min_length=2, max_length=SIGNAL_LIMIT_BYTES, description="The signal, as JSON text.")]


def read_signal(body: bytes) -> Signal:
    """Raises NotUnderstood; its reason is safe to store and to answer with."""
    if len(body) > SIGNAL_LIMIT_BYTES:
        raise NotUnderstood(f"signal of {len(body)} bytes, limit {SIGNAL_LIMIT_BYTES}")
    must_be_a_json_object(body)
    if b"\\u0000" in body:
        raise NotUnderstood("a NUL character is not allowed")
    try:
        return Signal.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise NotUnderstood(first_problem(error)) from error


def read_signed_signal(payload: bytes) -> SignedSignal:
    """Raises NotUnderstood. The signature is not looked at here, nor is the signal."""
    if len(payload) > ENVELOPE_LIMIT_BYTES:
        raise NotUnderstood(f"message of {len(payload)} bytes, limit {ENVELOPE_LIMIT_BYTES}")
    must_be_a_json_object(payload)
    try:
        return SignedSignal.model_validate_json(payload, strict=True)
    except ValidationError as error:
        raise NotUnderstood(first_problem(error)) from error

"""Rules that the centre wants of a node's camera, and what the node says of them. Part of the contract.

Invariants
    - What the centre wants is signed. The signature is over the bytes of `document` as sent: nobody has to agree on
      how JSON is written.
    - A document says for which node and camera it is and carries a version that counts up on its camera: it is of no
      use elsewhere, and an older one is refused once a newer one came.
    - One message is about one camera: a node of 256 cameras hears of one in one message of `MAX_MESSAGE_BYTES` at
      most. They are not retained (a topic keeps one message, a node has many cameras): a node that was off says at its
      start what it runs, and the centre sends again what it lacks.
    - Fields of a document that are not known are refused, not ignored: half of what is wanted is something else.
      Reports are read leniently, as everything a node says.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xueliang_alerts.contract import (
    MAX_MESSAGE_BYTES,
    SCHEMA_VERSION,
    Id,
    NotUnderstood,
    Sequence,
    Sha256,
    UtcTime,
    first_problem,
    must_be_a_json_object,
    to_bytes,
)
from xueliang_alerts.signing import PublicKey, SigningKey

PURPOSE: Final = "xueliang rules 1"
PROBLEMS_AT_MOST: Final = 32
LONGEST_WHY: Final = 400
SchemaVersion = Annotated[int, Field(ge=1, le=1_000_000)]
Who = Annotated[str, Field(min_length=1, max_length=120)]


class _Desired(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DesiredRules(_Desired):
    """The signed document: all rules of one camera; `settings` as under `cameras` in a file of `rules apply`."""

    kind: Literal["rules"] = "rules"
    node_id: Id
    camera_id: Id
    version: Sequence = Field(description="Counts up on its camera at the centre.")
    made_at: UtcTime
    by: Who
    approved_by: Who | None = Field(default=None, description="The second person; null where none was needed.")
    why: Annotated[str, Field(max_length=LONGEST_WHY)]
    settings: dict[str, Any]


class SignedDocument(_Desired):
    """What travels on `…/config/desired`: a DesiredRules as JSON text, and a signature over its UTF-8."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="Of the key: how its sha256 begins.")]
    signature: Annotated[str, Field(min_length=88, max_length=88, description="64 bytes in base64.")]
    document: str


class RuleProblem(_Desired):
    """Why rules were refused: where in the settings, what was expected and what came, what to try."""

    where: Annotated[str, Field(max_length=200)]
    text: Annotated[str, Field(max_length=600)]
    hint: Annotated[str, Field(max_length=400)] = ""


class Outcome(StrEnum):
    """What a node made of a desired version."""

    APPLIED = "applied"
    REFUSED = "refused"


class DesiredAnswer(_Desired):
    """What became of the newest desired version that the node has seen."""

    version: Sequence
    outcome: Outcome
    at: UtcTime
    problems: Annotated[tuple[RuleProblem, ...], Field(max_length=PROBLEMS_AT_MOST)] = ()
    notes: Annotated[tuple[Annotated[str, Field(max_length=400)], ...], Field(max_length=PROBLEMS_AT_MOST)] = ()


class RunningRules(_Desired):
    """What the camera is judged by now.

    Attributes:
        version: the node's own count, which goes up with every change, whoever made it.
        digest: of the settings: the same as that of the desired ones when those are in force.
        source: file, command or centre: who changed them last.
        settings: null: said before by this node since its start, or too large for a message.
    """

    version: Sequence
    digest: Sha256
    source: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]
    since: UtcTime
    by: Annotated[str, Field(max_length=200)] = ""
    note: Annotated[str, Field(max_length=LONGEST_WHY)] = ""
    settings: dict[str, Any] | None = None


class ReportedRules(_Desired):
    """What travels on `…/config/reported`: at each connection, at each change, as an answer, and once an hour."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    node_id: Id
    camera_id: Id
    at: UtcTime
    takes_rules: bool = Field(description="False: this node knows no key of the centre and takes nothing from it.")
    running: RunningRules
    answer: DesiredAnswer | None = None


def signed(document: DesiredRules, key: SigningKey) -> bytes:
    """The message. Raises ValueError: it would be larger than a message may be."""
    text = to_bytes(document)
    envelope = SignedDocument(
        key_id=key.public.key_id,
        signature=base64.b64encode(key.sign(PURPOSE, text)).decode(),
        document=text.decode(),
    )
    payload = to_bytes(envelope)
    if len(payload) > MAX_MESSAGE_BYTES:
        raise ValueError(f"expected at most {MAX_MESSAGE_BYTES} bytes of rules of one camera, got {len(payload)}")
    return payload


def read_desired(payload: bytes, keys: Iterable[PublicKey]) -> DesiredRules:
    """The document of a message that one of these keys signed. Raises NotUnderstood, before anything in it is read."""
    must_be_a_json_object(payload)
    try:
        envelope = SignedDocument.model_validate_json(payload, strict=True)
        signature = base64.b64decode(envelope.signature, validate=True)
    except ValidationError as error:
        raise NotUnderstood(first_problem(error)) from error
    except binascii.Error as error:
        raise NotUnderstood("signature: not base64") from error
    key = next((one for one in keys if one.key_id == envelope.key_id), None)
    if key is None:
        raise NotUnderstood(f"key_id: {envelope.key_id} is none of this node's centre_keys")
    text = envelope.document.encode()
    if not key.holds(PURPOSE, text, signature):
        raise NotUnderstood("signature: not by the key it names")
    must_be_a_json_object(text)
    try:
        return DesiredRules.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise NotUnderstood(f"document.{first_problem(error)}") from error


def read_reported(payload: bytes) -> ReportedRules:
    """What a node says of a camera's rules, ignoring fields of a newer version. Raises NotUnderstood."""
    must_be_a_json_object(payload)
    try:
        return ReportedRules.model_validate_json(payload, strict=True, extra="ignore")
    except ValidationError as error:
        raise NotUnderstood(first_problem(error)) from error

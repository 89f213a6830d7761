"""What routes share: bodies of moves, moments, cursors, the rulebook."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Request
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from xueliang_alerts.contract import SHA256_PATTERN
from xueliang_alerts.desired import LONGEST_WHY
from xueliang_central.centre import centre_of
from xueliang_central.dispatch.working import MAX_PHOTOS, MAX_VOICES
from xueliang_central.errors import CentralError, NotFound
from xueliang_central.incidents.change import Rulebook
from xueliang_central.rights.scope import Actor, may_see

LARGEST_PAGE: Final = 200
MOST_TOGETHER: Final = 200
# Of a route that answers 201 the first time.
SAME_AGAIN: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": dict[str, Any], "description": "The same again, with the answer of the first time."}
}
# A telephone or an identity card, never a house; mobile numbers also as they are spoken: 138 0000 1111, 138-0000-1111.
_LONG_NUMBER: Final = re.compile(r"\d{7,}|1[3-9]\d[ -]\d{4}[ -]?\d{4}|1[3-9]\d{5}[ -]\d{4}|\d{3,4}[ -]\d{4}[ -]\d{3,4}")
# As incidents.service.next_number makes it, and as a note names another case: 20261123-0001.
_INCIDENT_NUMBER: Final = re.compile(r"(?<!\d)20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-\d{4,5}(?!\d)")
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)


class BadCursor(CentralError):
    """A cursor that this centre has not given. Retry: no, begin at the first page."""

    status = 422
    code = "bad_cursor"
    title = "This page cannot be found again"


def _storable(value: str) -> str:
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("characters that cannot be stored")
    return value


def about_things(text: str) -> str:
    """What was seen or done, not by whom: a person's number would be kept as long as the case. Raises ValueError."""
    if _LONG_NUMBER.search(_INCIDENT_NUMBER.sub(" ", text)):
        raise ValueError(
            "expected no telephone or identity number, got one: leave it out and name the office or the role; a"
            " resident's is told as call_back"
        )
    return text


def _in_utc(at: datetime) -> datetime:
    """Near the first and the last year, an offset leads out of what a moment can be."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"expected a moment in the years 1 to 9999 of UTC, got {at.isoformat()}") from None


UtcMoment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Text = Annotated[str, Field(max_length=1000), AfterValidator(_storable)]
# What people write about a case, and others read. Not for what names devices, documents or sums of money, which have
# long numbers of their own: reasons of rules, registers, releases of cameras, funds.
Words = Annotated[Text, AfterValidator(about_things)]
Key = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_storable)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
WhyRules = Annotated[Text, Field(max_length=LONGEST_WHY, description="Everybody who reads the history reads it.")]
BasedOn = Annotated[
    int, Field(ge=0, le=2**31 - 1, description="newest_version as the asker saw it; 409 when there are newer ones.")
]
Version = Annotated[int, Field(ge=1, le=2**31 - 1, description="Of the object as the asker saw it; 409 when it moved.")]


class CaseBody(BaseModel):
    """An incident, as it was seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    incident_id: AnId
    version: Version


class SeveralBody(BaseModel):
    """One judgement of several incidents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    move: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]
    cases: Annotated[tuple[CaseBody, ...], Field(min_length=1, max_length=MOST_TOGETHER)]
    reason_code: Code | None = None
    note: Words | None = None
    idempotency_key: Annotated[Key | None, Field(max_length=80)] = None


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    move: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]
    version: Version
    reason_code: Code | None = None
    note: Words | None = None
    idempotency_key: Key | None = None


class IncidentMoveBody(_Asked):
    """confirm | dispatch | false_alarm | permitted | duplicate | close | reopen."""


AnId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
MOST_SPLIT_OFF: Final = 1000  # of one request; the body must stay below the guard's limit


class _RegroupAsked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    reason_code: Code | None = None
    note: Words | None = None
    idempotency_key: Key | None = None


class MergeBody(_RegroupAsked):
    """Merge another open incident of the same hazard and county into this one. A reason_code or a note is needed."""

    other_id: AnId
    other_version: Version
    keep_task_id: Annotated[
        AnId | None, Field(description="The live task that goes on; needed where both incidents have one.")
    ] = None


class SplitBody(_RegroupAsked):
    """Split alerts off, or give back all that a merge has brought. A reason_code or a note is needed."""

    alert_ids: Annotated[tuple[AnId, ...], Field(max_length=MOST_SPLIT_OFF)] = ()
    absorbed_id: Annotated[AnId | None, Field(description="Undo the merge of this incident.")] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> SplitBody:
        if bool(self.alert_ids) == (self.absorbed_id is not None):
            raise ValueError("give either alert_ids or absorbed_id")
        return self


class Near(BaseModel):
    """Where a phone was, WGS84, degrees. The centre keeps only how far that is from the camera, to 100 m."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    longitude: Annotated[float, Field(ge=-180, le=180)]
    latitude: Annotated[float, Field(ge=-90, le=90)]


Photos = tuple[Annotated[str, Field(pattern=SHA256_PATTERN)], ...]


class FixBody(BaseModel):
    """Where a phone was, WGS84, degrees, and how well it knew. Kept is only how far that is from the camera."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    longitude: Annotated[float, Field(ge=-180, le=180)]
    latitude: Annotated[float, Field(ge=-90, le=90)]
    accuracy_m: Annotated[float, Field(ge=0, le=1_000_000, description="Radius that holds the phone in 95 of 100.")]
    age_s: Annotated[float, Field(ge=0, le=604_800, description="How old the position was when the act was done.")]


class TaskMoveBody(_Asked):
    """take | arrive | handled | refuse | return | check_in | help | message | ask_suspension | take_back_suspension |
    resume | ask_later_limit | take_back_later_limit."""

    photos: Annotated[
        Photos, Field(max_length=MAX_PHOTOS, description="Uploaded before, by PUT /api/photos/{sha256}.")
    ] = ()
    photos_before: Annotated[
        Photos, Field(max_length=MAX_PHOTOS, description="Those of `photos` taken before anything was done.")
    ] = ()
    acted_at: Annotated[
        AwareDatetime | None, Field(description="When it was done, by the phone's clock. Told; no limit follows it.")
    ] = None
    near: Near | None = None
    voices: Annotated[
        Photos, Field(max_length=MAX_VOICES, description="Voice notes, uploaded before, by PUT /api/voices/{sha256}.")
    ] = ()
    fix: Annotated[FixBody | None, Field(description="A position told on purpose: check_in needs it, help may.")] = None
    until: Annotated[
        UtcMoment | None,
        Field(description="ask_suspension needs it: when the task goes on; ask_later_limit: the limit asked for."),
    ] = None


class HelpAnswerBody(BaseModel):
    """Who comes to a worker who has asked for help. A reason_code or a note is needed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    reason_code: Code | None = None
    note: Words | None = None
    idempotency_key: Key | None = None


def rulebook_of(request: Request) -> Rulebook:
    """Made once per application from the centre's tree and policies."""
    state = request.app.state
    found: Rulebook | None = getattr(state, "rulebook", None)
    if found is None:
        centre = centre_of(request)
        found = state.rulebook = Rulebook.of(centre.areas, centre.policies)
    return found


def path_seen(request: Request, actor: Actor, code: str) -> str:
    """The path of an area that the actor may see. Raises NotFound."""
    found = centre_of(request).areas.tree.find(code)
    if found is None or not may_see(actor, found.path):
        raise NotFound("area")
    return found.path


def cursor_of(at: datetime, object_id: str) -> str:
    """Where a page ends: opaque to the client."""
    return base64.urlsafe_b64encode(f"{at.astimezone(UTC).isoformat()}|{object_id}".encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Raises BadCursor."""
    try:
        at, _, object_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        found = datetime.fromisoformat(at)
        if found.tzinfo is None:
            raise BadCursor
        found = found.astimezone(UTC)
    except (ValueError, OverflowError, binascii.Error) as error:  # overflow: beyond year 9999 once in UTC
        raise BadCursor from error
    if found < _EARLIEST or not object_id or "\0" in object_id:
        raise BadCursor
    return found, object_id[:64]

"""Requests of the centre to a node, and their answers in pages. Part of the contract; `contract.py` has its invariants.

Invariants
    - A command is for now: it says until when it is of use, and is not carried out afterwards.
    - A node carries out a `request_id` once, whatever the broker repeats. It acknowledges before it begins: a node that
      dies in between never answers, and who asked has stopped waiting at `expires_at`.
    - Fields that are not known are refused, not ignored: half a command is another command.
    - An answer has a page at least, and each is at most `MAX_MESSAGE_BYTES`: fresh alerts pass between two.
    - A picture in an answer is masked like any still; where it cannot be, there is none, and the answer says why.
    - A node of before there was `look` or `live` does not understand it, and says so in a page of `backtest` with
      `error`.
    - Live view is the one way on which pictures leave a node unmasked, and they leave it by HTTP, never over the
      broker. A node that does not allow it itself refuses whatever the centre says.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xueliang_alerts.contract import (
    Count,
    Id,
    Measure,
    NotUnderstood,
    Sha256,
    UtcTime,
    first_problem,
    must_be_a_json_object,
)

REQUEST_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"
LONGEST_WAIT: Final = timedelta(minutes=10)  # a command that may wait longer would surprise whoever sent it
PAGES_AT_MOST: Final = 100  # 6 MB: more than a person reads
PREVIEW_BYTES: Final = 24_000  # as base64 32 kB: 4 s over 64 kbit/s, 8 s where something else takes half of the link
MARK_CHARACTERS: Final = 160
VIEWS_AT_MOST: Final = 16  # as a camera has at most in the configuration: 4 KB beside a preview
JUDGED_AT_MOST: Final = 400  # of at most 122 bytes: 16 KB of a message are left for the rule

RequestId = Annotated[str, Field(pattern=REQUEST_ID_PATTERN)]
Page = Annotated[int, Field(ge=1, le=PAGES_AT_MOST)]


class _Commands(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class JudgedAlert(_Commands):
    """What people have said of an alert. `at`: a moment at which it was open."""

    alert_id: UUID
    verdict: Literal["true", "false", "permitted"]
    at: UtcTime


class BacktestCommand(_Commands):
    """Try a draft of a rule on what a camera showed. `rule` is one rule as it would stand under the camera.

    Attributes:
        suggest_from: alerts of the rule that people have judged. Then changes of the rule are asked for that rid it of
            the false ones, and the rows are those of `xueliang-edge backtest --suggest --json`. An older node does
            not know the field and refuses the command; without it a command is what it always was.
    """

    command: Literal["backtest"]
    request_id: RequestId
    expires_at: UtcTime
    camera_id: Id
    rule: dict[str, Any]
    from_at: UtcTime | None = None
    to_at: UtcTime | None = None
    suggest_from: Annotated[tuple[JudgedAlert, ...], Field(min_length=1, max_length=JUDGED_AT_MOST)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_at is not None and self.to_at is not None and self.from_at >= self.to_at:
            told = f"{self.from_at.isoformat()} and {self.to_at.isoformat()}"
            raise ValueError(f"from_at: expected a moment before to_at, got {told}")
        return self


class ResultPage(_Commands):
    """A part of an answer. The last one has page = pages.

    Attributes:
        rows: as `xueliang-edge backtest --json` writes them.
        left_out: rows that fit nowhere; said on the last page.
        error: why there is no answer, in words. Then it is the only page, without rows.
    """

    command: Literal["backtest"]
    request_id: Annotated[str, Field(max_length=64)]
    page: Page
    pages: Page
    rows: tuple[dict[str, Any], ...]
    left_out: Count = 0
    error: Annotated[str, Field(max_length=4000)] | None = None

    @model_validator(mode="after")
    def _in_sequence(self) -> Self:
        if self.page > self.pages:
            raise ValueError(f"page: expected at most pages ({self.pages}), got {self.page}")
        return self

    @property
    def is_last(self) -> bool:
        return self.page == self.pages


class LookCommand(_Commands):
    """Look at a camera now: what a rule of it says at this moment, and a masked still.

    Attributes:
        rule_id: None: no rule is asked about; the still shows the whole picture, as rules are drawn over it.
    """

    command: Literal["look"]
    request_id: RequestId
    expires_at: UtcTime
    camera_id: Id
    rule_id: Id | None = None


class Says(StrEnum):
    """What a rule says of the picture that it was asked about."""

    HOLDS = "holds"
    CLEAR = "clear"
    UNCLEAR = "unclear"
    """The picture is good, and the place is hidden."""
    OUTSIDE_HOURS = "outside_hours"
    """The rule's schedule is over: it does not judge now."""
    CANNOT_SEE = "cannot_see"
    """There was no picture, or none that shows the place: `why` says which."""
    NO_RULE = "no_rule"
    """Nobody asked about a rule: there is a picture, and nothing is said of it."""


class FullStill(_Commands):
    """The still in full, which the node uploads after its answer (HTTP PUT by hash); it may come late, or never."""

    sha256: Sha256
    bytes: Annotated[int, Field(gt=0, le=8_000_000)]
    size_wh: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]


class NamedView(_Commands):
    """One of the views of a camera that turns, as its node is configured; see `ViewSettings` of the configuration.

    Attributes:
        state: a stable word for what the node knows of it: "no_reference" (nobody has shown it to the node yet),
            "learning", "known", "beside" (the camera looks beside it steadily: moved zones wait for a person at the
            node). None: not said; a node of a release before does not.
    """

    view_id: Id
    name: Annotated[str, Field(min_length=1, max_length=80)]
    state: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")] | None = None


class LookResult(_Commands):
    """The answer to a look: one message. The full still follows it by the way of all stills.

    Attributes:
        observed_at: when the picture was taken; None: there is none.
        says: see `Says`; None beside `error`.
        since: HOLDS: since when; CLEAR: when it was last seen to hold or, once its alert has ended, when that was seen.
            None: not known, or nothing to say.
        has_alert: an alert of the rule is open.
        measures: the figure people follow: share, count. Empty: the rule has none, or it was not judged.
        why: CANNOT_SEE: a stable word for the reason ("offline", "frozen", "covered"…).
        preview: JPEG of the masked still, smaller, base64; at most `PREVIEW_BYTES` of JPEG.
        no_picture: a stable word for why there is no preview ("detector_late", "too_much_moves"…).
        view_id: the view that the picture shows; None: none of them, or the camera's are not told apart.
        views: of the camera; empty: it stands still. None: not said, because a rule was asked about, the node cannot
            look, or it is of a release that does not say it.
        error: why there is no answer, in words.
    """

    command: Literal["look"]
    request_id: Annotated[str, Field(max_length=64)]
    observed_at: UtcTime | None = None
    says: Says | None = None
    since: UtcTime | None = None
    has_alert: bool = False
    measures: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], Measure], Field(max_length=4)
    ] = {}
    why: Annotated[str, Field(max_length=40)] | None = None
    preview: Annotated[str, Field(max_length=PREVIEW_BYTES * 4 // 3 + 4, pattern=r"^[A-Za-z0-9+/]*={0,2}$")] | None = (
        None
    )
    no_picture: Annotated[str, Field(max_length=40)] | None = None
    still: FullStill | None = None
    view_id: Id | None = None
    views: Annotated[tuple[NamedView, ...], Field(max_length=VIEWS_AT_MOST)] | None = None
    error: Annotated[str, Field(max_length=4000)] | None = None

    @model_validator(mode="after")
    def _says_or_fails(self) -> Self:
        if (self.says is None) == (self.error is None):
            raise ValueError("says: expected what the rule says, or an error, and not both")
        return self


class LiveCommand(_Commands):
    """Send a camera's stream to the centre (HTTP POST, `/api/live-feeds/{camera_id}/{view_id}`) for one viewer.

    Attributes:
        until_at: it ends by then at the latest, whoever still watches.
        mark: what stands in every key picture.
    """

    command: Literal["live"]
    request_id: RequestId
    expires_at: UtcTime
    camera_id: Id
    view_id: UUID
    until_at: UtcTime
    mark: Annotated[str, Field(min_length=1, max_length=MARK_CHARACTERS, pattern=r"^[ -~]*$")]


class LiveResult(_Commands):
    """Whether the node has begun. `error`: why not, in words; None: it sends, or says over HTTP why it cannot."""

    command: Literal["live"]
    request_id: Annotated[str, Field(max_length=64)]
    error: Annotated[str, Field(max_length=4000)] | None = None


Command = BacktestCommand | LookCommand | LiveCommand
Result = ResultPage | LookResult | LiveResult

_COMMANDS: Final[dict[Any, type[BacktestCommand | LookCommand | LiveCommand]]] = {
    "look": LookCommand,
    "live": LiveCommand,
}
_RESULTS: Final[dict[Any, type[ResultPage | LookResult | LiveResult]]] = {"look": LookResult, "live": LiveResult}


def read_command(payload: bytes) -> Command:
    """Raises NotUnderstood; the reason is safe to answer with. Whether it is too late is asked elsewhere."""
    must_be_a_json_object(payload)
    model = _COMMANDS.get(_kind(payload), BacktestCommand)
    try:
        return model.model_validate_json(payload, strict=True)
    except ValidationError as error:
        raise NotUnderstood(first_problem(error)) from error


def read_result(payload: bytes) -> Result:
    """One message of an answer, ignoring fields of a newer version. Raises NotUnderstood."""
    must_be_a_json_object(payload)
    model = _RESULTS.get(_kind(payload), ResultPage)
    try:
        return model.model_validate_json(payload, strict=True, extra="ignore")
    except ValidationError as error:
        raise NotUnderstood(first_problem(error)) from error


def _kind(payload: bytes) -> str:
    value = json.loads(payload)
    kind = value.get("command") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""


def why_not_now(command: Command, at: datetime) -> str | None:
    """Why it is not carried out at this moment; None: it is."""
    if at >= command.expires_at:
        late_s = (at - command.expires_at).total_seconds()
        return f"expires_at: {command.expires_at.isoformat()} was {late_s:.0f} s ago by this node's clock: not done"
    if command.expires_at > at + LONGEST_WAIT:
        limit_s = LONGEST_WAIT.total_seconds()
        return f"expires_at: expected at most {limit_s:.0f} s ahead, got {command.expires_at.isoformat()}"
    return None

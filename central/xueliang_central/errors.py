"""Every error of the centre that someone can act on.

    CentralError
    ├── StoreError
    │   ├── DatabaseUnavailable   retry helps: the database is down, frozen, locked or being migrated
    │   ├── DatabaseConflict      retry helps: two transactions met; run the whole transaction again
    │   └── SchemaError           no: the schema is not the one this program knows, or the URL cannot serve these roles
    ├── RightsError
    │   ├── NotSignedIn           no, sign in first (also: session expired or revoked)
    │   │   └── PhoneRevoked      no: the phone is bound no more; by password, or enrolled anew
    │   ├── EnrolmentOver         with a new code of the supervisor: unknown, used, voided, or of too long ago
    │   ├── PhoneRefused          once more with a new challenge: over, answered before, or another key has signed
    │   ├── CodeNeeded            with a code of the second factor, which this person has
    │   ├── WrongPassword         no; the same answer for an unknown name
    │   ├── WrongOldPassword      with the right one: of a person who changes the own password; counted
    │   ├── PasswordRefused       with another: `reason` says what a new password must be and this one is not
    │   ├── WrongCode             with another code: wrong, used before, or of too long ago
    │   ├── SecondStepOver        after signing in again: the first step was too long ago, or done elsewhere
    │   ├── SecondFactorNeeded    after enrolling one: whoever approves must have it here
    │   ├── SecondFactorUnreadable when the key file is there again: the secret cannot be unsealed
    │   ├── SignOnFailed          by local sign-in; `reason` says whether the provider may answer another time
    │   ├── NotAllowed            no: the role lacks the permission
    │   ├── CrossSite             no: a foreign origin, or the CSRF token is missing or wrong
    │   └── Throttled             yes, after `retry_after_s`
    ├── NotFound                  no: missing, or outside the actor's scope (the answers are the same on purpose)
    ├── Conflict                  yes, after reading again: the version is stale, or the thing exists already
    ├── MoveRefused               no: the state machine or the input does not allow it
    ├── PictureRefused            no: not a picture, too large
    │   └── PictureDamaged        yes: not the promised bytes
    ├── SilenceRefused            no: carries every problem: what can never be silenced, is too long, or not whole
    ├── RulesRefused              no: carries every problem of the rules: where, what was expected, what to try
    ├── CameraNotReleased         after it was signed for: purpose, legal basis, sign and view of the camera
    ├── ReleaseRefused            no: carries every problem of what was to be signed for
    ├── RosterRefused             no: carries every problem of a roster: where, what was expected, what came
    ├── ContactsRefused          no: carries every problem of a person's addresses: where, what was expected
    ├── ReportRefused             no: the days asked about, or too many rows for the form asked for
    ├── BacktestRefused           no: the draft or the time asked about; in the node's words
    ├── LookRefused               sometimes: no camera watches it, or the node does not look now; in words
    ├── LiveRefused               sometimes: live view is off, or node or camera cannot give it now; in words
    ├── NotEnoughJudged           when more alerts are judged: carries how many are, and how many are needed
    ├── NodeTooOld                when the node has a newer release
    ├── GivenUp                   nobody reads it: who asked has gone
    ├── NodeAway                  yes, when the node or the broker is back
    ├── NodeSilent                yes, about a shorter time: the node took the question, or not, and did not answer
    ├── TooLarge                  no: the body is over the limit of the route
    └── ImportRefused             no: the file must be mended; carries every problem

`status`, `code` and `title` are what the HTTP answer says (problem+json); `detail` is safe to show: no path, no SQL,
no secret. A status of 500 and more speaks of this process and what it cannot do without; what somebody else does not
answer is 424 (docs/decisions/0059).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol


class CentralError(Exception):
    """Root. `detail` may be shown to a client; `extra` are further members of the problem document."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong here"
    retry_after_s: int | None = None  # the header of the answer; None: nothing can be said

    def __init__(self, detail: str = "", **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.extra = extra


class StoreError(CentralError):
    retry_after_s = 2


class DatabaseUnavailable(StoreError):
    status = 503
    code = "database_unavailable"
    title = "The database does not answer"


class DatabaseConflict(StoreError):
    status = 503
    code = "database_conflict"
    title = "Two changes met, try again"


class SchemaError(StoreError):
    status = 503
    code = "schema"
    title = "The database is not ready for this program"


class RightsError(CentralError):
    pass


class NotSignedIn(RightsError):
    status = 401
    code = "not_signed_in"
    title = "Sign in first"


class PhoneRevoked(NotSignedIn):
    code = "phone_revoked"
    title = "This phone is enrolled no more"


class EnrolmentOver(RightsError):
    status = 422  # not 401: the console would take a session for ended
    code = "enrolment_over"
    title = "This code enrols no phone any more"


class PhoneRefused(RightsError):
    status = 422
    code = "phone_refused"
    title = "The phone has not proved that it has its key"


class CodeNeeded(RightsError):
    status = 422
    code = "code_needed"
    title = "A code of the second factor is needed"


class WrongPassword(RightsError):
    status = 401
    code = "wrong_password"
    title = "User name or password is wrong"


class WrongOldPassword(RightsError):
    status = 422  # not 401: the console would take a session for ended
    code = "wrong_old_password"
    title = "The old password is wrong"


class PasswordRefused(RightsError):
    status = 422
    code = "password_refused"
    title = "This cannot be the new password"


class WrongCode(RightsError):
    status = 422  # not 401: the console would take a session for ended
    code = "wrong_code"
    title = "The code is wrong or was used before"


class SecondStepOver(RightsError):
    status = 401
    code = "second_step_over"
    title = "Sign in again from the beginning"


class SecondFactorNeeded(RightsError):
    status = 403
    code = "second_factor_needed"
    title = "Enrol a second factor first"


class SecondFactorUnreadable(RightsError):
    status = 503
    code = "second_factor_unreadable"
    title = "The second factor cannot be checked now"
    retry_after_s = 2


class SignOnFailed(RightsError):
    """Signing in at the identity provider came to nothing.

    `reason`: "unavailable" (away, too slow, sends elsewhere), "nonsense" (not what the protocol says), "refused" (the
    provider's no), "stale" (this browser began no such sign-in, or too long ago), "unregistered" (the centre does not
    know the person).
    """

    status = 424  # no answer says it: every route leads back to the sign-in page
    code = "sign_on_failed"
    title = "Signing in at the identity provider failed"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class NotAllowed(RightsError):
    status = 403
    code = "not_allowed"
    title = "Your role may not do this"


class CrossSite(RightsError):
    status = 403
    code = "cross_site"
    title = "The request does not come from this console"


class Throttled(RightsError):
    status = 429
    code = "throttled"
    title = "Too many attempts"

    def __init__(self, detail: str = "", *, retry_after_s: int = 1) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s


class NotFound(CentralError):
    status = 404
    code = "not_found"
    title = "There is no such thing here"


class Conflict(CentralError):
    status = 409
    code = "conflict"
    title = "It has changed meanwhile"


class MoveRefused(CentralError):
    status = 422
    code = "move_refused"
    title = "This cannot be done now"


class PictureRefused(CentralError):
    status = 422
    code = "picture_refused"
    title = "The picture was refused"


class PictureDamaged(PictureRefused):
    """Its bytes have another hash than the one that was promised: sent again it may be right."""


class SilenceProblem(Protocol):
    """One thing to mend: which field, what was expected."""

    @property
    def where(self) -> str: ...

    @property
    def expected(self) -> str: ...


class SilenceRefused(CentralError):
    status = 422
    code = "silence_refused"
    title = "This cannot be silenced"

    def __init__(self, problems: Sequence[SilenceProblem]) -> None:
        listed = [{"where": one.where, "expected": one.expected} for one in problems]
        super().__init__("; ".join(f"{one.where}: {one.expected}" for one in problems), problems=listed)


@dataclass(frozen=True, slots=True)
class RulesProblem:
    """One thing to mend in a camera's rules: where in them, what was expected and what came, what to try."""

    where: str
    text: str
    hint: str = ""


class RulesRefused(CentralError):
    status = 422
    code = "rules_refused"
    title = "These rules cannot be taken"

    def __init__(self, problems: Sequence[RulesProblem]) -> None:
        listed = [asdict(one) for one in problems]
        super().__init__("; ".join(f"{one.where}: {one.text}" for one in problems), problems=listed)


class CameraNotReleased(CentralError):
    """`extra`: camera_id, state, missing."""

    status = 409
    code = "camera_not_released"
    title = "This camera is not released"


class ReleaseRefused(CentralError):
    status = 422
    code = "release_refused"
    title = "This cannot be signed for"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems), problems=list(problems))


class RosterProblem(Protocol):
    """One thing to mend: which field, what was expected, what came."""

    @property
    def where(self) -> str: ...

    @property
    def expected(self) -> str: ...

    @property
    def got(self) -> str: ...


class RosterRefused(CentralError):
    status = 422
    code = "roster_refused"
    title = "This roster cannot be taken"

    def __init__(self, problems: Sequence[RosterProblem]) -> None:
        listed = [{"where": one.where, "expected": one.expected, "got": one.got} for one in problems]
        told = "; ".join(f"{one.where}: expected {one.expected}, got {one.got}" for one in problems)
        super().__init__(told, problems=listed)


class ContactsRefused(CentralError):
    """What came is a person's address and is not repeated."""

    status = 422
    code = "contacts_refused"
    title = "These addresses cannot be taken"

    def __init__(self, problems: Sequence[SilenceProblem]) -> None:
        listed = [{"where": one.where, "expected": one.expected} for one in problems]
        super().__init__("; ".join(f"{one.where}: expected {one.expected}" for one in problems), problems=listed)


class ReportRefused(CentralError):
    status = 422
    code = "report_refused"
    title = "This report cannot be made"


class BacktestRefused(CentralError):
    status = 422
    code = "backtest_refused"
    title = "The rule cannot be tried like this"


class NotEnoughJudged(CentralError):
    status = 422
    code = "not_enough_judged"
    title = "Too few alerts of this rule are judged"


class NodeTooOld(CentralError):
    status = 422
    code = "node_too_old"
    title = "The node is of an older release"


class GivenUp(CentralError):
    status = 409
    code = "given_up"
    title = "Who asked has gone"


class NodeAway(CentralError):
    status = 424
    retry_after_s = 10
    code = "node_away"
    title = "The node cannot be asked now"


class LookRefused(CentralError):
    status = 422
    code = "look_refused"
    title = "The camera cannot be looked at now"


class LiveRefused(CentralError):
    status = 422
    code = "live_refused"
    title = "This camera cannot be watched live"


class NodeBusy(CentralError):
    status = 409
    code = "node_busy"
    title = "Another question is being answered"


class NodeSilent(CentralError):
    status = 424
    retry_after_s = 10
    code = "node_silent"
    title = "The node did not answer"


class TooLarge(CentralError):
    status = 413
    code = "too_large"
    title = "The body is too large"


class ImportRefused(CentralError):
    """A file of areas, cameras or rosters that must be mended first; nothing of it was taken."""

    status = 422
    code = "import_refused"
    title = "The file was refused"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems), problems=list(problems))
        self.problems = tuple(problems)

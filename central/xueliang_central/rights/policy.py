"""What each route demands.

Every route declares exactly one policy by a dependency: `Depends(require(Permission.X))`, `Depends(require_node)` or
`Depends(public)`. `undeclared_routes` finds those that do not, and the application refuses to be built with one.
The dependency answers who asks; whether the object is in that actor's scope is judged after it was loaded
(rights/scope.py), and what lies outside is answered like what does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIRouter
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.centre import centre_of
from xueliang_central.errors import CrossSite, NotAllowed, NotSignedIn, SecondFactorNeeded
from xueliang_central.rights.accounts import CSRF_HEADER, SESSION_COOKIE, actor_of_session, csrf_matches
from xueliang_central.rights.administrators import must_enrol
from xueliang_central.rights.scope import Actor, Role

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Permission(StrEnum):
    PUBLIC = "public"  # anyone, signed in or not
    NODE = "node"  # an edge node with its token
    SOURCE = "source"  # a sensor or station whose body is signed with its key
    RECEIVER = "receiver"  # another system with its token, for what is told of its area
    UNIT = "unit"  # a lane's managing unit with the link of one request
    GATEWAY = "gateway"  # the gateway that hands in what units answer
    SIGNED_IN = "signed_in"
    SEE_AREAS = "see_areas"
    SEE_CAMERAS = "see_cameras"
    SEE_INCIDENTS = "see_incidents"
    JUDGE_INCIDENTS = "judge_incidents"
    SUSPEND_TASKS = "suspend_tasks"
    MOVE_LIMITS = "move_limits"
    SUPERVISE_INCIDENTS = "supervise_incidents"
    TELL_PRESENCE = "tell_presence"
    SEE_HAND_OVERS = "see_hand_overs"
    WRITE_HAND_OVERS = "write_hand_overs"
    SEE_TASKS = "see_tasks"
    WORK_TASKS = "work_tasks"
    ADD_PHOTOS = "add_photos"
    SEE_PICTURES = "see_pictures"
    LOOK_NOW = "look_now"
    SEE_FLEET = "see_fleet"
    SEE_POLICIES = "see_policies"
    FOLLOW_EVENTS = "follow_events"
    TRY_RULES = "try_rules"
    SEE_RULES = "see_rules"
    CHANGE_RULES = "change_rules"
    DECIDE_RULES = "decide_rules"
    SEE_SILENCES = "see_silences"
    MAKE_SILENCES = "make_silences"
    ANSWER_PROPOSALS = "answer_proposals"
    SEE_ROSTERS = "see_rosters"
    SEE_OWN_ROSTER = "see_own_roster"
    REPLACE_ROSTERS = "replace_rosters"
    RECEIVE_NOTICES = "receive_notices"
    MANAGE_NOTICES = "manage_notices"
    MANAGE_CONTACTS = "manage_contacts"
    SEE_ACCOUNTS = "see_accounts"
    SEE_BULK_READS = "see_bulk_reads"
    MANAGE_ACCOUNTS = "manage_accounts"
    SEE_PHONES = "see_phones"
    ENROL_PHONES = "enrol_phones"
    SEE_REPORTS = "see_reports"
    SEE_NOISE = "see_noise"
    SEE_WALL = "see_wall"
    EXPORT_LEDGER = "export_ledger"
    SEE_ASSESSMENT = "see_assessment"
    SEE_RETENTION = "see_retention"
    HOLD_INCIDENTS = "hold_incidents"
    SEE_CAP = "see_cap"
    REPORT_SIGHTINGS = "report_sightings"
    SEE_SIGHTINGS = "see_sightings"
    CALL_BACK = "call_back"
    SEE_LANES = "see_lanes"
    CHANGE_LANES = "change_lanes"
    SEE_DUTY_PHONES = "see_duty_phones"
    SEE_RELEASES = "see_releases"
    RELEASE_CAMERAS = "release_cameras"
    WATCH_LIVE = "watch_live"


_EVERYONE: Final = frozenset(Role)
# Who keeps accounts sees nothing of the streets, and a wall only what `SEE_WALL` shows (routes/wall.py).
_SERVICE: Final = frozenset(Role) - {Role.SECURITY, Role.VIEWER}
_OFFICE: Final = _SERVICE - {Role.WORKER}

# A worker sees tasks and what belongs to them, nothing of the queue behind them; who of the desks may work a task is
# judged with the task. An auditor sees everything and changes nothing.
ROLES_OF: Final[Mapping[Permission, frozenset[Role]]] = {
    Permission.SIGNED_IN: _EVERYONE,
    Permission.SEE_AREAS: _EVERYONE,
    Permission.SEE_CAMERAS: _OFFICE,
    Permission.SEE_INCIDENTS: _OFFICE,
    Permission.JUDGE_INCIDENTS: frozenset({Role.ADMIN, Role.OPERATOR, Role.SUPERVISOR}),
    # That it is another person than who asked is judged with the request (dispatch/requesting.py).
    Permission.SUSPEND_TASKS: frozenset({Role.SUPERVISOR, Role.ADMIN}),
    Permission.MOVE_LIMITS: frozenset({Role.SUPERVISOR, Role.ADMIN}),
    # That it is of a centre above is judged with the incident (dispatch/supervising.py).
    Permission.SUPERVISE_INCIDENTS: frozenset({Role.ADMIN, Role.OPERATOR, Role.SUPERVISOR}),
    Permission.TELL_PRESENCE: frozenset({Role.OPERATOR, Role.SUPERVISOR}),  # who can have a seat
    Permission.SEE_HAND_OVERS: frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR}),
    Permission.WRITE_HAND_OVERS: frozenset({Role.OPERATOR, Role.SUPERVISOR}),
    Permission.SEE_TASKS: _SERVICE,
    Permission.WORK_TASKS: frozenset({Role.WORKER, Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN}),
    Permission.ADD_PHOTOS: frozenset({Role.WORKER, Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN}),
    Permission.SEE_PICTURES: _SERVICE,
    # A camera is asked for something new, by whoever acts on it or tunes its rule. An auditor sees what was kept.
    Permission.LOOK_NOW: _SERVICE - {Role.AUDITOR},
    Permission.SEE_FLEET: _OFFICE,
    Permission.SEE_POLICIES: _OFFICE,
    Permission.FOLLOW_EVENTS: _SERVICE | {Role.VIEWER},  # a wall hears that something changed, and not what
    Permission.TRY_RULES: frozenset({Role.RULE_OPERATOR, Role.ADMIN}),
    Permission.SEE_RULES: _OFFICE,
    Permission.CHANGE_RULES: frozenset({Role.RULE_OPERATOR, Role.ADMIN}),
    # That it is another person than who proposed it is judged with the version (camera_rules/service.py).
    Permission.DECIDE_RULES: frozenset({Role.RULE_OPERATOR, Role.SUPERVISOR, Role.ADMIN}),
    Permission.SEE_SILENCES: _OFFICE,
    # Which kind each of them may make, and who ends one, is judged with the silence (silences/service.py).
    Permission.MAKE_SILENCES: frozenset({Role.OPERATOR, Role.RULE_OPERATOR, Role.SUPERVISOR, Role.ADMIN}),
    Permission.ANSWER_PROPOSALS: frozenset({Role.RULE_OPERATOR, Role.ADMIN}),
    Permission.SEE_ROSTERS: _OFFICE,
    Permission.SEE_OWN_ROSTER: frozenset({Role.WORKER, Role.OPERATOR, Role.SUPERVISOR}),  # who can have one
    Permission.REPLACE_ROSTERS: frozenset({Role.SUPERVISOR, Role.ADMIN}),
    Permission.RECEIVE_NOTICES: _EVERYONE - {Role.SECURITY, Role.VIEWER},  # each only the own
    Permission.MANAGE_NOTICES: frozenset({Role.ADMIN}),
    Permission.MANAGE_CONTACTS: frozenset({Role.ADMIN}),
    Permission.SEE_ACCOUNTS: frozenset({Role.SECURITY, Role.AUDITOR}),
    Permission.SEE_BULK_READS: frozenset({Role.AUDITOR}),
    # That it is another person's account is judged with the account (rights/keeping.py).
    Permission.MANAGE_ACCOUNTS: frozenset({Role.SECURITY}),
    Permission.SEE_PHONES: frozenset({Role.SUPERVISOR, Role.SECURITY, Role.AUDITOR}),
    # Who leads the workers, and who keeps their accounts; a system administrator keeps none. That it is a worker's of
    # the own areas is judged with the account (rights/enrolling.py).
    Permission.ENROL_PHONES: frozenset({Role.SUPERVISOR, Role.SECURITY}),
    Permission.SEE_REPORTS: _OFFICE,
    Permission.SEE_NOISE: _OFFICE,
    Permission.SEE_WALL: _OFFICE | {Role.VIEWER},
    Permission.EXPORT_LEDGER: frozenset({Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR}),  # it names people
    Permission.SEE_ASSESSMENT: frozenset({Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR}),
    Permission.SEE_RETENTION: _OFFICE,
    Permission.HOLD_INCIDENTS: frozenset({Role.SUPERVISOR, Role.ADMIN}),
    Permission.SEE_CAP: frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR}),
    # On a resident's behalf only a desk: judged with the sighting (intake/service.py).
    Permission.REPORT_SIGHTINGS: frozenset({Role.WORKER, Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN}),
    Permission.SEE_SIGHTINGS: _OFFICE,
    Permission.CALL_BACK: frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN}),
    Permission.SEE_LANES: _OFFICE,
    Permission.CHANGE_LANES: frozenset({Role.SUPERVISOR, Role.ADMIN}),
    Permission.SEE_RELEASES: frozenset({Role.RULE_OPERATOR, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR}),
    # Who draws the rules does not sign for the camera.
    Permission.RELEASE_CAMERAS: frozenset({Role.SUPERVISOR, Role.ADMIN}),
    # No role has it: it is given to a person, for a time (live_views/granting.py).
    Permission.WATCH_LIVE: frozenset(),
    # Whoever sends people. A worker is shown the number with a task that is under way (routes/tasks.py).
    Permission.SEE_DUTY_PHONES: frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN}),
}

_MARK: Final = "declared_permission"

Dependency = Callable[[Request], Coroutine[Any, Any, Actor]]
Given = Callable[[AsyncConnection, Actor, datetime], Coroutine[Any, Any, object]]
"""Raises NotAllowed where this person was not given the permission either."""


def allows(role: Role, permission: Permission) -> bool:
    return role in ROLES_OF.get(permission, frozenset())


def require(permission: Permission, given: Given | None = None) -> Dependency:
    """A dependency that gives the Actor, or refuses: 401 without session, 403 without permission, CSRF token or the
    second factor that is demanded. `given`: asked of whoever does not have the permission by the role."""
    if permission not in ROLES_OF:
        raise ValueError(f"{permission} is not a permission of people; use require_node or public")

    async def judge(request: Request) -> Actor:
        actor = await _actor(request)
        if not allows(actor.role, permission):
            await _must_be_given(request, actor, given)
        demanded = centre_of(request).settings.second_factor
        # Who must enrol one may do that and sign out, and nothing else.
        if permission is not Permission.SIGNED_IN and must_enrol(
            actor.role, demanded=demanded, has_second_factor=actor.has_second_factor
        ):
            raise SecondFactorNeeded
        return actor

    setattr(judge, _MARK, permission)
    return judge


async def _must_be_given(request: Request, actor: Actor, given: Given | None) -> None:
    if given is None:
        raise NotAllowed
    centre = centre_of(request)
    async with centre.database.reading() as conn:
        await given(conn, actor, centre.wall())


async def _actor(request: Request) -> Actor:
    centre = centre_of(request)
    token = request.cookies.get(SESSION_COOKIE, "")
    if not token:
        raise NotSignedIn
    if request.method not in SAFE_METHODS and not csrf_matches(token, request.headers.get(CSRF_HEADER, "")):
        raise CrossSite("the CSRF token is missing or wrong")
    async with centre.database.reading() as conn:
        return await actor_of_session(conn, token, at=centre.wall())


async def public() -> None:
    """Declares that a route is for anyone."""


async def require_node(request: Request) -> str:
    """The node_id whose token came as `Authorization: Bearer …`; 401 otherwise."""
    from xueliang_central.fleet.nodes import node_of_token  # fleet stands above rights

    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn("a node's token is needed")
    async with centre_of(request).database.reading() as conn:
        node_id = await node_of_token(conn, token.strip())
    if node_id is None:
        raise NotSignedIn("no node has this token")
    return node_id


def declare(dependency: Callable[..., Any], permission: Permission) -> None:
    """A route with this dependency declares this policy."""
    setattr(dependency, _MARK, permission)


declare(public, Permission.PUBLIC)
declare(require_node, Permission.NODE)


def _declared(dependant: Dependant) -> Iterable[Permission]:
    for dependency in dependant.dependencies:
        mark = getattr(dependency.call, _MARK, None)
        if mark is not None:
            yield mark
        yield from _declared(dependency)


def permission_of(route: APIRoute) -> Permission | None:
    """The one policy a route declares; None when it declares none, or more than one."""
    found = list(_declared(route.dependant))
    return found[0] if len(found) == 1 else None


def undeclared_routes(router: APIRouter) -> list[str]:
    """Routes without exactly one declared policy, as "GET /api/x"."""
    return [
        f"{'/'.join(sorted(getattr(route, 'methods', None) or {'?'}))} {getattr(route, 'path', '?')}"
        for route in router.routes
        if not isinstance(route, APIRoute) or permission_of(route) is None
    ]

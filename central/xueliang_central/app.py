"""Builds the FastAPI application from a Centre. Refuses to be built with a route that declares no policy."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from xueliang_central.centre import Centre
from xueliang_central.rights.policy import undeclared_routes
from xueliang_central.routes import (
    accounts,
    areas,
    backtests,
    camera_rules,
    camera_stills,
    cameras,
    console,
    evidence,
    fleet,
    fresh_looks,
    health,
    policies,
    rule_copies,
    rule_defaults,
    rules_overview,
    second_factors,
    shadow_rules,
    single_sign_on,
    stream,
    suggestions,
    users,
    waiting_rules,
)
from xueliang_central.routes.guard import Guard
from xueliang_central.routes.problems import speak_problems
from xueliang_central.routes.rates import Rates

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_ROUTERS: Final = (
    health.router,
    accounts.router,
    second_factors.router,
    single_sign_on.router,
    users.router,
    areas.router,
    cameras.router,
    backtests.router,
    suggestions.router,
    camera_rules.router,
    camera_stills.router,
    rules_overview.router,
    rule_copies.router,
    rule_defaults.router,
    shadow_rules.router,
    waiting_rules.router,
    fleet.router,
    policies.router,
    evidence.router,
    fresh_looks.router,
    stream.router,
)


_FLOW: Final = (
    "many_incidents",
    "reviews",
    "incidents",
    "regrouping",
    "seats",
    "hand_overs",
    "tasks",
    "silences",
    "rosters",
    "notices",
    "reports",
    "noise",
    "wall",
    "standing",
    "retention",
    "disclosure",
    "camera_releases",
    "cap",
    "cap_feed",
    "intake",
    "sightings",
    "duty_weeks",
    "lanes",
    "keeping",
    "side_moves",
    "messages",
    "suspensions",
    "later_limits",
    "checklists",
    "units",
    "voices",
    "live_views",
    "live_rights",
    "phones",
    "own_phone",
    "bulk_reads",
)


def all_routers() -> tuple[APIRouter, ...]:
    """Every router, the console's catch-all last."""
    flow = tuple(importlib.import_module(f"xueliang_central.routes.{name}").router for name in _FLOW)
    return (*_ROUTERS, *flow, console.router)


def create_app(centre: Centre, *, lifespan: Lifespan | None = None, rates: Rates | None = None) -> ASGIApp:
    """The application, behind its guard.

    Args:
        lifespan: starts and stops what must run beside the routes; None in tests that start what they need.

    Raises:
        RuntimeError: a route declares no policy.
    """
    app = bare_app(lifespan)
    app.state.centre = centre
    return Guard(
        app,
        database_is_up=lambda: centre.health.database_is_up,
        rates=rates or Rates(centre.mono),
        public_origin=centre.settings.public_origin,
        hsts=centre.settings.secure_cookie,
    )


def bare_app(lifespan: Lifespan | None = None) -> FastAPI:
    """Routes and error answers only: what the OpenAPI document is made from."""
    app = FastAPI(
        title="Xueliang Edge centre",
        version="1",
        description="Errors are RFC 9457 problem documents. Unsafe methods need X-CSRF-Token (see /api/session).",
        openapi_url=None,  # the document is a file; its pages would load scripts from elsewhere
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    speak_problems(app)
    for router in all_routers():
        undeclared = undeclared_routes(router)
        if undeclared:
            raise RuntimeError(f"no policy declared: {', '.join(undeclared)}")
    app.router.routes.extend(_routes())
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """All of them, as an application serves them.

    They hold nothing of one application, and the framework takes longer to make them than to answer dozens of
    requests: a process that makes many applications (tests do) makes them once.
    """
    gathered = APIRouter()
    for router in all_routers():
        gathered.include_router(router)
    return tuple(gathered.routes)

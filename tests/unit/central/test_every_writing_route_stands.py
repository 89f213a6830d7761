"""No route writes for an account that was changed between its request and its commit.

Goes through every route that may write for a person, by its source: the function of the route and those of its module
that it calls. Each must open its transactions by `acting`, or by `changing` with its actor, both of which ask whether
the account still stands; or it hands the actor on to a function of another module that does, named here.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from xueliang_central.camera_rules import second
from xueliang_central.dispatch import one_by_one, staffing
from xueliang_central.openapi import app_routes
from xueliang_central.rights import own_password, second_factor
from xueliang_central.rights.policy import ROLES_OF, SAFE_METHODS, permission_of
from xueliang_central.routes import backtests, evidence

ELSEWHERE: Final[dict[str, Callable[..., Any]]] = {
    "POST /api/camera-rules/decisions": second.decide_each,
    "POST /api/cameras/{camera_id}/suggestions": backtests.note_trial,
    "PUT /api/voices/{sha256}": evidence.note_sent,
    "POST /api/session/password": own_password.change_own,
    "POST /api/session/second-factor/confirm": second_factor.confirm,
    "POST /api/session/second-factor/recovery-codes": second_factor.renew_codes,
    "POST /api/incidents/moves": one_by_one.each,
    "POST /api/reviews": one_by_one.each,
    "POST /api/seat/presence": staffing.say_present,
}
WRITES_NOTHING: Final = {
    "POST /api/cameras/{camera_id}/rules/check": "judges a draft",
    "POST /api/rule-copies/check": "judges a draft",
    "POST /api/rule-defaults/{area_code}/check": "judges a draft",
}
ALWAYS: Final = {"DELETE /api/session": "signing out ends a session, whatever has become of the account"}
# Attempts are counted whoever makes them, and before they are judged.
COUNTS_ATTEMPTS: Final = {"change_own"}
COUNTS_ALONE: Final = frozenset({"count"})


def _routes() -> Iterator[tuple[str, APIRoute]]:
    for route in app_routes():
        for method in sorted(route.methods - SAFE_METHODS):
            if permission_of(route) in ROLES_OF:
                yield f"{method} {route.path}", route


ROUTES: Final = dict(_routes())


@cache
def _functions(module: ModuleType) -> dict[str, ast.AST]:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: node for node in tree.body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)}


def _calls(function: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(function) if isinstance(node, ast.Call)]


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _reached(endpoint: Callable[..., Any], but: frozenset[str] = frozenset()) -> list[ast.Call]:
    """The calls of a function, and of those of its module that it leads to, `but` these."""
    functions = _functions(inspect.getmodule(endpoint))  # type: ignore[arg-type]
    todo, seen, found = [endpoint.__name__], set(but), list[ast.Call]()
    while todo:
        name = todo.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        calls = _calls(functions[name])
        found += calls
        todo += [_name(call) for call in calls if isinstance(call.func, ast.Name)]
    return found


def _asks(call: ast.Call) -> bool:
    """Does this transaction ask whether the account stands?"""
    with_actor = any(keyword.arg == "actor" for keyword in call.keywords)
    return _name(call) == "acting" or (_name(call) == "changing" and with_actor)


def _transactions(calls: list[ast.Call]) -> list[ast.Call]:
    return [call for call in calls if _name(call) in {"acting", "changing", "transaction"}]


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_it_asks_in_every_transaction(name: str) -> None:
    opened = _transactions(_reached(ROUTES[name].endpoint))
    if name in WRITES_NOTHING:
        assert not opened
    elif name not in ALWAYS:
        assert all(map(_asks, opened)), f"{name}: a transaction without `acting` or `changing(…, actor=actor)`"
        assert opened or name in ELSEWHERE, f"{name}: where is its transaction? Name it in ELSEWHERE"


def _place(function: Callable[..., Any]) -> str:
    """The same in every process that collects."""
    return f"{function.__module__}.{function.__name__}"


@pytest.mark.parametrize("function", sorted(set(ELSEWHERE.values()), key=_place), ids=lambda one: one.__name__)
def test_what_it_is_handed_on_to_asks(function: Callable[..., Any]) -> None:
    opened = _transactions(_reached(function, COUNTS_ALONE))
    counted = 1 if function.__name__ in COUNTS_ATTEMPTS else 0
    assert [_asks(call) for call in opened] == [False] * counted + [True]


def test_only_routes_that_are_there_are_named() -> None:
    assert {*ELSEWHERE, *WRITES_NOTHING, *ALWAYS} <= set(ROUTES)

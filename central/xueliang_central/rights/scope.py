"""Role x subtree (or grant): the one filter between a person and a row.

A row belongs to the area whose path it carries ("3701/370102/…", root first). An actor sees the subtree of the own
area and of each grant: a path equal to it, or beginning with it and "/". An empty path belongs to no area, and
nobody sees it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, false, or_

SelectT = TypeVar("SelectT", bound=Select[Any])


class Role(StrEnum):
    """What a person is. ADMIN, SECURITY and AUDITOR are the three administrators (`rights/administrators.py`)."""

    ADMIN = "admin"  # the system administrator: areas, cameras, nodes, rules
    SECURITY = "security"  # the security administrator: accounts, roles, second factors
    OPERATOR = "operator"
    RULE_OPERATOR = "rule_operator"
    SUPERVISOR = "supervisor"
    WORKER = "worker"
    AUDITOR = "auditor"  # the audit administrator: sees, changes nothing
    VIEWER = "viewer"  # a screen on a wall: no person, no pictures, no names


@dataclass(frozen=True, slots=True)
class Actor:
    """A person who is signed in.

    Attributes:
        user_id: UUID text.
        name: the user name, as audit records and timelines show it.
        area_path: root of the own subtree.
        grants: further subtrees, for example the neighbouring grid that asked for help.
        has_second_factor: has enrolled one; every session of this person has passed it then.
        session: hash of the token of the session that asks; "" where none does.
    """

    user_id: str
    name: str
    role: Role
    area_path: str
    grants: tuple[str, ...] = ()
    has_second_factor: bool = False
    session: str = field(default="", repr=False, compare=False)

    @property
    def roots(self) -> tuple[str, ...]:
        return tuple(path for path in (self.area_path, *self.grants) if path)


def within(path: str, root: str) -> bool:
    """True when `path` is `root` or lies below it."""
    return bool(root) and (path == root or path.startswith(f"{root}/"))


def may_see(actor: Actor, area_path: str) -> bool:
    return any(within(area_path, root) for root in actor.roots)


def in_scope(column: ColumnElement[str], actor: Actor) -> ColumnElement[bool]:
    """The same as `may_see`, as a condition on a column of area paths."""
    if not actor.roots:
        return false()
    return or_(*(in_area(column, root) for root in actor.roots))


def in_area(column: ColumnElement[str], root: str) -> ColumnElement[bool]:
    """The same as `within`, as a condition on a column of area paths. `root` must not be empty."""
    return or_(column == root, column.startswith(f"{root}/", autoescape=True))


def scoped(query: SelectT, column: ColumnElement[str], actor: Actor) -> SelectT:
    """`query`, narrowed to what the actor may see."""
    return query.where(in_scope(column, actor))

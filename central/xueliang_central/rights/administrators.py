"""The three administrators, whom no person may combine: who runs the system, who keeps the accounts, who audits both.

Invariants
    - An account has one role, and once it was one of the three it never becomes another of them, by no detour.
    - An account of one of the three names its holder, and no holder has two accounts (`rights/people.py`): so no person
      has two of the three either.
Pure: who is asked comes in, the reason why not goes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from xueliang_central.rights.scope import Role

ADMINISTRATORS: Final = {
    Role.ADMIN: "system administrator",
    Role.SECURITY: "security administrator",
    Role.AUDITOR: "audit administrator",
}

# Whose approval lets something happen: a rule's second person, extensions of clocks, closings that a desk may not make;
# and whoever keeps the system, the accounts or the book of both.
APPROVERS: Final = frozenset({*ADMINISTRATORS, Role.SUPERVISOR, Role.RULE_OPERATOR})


@dataclass(frozen=True, slots=True)
class Standing:
    """What is judged of an account: `role` and `was` as the database has them."""

    username: str
    role: str
    holder: str | None
    was: str | None


def must_enrol(role: Role, *, demanded: str, has_second_factor: bool) -> bool:
    """Whether this person may do nothing but enrol a second factor. `demanded`: "optional", "approvers", "everyone"."""
    asked = demanded == "everyone" or (demanded == "approvers" and role in APPROVERS)
    return asked and not has_second_factor


def administered_as(role: str, was: str | None) -> str | None:
    """Which of the three the account is from now on, for good; None: none of them yet."""
    return was or (str(role) if role in set(ADMINISTRATORS) else None)


def why_not(role: Role, *, holder: str | None, was: str | None) -> str | None:
    """Why an account may not have this role; None when it may."""
    if role not in ADMINISTRATORS:
        return None
    if was is not None and was != role.value:
        first = ADMINISTRATORS[Role(was)]
        return f"this account was {first}: its holder cannot become {ADMINISTRATORS[role]}; give that to another person"
    if holder is None:
        return f"a {ADMINISTRATORS[role]}'s account names its holder: the person's number, which no other account has"
    return None


def breaches(accounts: Iterable[Standing]) -> Sequence[str]:
    """One line for each account that breaks the rule, by user name: what an older release, or a hand, has left."""
    told = []
    for account in sorted(accounts, key=lambda one: one.username):
        if account.role not in set(Role):
            told.append(f"{account.username}: the role {account.role!r} is none of this program")
            continue
        refused = why_not(Role(account.role), holder=account.holder, was=account.was)
        if refused:
            told.append(f"{account.username}: {refused}")
    return told

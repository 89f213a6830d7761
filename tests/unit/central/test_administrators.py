"""The three administrators: which account may become what, who must have a second factor, which permissions meet."""

from __future__ import annotations

import itertools

import pytest

from xueliang_central.rights.administrators import (
    ADMINISTRATORS,
    Standing,
    administered_as,
    breaches,
    must_enrol,
    why_not,
)
from xueliang_central.rights.policy import ROLES_OF, Permission
from xueliang_central.rights.scope import Role


@pytest.mark.parametrize(("was", "role"), list(itertools.permutations(ADMINISTRATORS, 2)))
def test_one_administrator_never_becomes_another(was: Role, role: Role) -> None:
    refused = why_not(role, holder="p-17", was=was.value)
    assert refused is not None
    assert ADMINISTRATORS[was] in refused
    assert ADMINISTRATORS[role] in refused


@pytest.mark.parametrize("was", list(ADMINISTRATORS))
def test_no_detour_over_another_role_forgets_it(was: Role) -> None:
    kept = administered_as(was, None)
    for between in set(Role) - set(ADMINISTRATORS):
        assert why_not(between, holder=None, was=kept) is None
        kept = administered_as(between, kept)
    assert kept == was.value
    assert why_not(was, holder="p-17", was=kept) is None


@pytest.mark.parametrize("role", list(Role))
def test_an_administrator_names_the_holder_and_nobody_else_must(role: Role) -> None:
    assert (why_not(role, holder=None, was=None) is not None) == (role in ADMINISTRATORS)


def test_breaches_are_named_by_account() -> None:
    told = breaches(
        [
            Standing("zhou", "admin", "p-1", "admin"),
            Standing("wu", "auditor", "p-2", "admin"),
            Standing("li", "admin", None, "admin"),
            Standing("qin", "worker", None, None),
            Standing("he", "root", None, None),
        ]
    )
    assert [line.partition(":")[0] for line in told] == ["he", "li", "wu"]
    assert "none of this program" in told[0]
    assert "names its holder" in told[1]
    assert "was system administrator" in told[2]


def test_accounts_are_kept_by_one_of_the_three_alone_who_sees_nothing_of_the_streets() -> None:
    assert ROLES_OF[Permission.MANAGE_ACCOUNTS] == {Role.SECURITY}
    assert Role.ADMIN not in ROLES_OF[Permission.SEE_ACCOUNTS]
    assert {permission for permission, roles in ROLES_OF.items() if Role.SECURITY in roles} == {
        Permission.SIGNED_IN,
        Permission.SEE_AREAS,
        Permission.SEE_ACCOUNTS,
        Permission.MANAGE_ACCOUNTS,
        Permission.SEE_PHONES,
        Permission.ENROL_PHONES,
    }


@pytest.mark.parametrize("role", list(Role))
def test_of_whom_a_second_factor_is_demanded(role: Role) -> None:
    approves = role not in {Role.WORKER, Role.OPERATOR, Role.VIEWER}
    assert must_enrol(role, demanded="approvers", has_second_factor=False) == approves
    assert must_enrol(role, demanded="everyone", has_second_factor=False)
    assert not must_enrol(role, demanded="optional", has_second_factor=False)
    assert not must_enrol(role, demanded="everyone", has_second_factor=True)

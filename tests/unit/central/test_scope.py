"""Who sees which path: in Python, and as a condition in SQL, must be one and the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, String, Table, create_engine, insert, select

from xueliang_central.rights.policy import ROLES_OF, Permission, allows, require
from xueliang_central.rights.scope import Actor, Role, in_scope, may_see, scoped

PARTS = ("3701", "370102", "370103", "3701_2", "37%", "370102001", "a")
paths = st.lists(st.sampled_from(PARTS), min_size=0, max_size=4).map("/".join)


def actor(path: str, *grants: str, role: Role = Role.OPERATOR) -> Actor:
    return Actor("11111111-1111-1111-1111-111111111111", "wang", role, path, grants)


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("3701/370102", True),
        ("3701/370102/370102001", True),
        ("3701", False),
        ("3701/370103", False),
        ("3701/3701021", False),
        ("", False),
    ],
)
def test_a_subtree_is_seen_and_nothing_beside_it(path: str, seen: bool) -> None:
    assert may_see(actor("3701/370102"), path) is seen


def test_a_grant_adds_one_subtree() -> None:
    helper = actor("3701/370102/370102001", "3701/370103")
    assert may_see(helper, "3701/370103/370103001")
    assert not may_see(helper, "3701/370102/370102002")


def test_an_actor_without_area_sees_nothing() -> None:
    assert not may_see(actor(""), "")
    assert not may_see(actor(""), "3701")


@given(own=paths, granted=st.lists(paths, max_size=2), rows=st.lists(paths, max_size=12, unique=True))
def test_the_condition_in_sql_is_the_function_in_python(own: str, granted: list[str], rows: list[str]) -> None:
    table = Table("t", MetaData(), Column("path", String, primary_key=True))
    engine = create_engine("sqlite://")
    someone = actor(own, *granted)
    with engine.begin() as conn:
        table.metadata.create_all(conn)
        if rows:
            conn.execute(insert(table), [{"path": row} for row in rows])
        found = set(conn.execute(scoped(select(table.c.path), table.c.path, someone)).scalars())
        also = set(conn.execute(select(table.c.path).where(in_scope(table.c.path, someone))).scalars())
    engine.dispose()
    assert found == also == {row for row in rows if may_see(someone, row)}


def test_a_worker_does_not_see_the_queue_and_an_auditor_changes_nothing() -> None:
    assert not allows(Role.WORKER, Permission.SEE_INCIDENTS)
    for permission in (Permission.JUDGE_INCIDENTS, Permission.WORK_TASKS, Permission.ADD_PHOTOS):
        assert not allows(Role.AUDITOR, permission)


def test_every_permission_of_people_has_roles() -> None:
    without = {permission for permission in Permission if permission not in ROLES_OF}
    assert without == {
        Permission.PUBLIC,
        Permission.NODE,
        Permission.SOURCE,
        Permission.RECEIVER,
        Permission.UNIT,
        Permission.GATEWAY,
    }
    for permission in without:
        with pytest.raises(ValueError, match="not a permission of people"):
            require(permission)

"""A column is one of these values, with a statement that is the same however many there are.

`column IN (…)` is another text for every count, and PostgreSQL parses and plans each anew. An array is one parameter.
It is unnested, not compared by `= ANY`: a plan that was made while a table was small goes through all of it, and would
hold each row against each value (measured: 30,000 cameras against 3,200, half a second a batch until the next ANALYZE).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, String, bindparam, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection


def among(conn: AsyncConnection, column: ColumnElement[Any], values: Collection[str]) -> ColumnElement[bool]:
    """`column` is one of `values` (text); none of them: false."""
    if conn.dialect.name != "postgresql":
        return column.in_(list(values))
    return column.in_(select(func.unnest(bindparam(None, list(values), type_=ARRAY(String), unique=True))))


def pairs_among(
    conn: AsyncConnection,
    first: ColumnElement[Any],
    second: ColumnElement[Any],
    pairs: Collection[tuple[str, str]],
) -> ColumnElement[bool]:
    """(`first`, `second`) is one of `pairs` (text). Use it beside other conditions, never within an *or*."""
    if conn.dialect.name != "postgresql":
        return tuple_(first, second).in_(list(pairs))
    halves = (bindparam(None, [pair[n] for pair in pairs], type_=ARRAY(String), unique=True) for n in (0, 1))
    return tuple_(first, second).in_(select(*(func.unnest(half) for half in halves)))

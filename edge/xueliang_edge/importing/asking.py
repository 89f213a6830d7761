"""What was typed on the command line, checked: nodes with their room, columns for all rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from xueliang_configs.values import PlainId
from xueliang_edge.errors import ImportRefused
from xueliang_edge.importing.columns import IN_BULK, SECRET, Column, column_of
from xueliang_edge.importing.planning import Asked
from xueliang_edge.importing.spreading import NodeRoom

_ID: TypeAdapter[str] = TypeAdapter(PlainId)


def asked_of(
    table: Path,
    *,
    nodes: Sequence[str],
    sheet: str | None,
    bulk: Sequence[str],
    keeps_unreachable: bool,
    assumed_node: str,
) -> Asked:
    """All of it, checked.

    Raises:
        ImportRefused: with every problem, a line each.
    """
    problems: list[str] = []
    rooms: dict[str, NodeRoom] = {}
    for text in nodes:
        room = _node(text, assumed_node)
        if isinstance(room, str):
            problems.append(room)
        elif room.name in rooms:
            problems.append(f'--node: "{room.name}" is named twice')
        else:
            rooms[room.name] = room
    columns: dict[Column, str] = {}
    for text in bulk:
        pair = _column(text)
        if isinstance(pair, str):
            problems.append(pair)
        else:
            columns[pair[0]] = pair[1]
    if problems:
        raise ImportRefused("\n".join(problems))
    return Asked(table, tuple(rooms.values()), sheet, columns, keeps_unreachable)


def _node(text: str, assumed_node: str) -> NodeRoom | str:
    name, equals, room = text.partition("=")
    try:
        _ID.validate_python(name)
    except ValidationError as error:
        return f"--node: {error.errors()[0]['msg']}"
    cores, comma, mbit = (room if equals else assumed_node).partition(",")
    numbers = [_number(part) for part in (cores, mbit)]
    if not comma or None in numbers:
        return f'--node {name}: expected NAME=CORES,MBIT with numbers above 0, got "{text}"; try: --node {name}=4,200'
    return NodeRoom(name, numbers[0] or 0.0, numbers[1] or 0.0, is_assumed=not equals)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None


def _column(text: str) -> tuple[Column, str] | str:
    name, equals, value = text.partition("=")
    column = column_of(name)
    known = ", ".join(IN_BULK)
    if column not in IN_BULK or column is None:
        return f'--set: expected one of {known} before "=", got "{name[:40]}"'
    if not equals or not value.strip():
        return f"--set {column}: expected {column}=VALUE, got no value"
    if column in SECRET and not value.startswith("${"):
        # A command line is seen by everybody on the machine, and kept in the shell's history.
        return f"--set {column}: expected a reference, ${{NAME}} in single quotes; no login belongs on a command line"
    return column, value.strip()

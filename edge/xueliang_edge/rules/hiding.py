"""Cells of a zone that something outside it hides, as a bus does on the road before a fire lane, and since when: since
when things stand on them nobody has seen. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator, TypeAdapter

from xueliang_edge.rules.episodes import Moment
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.rasters import PointSet, members_of, set_of_members

HIDDEN_S: Final = 10.0  # a bus that comes, halts and goes takes no longer; the middle of a longer time says nothing

_MOST_CELLS: Final = 1 << 16  # far beyond any grid
_MEMBERS: Final = TypeAdapter(tuple[int, ...])


def set_written(written: Any) -> PointSet:
    """Cells as a snapshot names them, one by one."""
    members = _MEMBERS.validate_python(written)
    wrong = next((one for one in members if not 0 <= one < _MOST_CELLS), None)
    if wrong is not None:
        raise ValueError(f"a cell of a zone: expected 0 to {_MOST_CELLS - 1}, got {wrong}")
    return set_of_members(members)


Cells = Annotated[PointSet, PlainValidator(set_written), PlainSerializer(members_of, return_type=tuple[int, ...])]


@dataclass(frozen=True, slots=True)
class Veil:
    """Cells that have been hidden at every look since the same one.

    Attributes:
        since: the first look at which they were; None: for longer than `HIDDEN_S`.
    """

    cells: Cells
    since: Moment | None


def veils_after(veils: Sequence[Veil], hidden: PointSet, now: Moment) -> tuple[Veil, ...]:
    """One look further, which shows these cells hidden. Those hidden for longest come first."""
    if not (veils or hidden):
        return ()
    return joined(veils, [Veil(hidden, now)], now)


def joined(before: Sequence[Veil], later: Sequence[Veil], now: Moment) -> tuple[Veil, ...]:
    """Of veils and later ones, oldest first: what is hidden in the end, each cell since it first was."""
    hidden, begun, after, long = 0, 0, [], 0
    for veil in later:
        hidden |= veil.cells
    for veil in (*before, *later):
        cells = veil.cells & hidden & ~begun
        begun |= cells
        if cells and is_long(veil.since, now):
            long |= cells
        elif cells:
            after.append(Veil(cells, veil.since))
    return (Veil(long, None), *after) if long else tuple(after)


def is_long(since: Moment | None, now: Moment) -> bool:
    """Hidden for too long to say anything."""
    return since is None or now.seen_s - since.seen_s > HIDDEN_S


def last_free_s(veils: Sequence[Veil], cells: PointSet, needed: float) -> float | None:
    """When these cells were last seen, but for fewer than `needed`, in seconds of watching; None: at the last look,
    or too long ago.
    """
    count = 0
    for veil in veils:
        count += (veil.cells & cells).bit_count()
        if count >= needed:
            return None if veil.since is None else veil.since.seen_s - veil.since.unseen_s
    return None

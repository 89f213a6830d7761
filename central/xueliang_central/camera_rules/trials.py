"""Changes that are tried on some cameras first, of whatever kind: what an area says, or a set of rules that is copied.

A kind keeps its trials in a table of its own; what is the same in all of them is here: how cameras did before, the
times of watching, the end, and who is told. Each in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree
from xueliang_central.camera_rules.canary import Band, Breach, CanaryState, Figures
from xueliang_central.camera_rules.tables import rule_versions
from xueliang_central.dispatch.telling import who_is_told
from xueliang_central.errors import Conflict, MoveRefused
from xueliang_central.fleet.tables import camera_states
from xueliang_central.notices import outbox
from xueliang_central.people import rosters

Row = dict[str, Any]
LOOK_S: Final = 60.0
OK_STATES: Final = frozenset({"streaming", "watching"})
UNKNOWN_STATES: Final = frozenset({"unknown", "connecting"})
NOTICE_SEVERITY: Final = 3
MOVES: Final = ("promote", "roll_back")
NOT_OVER: Final = (CanaryState.BEGUN, CanaryState.WATCHED, CanaryState.HELD)


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the trials of one kind are.

    Attributes:
        trials: a row for each, with the columns of `tables.trial_columns`.
        cameras: a row for each of its cameras, with `was_faulty` and `gap_before_s`.
        key: columns of both that tell a trial; `made`: those of rule_versions that name it, in the same order.
        is_tried: name of the column of `cameras` that says on which it is tried; None: on all of them.
    """

    trials: Table
    cameras: Table
    key: tuple[str, ...]
    made: tuple[str, ...]
    is_tried: str | None = None

    def one(self, trial: Mapping[str, Any]) -> ColumnElement[bool]:
        return and_(*(self.trials.c[name] == trial[name] for name in self.key))

    def tried(self, trial: Mapping[str, Any]) -> ColumnElement[bool]:
        """Of `cameras`: those on which it is tried."""
        only = true() if self.is_tried is None else self.cameras.c[self.is_tried]
        return and_(only, *(self.cameras.c[name] == trial[name] for name in self.key))

    def made_by(self, trial: Mapping[str, Any]) -> ColumnElement[bool]:
        """Of rule_versions: those that it has made."""
        return and_(*(rule_versions.c[made] == trial[name] for made, name in zip(self.made, self.key, strict=True)))


@dataclass(frozen=True, slots=True)
class Kind:
    """What follows from a look at trials of one kind. Each is called with a trial that `locked` has returned."""

    kept: Kept
    locked: Callable[[AsyncConnection, Row], Awaitable[Row | None]]
    promote: Callable[[AsyncConnection, Row, str | None, datetime], Awaitable[None]]
    roll_back: Callable[[AsyncConnection, AreaTree, Row, str | None, Sequence[Breach], datetime], Awaitable[None]]
    hold: Callable[[AsyncConnection, AreaTree, Row, datetime], Awaitable[None]]


def is_faulty(state: str | None) -> bool:
    return state is not None and state not in OK_STATES and state not in UNKNOWN_STATES


def band_of(trial: Mapping[str, Any]) -> Band:
    return Band(**trial["band"])


def must_be_open(trial: Mapping[str, Any], name: str) -> None:
    """Raises MoveRefused (no such move), Conflict (it is over)."""
    if name not in MOVES:
        raise MoveRefused(f"no such move: {name[:24]}", moves=list(MOVES))
    if trial["state"] not in NOT_OVER:
        raise Conflict(f"this canary is {trial['state']}", state=trial["state"])


async def note_before(conn: AsyncConnection, kept: Kept, trial: Mapping[str, Any]) -> None:
    """How its cameras do before they have the change."""
    its = kept.cameras.c
    mine = kept.tried(trial)
    states = select(camera_states).where(camera_states.c.camera_id.in_(select(its.camera_id).where(mine)))
    for row in (await conn.execute(states)).mappings().all():
        values = {"was_faulty": is_faulty(row["state"]), "gap_before_s": row["achieved_gap_s"]}
        one = its.camera_id == row["camera_id"]
        await conn.execute(update(kept.cameras).where(mine, one).values(**values))


async def watch(conn: AsyncConnection, kept: Kept, trial: Mapping[str, Any], at: datetime) -> None:
    """All of its cameras have been given the change: from now on it is watched."""
    ends_at = at + timedelta(hours=trial["hours"])
    times = {"began_at": at, "ends_at": ends_at, "next_look_at": at + timedelta(seconds=LOOK_S)}
    await set_values(conn, kept, trial, state=CanaryState.WATCHED.value, **times)


async def looked(conn: AsyncConnection, kept: Kept, trial: Mapping[str, Any], figures: Figures, at: datetime) -> None:
    values = {"figures": figures.as_json(), "looked_at": at, "next_look_at": at + timedelta(seconds=LOOK_S)}
    await set_values(conn, kept, trial, **values)


async def end(
    conn: AsyncConnection,
    kept: Kept,
    trial: Mapping[str, Any],
    state: CanaryState,
    by: str | None,
    at: datetime,
    **values: Any,
) -> None:
    over = {"state": state.value, "ended_at": at, "ended_by": by, "next_look_at": None}
    await set_values(conn, kept, trial, **over, **values)


async def set_values(conn: AsyncConnection, kept: Kept, trial: Mapping[str, Any], **values: Any) -> None:
    await conn.execute(update(kept.trials).where(kept.one(trial)).values(**values))


async def tell(
    conn: AsyncConnection, tree: AreaTree, trial: Row, kind: str, key: str, by_id: str, params: Row, at: datetime
) -> None:
    """To who began it, and to the desk on duty of the trial's area, or of the next one above that has anybody."""
    users = {by_id}
    area_code = trial["area_path"].rsplit("/", 1)[-1]
    if area_code in tree:
        chain = tuple(reversed(tree.chain(area_code)))
        choice = who_is_told(chain, await rosters.duty_of(conn, [area.code for area in chain], at))
        users |= set(choice.user_ids)
    await outbox.put(
        conn,
        key=f"{kind}:{key}",
        kind=kind,
        user_ids=sorted(users),
        area_path=trial["area_path"],
        params={**params, "figures": trial["figures"]},
        severity=NOTICE_SEVERITY,
        now=at,
    )

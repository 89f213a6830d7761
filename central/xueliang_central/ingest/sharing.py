"""How several ingest processes share the shards: who is there, and how many groups of shards each serves (pure).

Every process holds a *place*, a lease by which the others see that it lives, and leases of groups of shards. The groups
are divided over the places that are held; whoever has more than its share gives back, whoever has less takes what is
free. A place or a group whose holder has died becomes free when its lease lapses.

Who has just taken its place takes groups at its next look: processes that start together share from the beginning, and
none has to give back what it has begun to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from xueliang_alerts.topics import SHARDS

GROUP_COUNT: Final = 4  # one connection each: more would cost connections, fewer would make a second process useless


@dataclass(frozen=True, slots=True)
class Group:
    """Shards that are served together, by one connection and one queue at the broker."""

    shards: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of its lease."""
        return f"ingest-{self.shards[0]}-{self.shards[-1]}"


ALL_SHARDS: Final = Group(SHARDS)
_SIZE: Final = len(SHARDS) // GROUP_COUNT
GROUPS: Final = tuple(Group(SHARDS[first : first + _SIZE]) for first in range(0, len(SHARDS), _SIZE))
PLACES: Final = tuple(f"ingest-place-{number}" for number in range(1, GROUP_COUNT + 1))


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease as the database has it."""

    holder: str
    until_at: datetime

    def is_free(self, now: datetime) -> bool:
        return not self.holder or self.until_at <= now


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process does with the leases now.

    Attributes:
        place: its own; None: all are taken, it waits.
        holds: groups whose leases it extends or takes.
        gives_back: those of `holds` that it has too many of: to be given back once they are no longer served.
        share: how many groups it should have.
    """

    place: str | None
    holds: tuple[Group, ...] = ()
    gives_back: tuple[Group, ...] = ()
    share: int = 0

    @property
    def is_settled(self) -> bool:
        """Nothing is to be taken or given back."""
        return self.place is not None and len(self.holds) == self.share


def plan(me: str, leases: Mapping[str, LeaseRow], now: datetime) -> Plan:
    """What `me` does, given the leases of all places and groups; the same for all who look at the same moment."""
    own = next((name for name in PLACES if leases[name].holder == me), None)
    place = own or next((name for name in PLACES if leases[name].is_free(now)), None)
    if place is None:
        return Plan(None)
    taken = [name for name in PLACES if name == place or not leases[name].is_free(now)]
    share = share_of(taken.index(place), len(taken))
    mine = [group for group in GROUPS if leases[group.name].holder == me]
    if own is None and not mine:
        return Plan(place, share=share)
    free = [group for group in GROUPS if group not in mine and leases[group.name].is_free(now)]
    holds = mine + free[: max(0, share - len(mine))]
    return Plan(place, tuple(holds), tuple(holds[share:]), share)


def share_of(rank: int, members: int) -> int:
    """Of `GROUP_COUNT` groups, for the member of this rank (from 0): as equal as can be, the first have one more."""
    return GROUP_COUNT // members + (rank < GROUP_COUNT % members)

"""Cameras shared out among nodes by what they cost: processor and network, largest first, where most room is. Pure.

Invariants
    - No node is filled beyond its share of cores and of its link, nor beyond what one settings file takes.
    - A camera that the table gives a node stays there.
    - The same cameras and nodes give the same result.
    - When they do not fit, nothing is assigned, and the answer is the arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xueliang_edge.carrying import FILLED_SHARE, NODE_CAMERAS

LINK_SHARE: Final = 0.8
"""Of a node's link; key pictures of many cameras come at once."""
CORES, LINK, PLACES = "cores", "Mbit/s", "cameras"


@dataclass(frozen=True, slots=True)
class NodeRoom:
    """One node: cores, Mbit/s that its cameras may send it. `is_assumed`: nobody said so."""

    name: str
    cores: float
    mbit_per_s: float
    is_assumed: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """One camera's cost. `node`: where it must be; None: anywhere."""

    camera_id: str
    cores: float
    mbit_per_s: float
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """One node after sharing out."""

    node: NodeRoom
    cores: float
    mbit_per_s: float
    cameras: int

    @property
    def shares(self) -> dict[str, float]:
        """Of what may be filled, by limit; 1: full."""
        return {
            CORES: self.cores / (FILLED_SHARE * self.node.cores),
            LINK: self.mbit_per_s / (LINK_SHARE * self.node.mbit_per_s),
            PLACES: self.cameras / NODE_CAMERAS,
        }

    @property
    def first_limit(self) -> str:
        """What would be full first if more such cameras came."""
        return max(self.shares, key=lambda name: self.shares[name])

    def words(self) -> str:
        """One line with the arithmetic."""
        assumed = " (assumed: say --node " + f"{self.node.name}=CORES,MBIT)" if self.node.is_assumed else ""
        return (
            f"{self.node.name}: {self.cameras} cameras, {self.cores:.2f} of {FILLED_SHARE:.0%} x {self.node.cores:g} = "
            f"{FILLED_SHARE * self.node.cores:.2f} cores, {self.mbit_per_s:.1f} of {LINK_SHARE:.0%} x "
            f"{self.node.mbit_per_s:g} = {LINK_SHARE * self.node.mbit_per_s:.0f} Mbit/s; full first: "
            f"{self.first_limit} ({self.shares[self.first_limit]:.0%}){assumed}"
        )

    def plus(self, load: Load) -> Filled:
        return Filled(self.node, self.cores + load.cores, self.mbit_per_s + load.mbit_per_s, self.cameras + 1)


@dataclass(frozen=True, slots=True)
class Spread:
    """Every camera has a node."""

    node_of: Mapping[str, str]
    filled: tuple[Filled, ...]


@dataclass(frozen=True, slots=True)
class DoesNotFit:
    """Cameras that no node has room for, and why."""

    left: tuple[str, ...]
    words: str


def spread(loads: Sequence[Load], nodes: Sequence[NodeRoom]) -> Spread | DoesNotFit:
    """Share the cameras out. At least one node."""
    filled = {node.name: Filled(node, 0.0, 0.0, 0) for node in nodes}
    node_of: dict[str, str] = {}
    left: list[Load] = []
    cores, mbit = sum(node.cores for node in nodes), sum(node.mbit_per_s for node in nodes)
    free_last = sorted(
        loads, key=lambda load: (load.node is None, -max(load.cores / cores, load.mbit_per_s / mbit), load.camera_id)
    )
    for load in free_last:
        choices = [filled[load.node]] if load.node is not None else list(filled.values())
        best = min((one.plus(load) for one in choices), key=lambda one: (max(one.shares.values()), one.node.name))
        if max(best.shares.values()) > 1:
            left.append(load)
            continue
        filled[best.node.name] = best
        node_of[load.camera_id] = best.node.name
    if left:
        return DoesNotFit(tuple(load.camera_id for load in left), _refusal(loads, left, tuple(filled.values())))
    return Spread(node_of, tuple(filled.values()))


def _refusal(loads: Sequence[Load], left: Sequence[Load], filled: Sequence[Filled]) -> str:
    need_cores, need_mbit = sum(load.cores for load in loads), sum(load.mbit_per_s for load in loads)
    have_cores = sum(FILLED_SHARE * one.node.cores for one in filled)
    have_mbit = sum(LINK_SHARE * one.node.mbit_per_s for one in filled)
    over = {
        CORES: need_cores / have_cores,
        LINK: need_mbit / have_mbit,
        PLACES: len(loads) / (NODE_CAMERAS * len(filled)),
    }
    first = max(over, key=lambda name: over[name])
    names = ", ".join(load.camera_id for load in left[:5]) + (", …" if len(left) > 5 else "")
    lines = [
        f"{len(loads)} cameras need {need_cores:.2f} cores and {need_mbit:.1f} Mbit/s; the nodes may be filled to "
        f"{have_cores:.2f} cores and {have_mbit:.0f} Mbit/s. No room for {len(left)} of them ({names}); {first} "
        f"first ({over[first]:.0%} of what there is)",
        *(f"  {one.words()}" for one in filled),
    ]
    if any(load.node for load in left):
        lines.append("  some of them are given a node by the table: take it out, or move others away from there")
    more = "name another node, or one with more room"
    less = "give sub streams, or lower bit rates" if first == LINK else "give sub streams, or key pictures every 2 s"
    return "\n".join([*lines, f"  try: {more}; {less}"])

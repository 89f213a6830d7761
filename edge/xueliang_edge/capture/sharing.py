"""How the capture processes of a node share its attempts to reach cameras that are away. Pure.

Inside a process they are given out in turn (`xueliang_streams/reconnects.py`); here each process gets its part of what
the node may do: by how many of its cameras are away, and one more, so that none is ever without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from xueliang_edge.capture.orders import RECONNECTS_PER_S
from xueliang_edge.looks import CaptureHealth
from xueliang_streams.source import SourceState

FOR_CAMERAS: Final = 64
"""So many cameras share `RECONNECTS_PER_S`; a larger node may try in proportion, or its cameras would wait for ever."""
AWAY: Final = frozenset({SourceState.OFFLINE, SourceState.STALLED, SourceState.AUTH_FAILED})


def node_reconnects_per_s(cameras: int) -> float:
    """What a node with so many cameras may do."""
    return RECONNECTS_PER_S * max(1.0, cameras / FOR_CAMERAS)


def count_away(cameras: Mapping[str, CaptureHealth]) -> int:
    """How many of them are tried again and again."""
    return sum(health.state in AWAY for health in cameras.values())


def shares_per_s(away: Sequence[int], per_s: float) -> list[float]:
    """Each process's part, in the order given; together `per_s`."""
    parts = sum(away) + len(away)
    return [per_s * (count + 1) / parts for count in away]

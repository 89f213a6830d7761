"""What a node and the child that sends one camera's stream say to each other."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Task:
    """What the child is told.

    Attributes:
        url: the camera's stream with its credentials.
        target: where the stream goes: the centre's address of this view.
        token: the node's, for the centre.
        mark: what stands in every key picture.
        for_s: it ends by itself then.
    """

    camera_id: str
    url: str = field(repr=False)
    target: str
    token: str = field(repr=False)
    mark: str
    for_s: float
    kbit_per_s: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The child's last word: a stable word for why, the bytes the centre took, the pictures that were left out."""

    why: str
    sent_bytes: int
    lost: int

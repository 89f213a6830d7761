"""Where the main path (pipeline.py) brings what it saw and judged: told, kept, shown to who asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from xueliang_configs.cameras import CameraConfig
from xueliang_edge.looks import Look
from xueliang_edge.observations import Observation
from xueliang_edge.rules.judge import Judged
from xueliang_edge.watched_camera import WatchedCamera


class Teller(Protocol):
    """Where a decision goes: evidence, alert, spool. Never raises for the disk's sake nor waits for it: telling.py."""

    def tell(self, camera: CameraConfig, judged: Sequence[Judged], look: Look | None) -> None: ...

    def tend(self) -> None:
        """Called about once a second: has written what the rules of busy cameras remember."""


class Recorder(Protocol):
    """Where an observation is kept; see observation_log/writing.py. Never waits."""

    def record(self, observation: Observation, snapshot: Callable[[], Mapping[str, Any]]) -> Observation:
        """Returns what the rules are to judge; may ask what they remember before they do."""

    def begin_anew(self, camera_id: str) -> None:
        """The camera's rules are other ones: what they remember is asked for at its next look."""


class Onlooker(Protocol):
    """Who else wants to see what was judged: `analysing`, and on a node who was asked for a fresh look.

    Waits no longer than an alert waits for its still; what it raises costs that look.
    """

    def judged(self, camera: WatchedCamera, look: Look | None, observations: Sequence[Observation]) -> None:
        """One observation a detector, as the rules got them. The look's picture is given back after this call.

        None: nothing was there to be looked at, or it could not be.
        """

"""Where decisions go when a recording is analysed: alerts as the contract has them, a JSON line each, to nobody."""

from __future__ import annotations

import json
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from xueliang_alerts.contract import Alert, Phase
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.errors import NotRepresentable
from xueliang_edge.looks import Look
from xueliang_edge.publishing import Publisher
from xueliang_edge.rules.judge import Judged

log = logging.getLogger(__name__)

SPOOL_ID: Final = uuid.UUID("6d0f4c9e-3a50-4c7b-9c60-5f1b6e0a7a11")
"""Of no node: the same recording, settings and start give the same alert ids, and never those of a real alert."""


@dataclass(frozen=True, slots=True)
class ToldAlert:
    """One revision of one alert.

    Attributes:
        video_s: of the look that decided it, seconds since the first picture. began_video_s: of its onset.
        is_shadow: of a rule on trial: a node would count it and tell nobody.
    """

    alert: Alert
    video_s: float
    began_video_s: float
    is_shadow: bool

    def line(self) -> str:
        """JSON: the alert as a node would send it, with its place in the recording."""
        place: dict[str, Any] = {
            "video_s": round(self.video_s, 3),
            "began_video_s": round(self.began_video_s, 3),
            "is_shadow": self.is_shadow,
        }
        return json.dumps(place | self.alert.model_dump(mode="json", exclude_none=True), ensure_ascii=False)


class Told:
    """The pipeline's `Teller`. One thread. Whoever is told may raise OSError: it is kept in `problem`, not raised."""

    def __init__(self, folder: Path, say: Callable[[ToldAlert], None], stop: Callable[[], None]) -> None:
        """`folder`: a temporary one, for the publisher's book. `say` is called with each alert as it comes.

        `stop` is called when an alert could not be said: the rest is worth nothing then.
        """
        self._publisher = Publisher(_NoSpool(), folder / "publishing.json")
        self._say, self._stop = say, stop
        self.alerts: list[ToldAlert] = []
        self.refused: Counter[str] = Counter()
        self.problem: OSError | None = None

    def tell(self, camera: CameraConfig, judged: Sequence[Judged], look: Look | None) -> None:  # noqa: ARG002
        for rule, decision in judged:
            try:
                alert = self._publisher.publish(camera.camera_id, rule, decision)
                told = ToldAlert(alert, decision.observed.mono_s, decision.began.mono_s, rule.shadow)
                self.alerts.append(told)
                self._say(told)
            except NotRepresentable as error:
                self.refused[str(error)] += 1
                log.warning("decision not representable", extra={"why": str(error)})
            except OSError as error:
                self.problem = self.problem or error
                self._stop()

    def tend(self) -> None:
        """Nothing is kept over a restart."""

    def raised_count(self) -> int:
        """Alerts, each counted once."""
        return sum(one.alert.phase is Phase.RAISED for one in self.alerts)


class _NoSpool:
    """What the publisher returns is all that is wanted of it."""

    @property
    def spool_id(self) -> uuid.UUID:
        return SPOOL_ID

    def accept(self, body: Alert) -> None:
        """Kept nowhere."""

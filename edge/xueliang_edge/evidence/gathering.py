"""Which revision of an alert gets a still, and what comes of asking for it.

At most three stills an alert: *onset* on the picture that raised it, *confirm* on the first later revision that still
holds, *end* on the picture that showed it gone. A revision names all stills of its alert so far: the highest is whole.
No still is ever a reason to hold an alert back: whatever goes wrong is counted by reason, and the alert goes without.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from xueliang_alerts.contract import EndReason, EvidenceKind, EvidenceRef, Phase
from xueliang_configs.cameras import CameraConfig
from xueliang_configs.rules import PlacedRule, Rule, has_place
from xueliang_edge.detection import DetectionService, StillRequest
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Polygon, Region, Still
from xueliang_edge.looks import Look, PictureHandle, SceneHandle
from xueliang_edge.rules.episodes import Decision

log = logging.getLogger(__name__)

STILL_TIMEOUT_S: Final = 2.0  # five passes of a compact detector take 0.1 s; an alert waits no longer than this
STILLS_AT_MOST: Final = 3
WHOLE_PICTURE_XYN: Final[Polygon] = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


class StillKeeper(Protocol):
    """Where a still goes; `uploading.EvidenceStore`, or what stands before it so that nobody waits for the disk."""

    def keep(self, still: Still, severity: int) -> bool:
        """False: it is not kept; name it nowhere then."""


LendScene = Callable[[PictureHandle, float], SceneHandle | None]


class Gatherer:
    """Asks for stills and keeps them. Without a store (no centre to send to) no still is ever composed."""

    def __init__(
        self,
        detection: DetectionService,
        store: StillKeeper | None,
        mono: Callable[[], float],
        lend_scene: LendScene | None = None,
    ) -> None:
        """`lend_scene`: what capture knows of the place. Without it everything outside the hazard's region is filled,
        and movement hides nobody.
        """
        self._detection, self._store, self._mono, self._lend_scene = detection, store, mono, lend_scene
        self.refused: Counter[str] = Counter()
        self.composed = 0

    def gather(
        self,
        camera: CameraConfig,
        rule: Rule,
        decision: Decision,
        look: Look | None,
        so_far: tuple[EvidenceRef, ...],
    ) -> tuple[EvidenceRef, ...]:
        """The stills this revision names: those of earlier ones and, when one is due and could be made, a new one."""
        kind = due_kind(decision, so_far)
        if self._store is None or kind is None or not has_place(rule):
            return so_far
        still = self._composed(camera, rule, decision, look, kind)
        if isinstance(still, Refused):
            return self._without(still.reason, so_far)
        if not self._store.keep(still, int(decision.severity)):
            return self._without("not_kept", so_far)
        self.composed += 1
        if any(one.sha256 == still.sha256 for one in so_far):
            return so_far
        return (*so_far, EvidenceRef(sha256=still.sha256, kind=kind, bytes=len(still.jpeg)))

    def of_trial(self, camera: CameraConfig, rule: Rule, decision: Decision, look: Look | None) -> Still | None:
        """The still of what a rule on trial raises; None where an alert would have none either."""
        if self._store is None or decision.phase is not Phase.RAISED or not has_place(rule):
            return None
        still = self._composed(camera, rule, decision, look, EvidenceKind.ONSET)
        if isinstance(still, Refused):
            self.refused[f"trial_{still.reason}"] += 1
            return None
        return still

    def fresh(
        self, camera: CameraConfig, rule: Rule, boxes_xyxyn: Sequence[Sequence[float]], look: Look | None
    ) -> Still | Refused:
        """A still of what a rule's place shows now, for somebody who asked; kept nowhere. Waits as for an alert's."""
        if self._store is None:
            return Refused("no_centre")
        if not has_place(rule):
            return Refused("no_place")
        if look is None:
            return Refused("no_picture")
        return self._made(camera, rule.zone, np.asarray(boxes_xyxyn, np.float32), look, EvidenceKind.CONFIRM)

    def whole(self, camera: CameraConfig, look: Look | None) -> Still | Refused:
        """A still of all that a camera shows now, for who draws rules over it; masked as any other, kept nowhere."""
        if self._store is None:
            return Refused("no_centre")
        if look is None:
            return Refused("no_picture")
        return self._made(camera, WHOLE_PICTURE_XYN, np.zeros((0, 4), np.float32), look, EvidenceKind.CONFIRM)

    def _composed(
        self, camera: CameraConfig, rule: PlacedRule, decision: Decision, look: Look | None, kind: EvidenceKind
    ) -> Still | Refused:
        if look is None:
            return Refused("no_picture")
        return self._made(camera, rule.zone, np.asarray(decision.boxes_xyxyn, np.float32), look, kind)

    def _made(
        self,
        camera: CameraConfig,
        zone_xyn: Polygon,
        boxes_xyxyn: NDArray[np.float32],
        look: Look,
        kind: EvidenceKind,
    ) -> Still | Refused:
        privacy = tuple(tuple(zone) for zone in camera.privacy_zones)
        region = Region(tuple(zone_xyn), boxes_xyxyn.reshape(-1, 4), privacy)
        request = StillRequest(look.handle, kind, region)
        deadline_mono_s = self._mono() + STILL_TIMEOUT_S
        scene = self._lend_scene(look.handle, deadline_mono_s) if self._lend_scene is not None else None
        return self._detection.compose_still(request, scene, deadline_mono_s)

    def _without(self, reason: str, so_far: tuple[EvidenceRef, ...]) -> tuple[EvidenceRef, ...]:
        self.refused[reason] += 1
        if self.refused[reason] == 1:
            log.warning("alert goes without a picture", extra={"reason": reason})
        return so_far


def due_kind(decision: Decision, so_far: tuple[EvidenceRef, ...]) -> EvidenceKind | None:
    """Which still this revision should bring; None: none."""
    if len(so_far) >= STILLS_AT_MOST:
        return None
    has = {one.kind for one in so_far}
    if decision.phase is Phase.RAISED:
        kind = EvidenceKind.ONSET
    elif decision.phase is Phase.UPDATED:
        kind = EvidenceKind.CONFIRM
    elif decision.end_reason is EndReason.SEEN_CLEAR:
        kind = EvidenceKind.END
    else:
        return None
    return None if kind in has else kind

"""How far apart a node's looks at a camera are, from its health page.

Where a camera's report holds `recent_gaps_s` (newest last), every gap of the window is counted once, exactly. Otherwise
`achieved_gap_s` is sampled, the longest of the last looks: that overstates a high percentile and never flatters it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.bench.edge_bench.figures import percentile


class GapLog:
    """Fed with health reports in order; `begin` forgets what was before."""

    def __init__(self) -> None:
        self._looks: dict[str, int] = {}
        self._gaps_s: list[float] = []
        self._is_exact = True

    def begin(self, report: Mapping[str, Any]) -> None:
        """The window begins with this report."""
        self._gaps_s = []
        self._looks = {camera["camera_id"]: camera["looks"] for camera in report["cameras"]}

    def add(self, report: Mapping[str, Any]) -> None:
        """The next report of the window."""
        for camera in report["cameras"]:
            looks = camera["looks"]
            new = looks - self._looks.get(camera["camera_id"], looks)
            self._looks[camera["camera_id"]] = looks
            recent = camera.get("recent_gaps_s")
            if recent is not None:
                self._gaps_s += recent[max(0, len(recent) - new) :] if new else []
            elif camera.get("achieved_gap_s") is not None:
                self._is_exact = False
                self._gaps_s.append(camera["achieved_gap_s"])

    @property
    def is_exact(self) -> bool:
        return self._is_exact

    def percentile_s(self, share: float) -> float | None:
        """Of all gaps of all cameras; None when there were none."""
        return percentile(self._gaps_s, share)

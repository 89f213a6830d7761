"""The zone tools of `supervision`, in an interpreter of their own: ByteTrack, PolygonZone, a clock per track.

    PYTHON supervision_program.py LOOKS.json ALERTS.json

It imports nothing of this project: the environment it runs in has `supervision` and no more. Put together as that
project's own "time in zone" example does it, with the box's centre or the middle of its lower edge. The looks are those
every other system gets; its tracker gets the boxes from a score of 0.1 up and its usual settings. An alert is the
zone's, as in `peers.py`.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

warnings.filterwarnings("ignore")
import supervision as sv  # type: ignore[import-not-found,unused-ignore]  # noqa: E402 - it warns while it is imported

WIDTH, HEIGHT = 1280, 720
ANCHORS = {"centre": sv.Position.CENTER, "feet": sv.Position.BOTTOM_CENTER}


def told_of(case: dict[str, Any]) -> list[list[float]]:
    """[onset, raised] of each alert."""
    polygon = np.rint(np.array(case["zone"]) * [WIDTH, HEIGHT]).astype(np.int64)
    zone = sv.PolygonZone(polygon=polygon, triggering_anchors=(ANCHORS[case["anchor"]],))
    tracker = sv.ByteTrack(
        track_activation_threshold=case["confident_score"],
        frame_rate=max(1, round(1 / case["gap_s"])),
    )
    first_s: dict[int, float] = {}
    since_s: float | None = None
    last_held_s, told = float("-inf"), []
    for t, boxes, scores, classes in case["looks"]:
        seen = sv.Detections(
            xyxy=np.array(boxes, dtype=np.float32).reshape(-1, 4) * [WIDTH, HEIGHT, WIDTH, HEIGHT],
            confidence=np.array(scores, dtype=np.float32),
            class_id=np.array(classes, dtype=np.int64),
        )
        if case["raise_at_count"] is not None:
            sure = seen[seen.confidence >= case["confident_score"]]
            zone.trigger(sure)
            is_many = zone.current_count >= case["raise_at_count"]
            since_s = (t if since_s is None else since_s) if is_many else None
            held = since_s if since_s is not None and t - since_s >= case["dwell_s"] else None
        else:
            tracked = tracker.update_with_detections(seen)
            inside = tracked[zone.trigger(tracked)] if len(tracked) else tracked
            ids = [int(one) for one in inside.tracker_id] if len(inside) else []
            for track in ids:
                first_s.setdefault(track, t)
            held = min((first_s[one] for one in ids if t - first_s[one] >= case["dwell_s"]), default=None)
        if held is not None:
            if t - last_held_s > case["clear_after_s"]:
                told.append([held, t])
            last_held_s = t
    return told


def main() -> None:
    cases = json.loads(Path(sys.argv[1]).read_text())
    alerts = [told_of(case) for case in cases]
    Path(sys.argv[2]).write_text(json.dumps({"version": sv.__version__, "alerts": alerts}))


if __name__ == "__main__":
    main()

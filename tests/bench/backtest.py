"""How long a back-test of one rule over a week of one camera takes, at one look a second.

The week is made of some half hours of a made-up street (`tests/support/street_life.py`), calm and busy, over and over:
blocks of the log keep differences, so a repeated one differs in its head only. Reading from the disk is part of what is
measured. CPU seconds of one thread, once. The zone is where the fewest vehicles are: a fire lane is free most of its
time. `…_alone_share` says how many looks had to be gone through one by one, which is what costs.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tests.bench.figures import Figures
from tests.support.street_life import BUSY, CALM, Street, looks
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.backtest.report import Asked, backtest
from xueliang_edge.observation_log.blocks import Head, encoded
from xueliang_edge.observation_log.encoding import as_logged
from xueliang_edge.observation_log.files import write_segment
from xueliang_edge.observation_log.framing import FrameKind, framed
from xueliang_edge.observation_log.groups import Group, header
from xueliang_edge.observation_log.reading import read_parts
from xueliang_edge.observations import Observation

STREETS: Final[dict[str, Street]] = {"calm": CALM, "busy": BUSY}
HALF_HOUR: Final = 1800
WEEK: Final = 7 * 48  # half hours
MADE, MADE_QUICK, QUICK = 4, 2, 2  # half hours that differ; half hours of a quick run
VEHICLES: Final = ("car", "bus", "truck")
RULES: Final[dict[str, dict[str, Any]]] = {
    "fire_lane_obstruction": {"hazard": "fire_lane_obstruction"},
    "crowd": {"hazard": "crowd", "raise_at_count": 8, "clear_at_count": 5},
    "intrusion": {"hazard": "intrusion"},
}
KEYS = (
    "backtest_7_days_s",
    "batch_us_per_observation",
    "batch_mean_us_per_observation",
    *(
        f"{street}_{hazard}_{name}"
        for street in STREETS
        for hazard in RULES
        for name in ("7_days_s", "us_per_observation", "alone_share")
    ),
)


def measure(quick: bool, figures: Figures) -> None:
    """`quick`: an hour in place of a week; the figures of a week stay null."""
    with tempfile.TemporaryDirectory() as folder:
        for name, street in STREETS.items():
            seen = list(looks(street, (MADE_QUICK if quick else MADE) * HALF_HOUR))
            log = Path(folder) / name
            _write(log, seen, QUICK if quick else WEEK)
            for hazard, rule in RULES.items():
                figures |= _measured(f"{name}_{hazard}", log, rule | {"zone": _free_lane(seen)}, is_week=not quick)
    figures["batch_us_per_observation"] = _most(figures, "us_per_observation")
    figures["batch_mean_us_per_observation"] = _mean_when_busy(figures)
    figures["backtest_7_days_s"] = _most(figures, "7_days_s")


def _most(figures: Figures, name: str) -> float | None:
    """Of the slowest street and hazard."""
    found = [figures[f"{street}_{hazard}_{name}"] for street in STREETS for hazard in RULES]
    return max((value for value in found if value is not None), default=None)


def _mean_when_busy(figures: Figures) -> float | None:
    """Over the rules, on the busy street: what a node pays that judges all of them anew."""
    found = [figures[f"busy_{hazard}_us_per_observation"] for hazard in RULES]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if len(known) == len(found) else None


def _measured(name: str, log: Path, rule: dict[str, Any], *, is_week: bool) -> Figures:
    camera = CameraConfig.model_validate(
        {"camera_id": "lane", "name": "lane", "url": "file:lane.mp4", "rules": [{"rule_id": "draft"} | rule]}
    )
    asked = Asked(camera.model_copy(update={"rules": ()}), camera.rules[0])
    began_s = time.thread_time()
    report = backtest(asked, read_parts(log, "lane"))
    took_s = time.thread_time() - began_s
    return {
        f"{name}_7_days_s": took_s if is_week else None,
        f"{name}_us_per_observation": 1e6 * took_s / report.looks,
        f"{name}_alone_share": report.judged_alone / report.looks,
    }


def _write(folder: Path, seen: list[Observation], half_hours: int) -> None:
    """The half hours of `seen` one after the other, again and again, as segments of one run."""
    folder.mkdir()
    made = [_block(seen[start : start + HALF_HOUR]) for start in range(0, len(seen), HALF_HOUR)]
    for number in range(half_hours):
        head, data = made[number % len(made)]
        shift_ms = number * HALF_HOUR * 1000 - (head.first_at_ms - made[0][0].first_at_ms)
        first = number * HALF_HOUR + 1
        moved = replace(
            head,
            sequences=(first, first + HALF_HOUR),
            first_at_ms=head.first_at_ms + shift_ms,
            last_at_ms=head.last_at_ms + shift_ms,
            details={**head.details, "mono_ms": head.details["mono_ms"] + shift_ms},
        )
        end = {"first_at_ms": moved.first_at_ms, "last_at_ms": moved.last_at_ms, "looks": HALF_HOUR}
        parts = (
            header("run"),
            framed(FrameKind.BLOCK_HEAD, json.dumps(moved.to_json()).encode()),
            framed(FrameKind.BLOCK, data),
            framed(FrameKind.END, json.dumps(end).encode()),
        )
        write_segment(folder, number + 1, parts)


def _block(seen: list[Observation]) -> tuple[Head, bytes]:
    group = Group("run")
    for sequence, one in enumerate(seen, 1):
        group.add(as_logged(one), sequence, None)
    (block,) = group.blocks
    return encoded(block.camera_id, block.rows, block.tables)


def _free_lane(seen: list[Observation]) -> list[list[float]]:
    """Of some strips of the ground the one in which vehicles are seen in the fewest looks."""
    strips = [
        (left, top, left + 0.25, top + 0.15) for left in (0.02, 0.2, 0.38, 0.56, 0.73) for top in (0.45, 0.6, 0.75)
    ]
    left, top, right, bottom = min(strips, key=lambda strip: sum(_is_in(one, strip) for one in seen[::10]))
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def _is_in(seen: Observation, strip: tuple[float, float, float, float]) -> bool:
    left, top, right, bottom = strip
    boxes = seen.boxes_xyxyn
    meets = (boxes[:, 0] < right) & (boxes[:, 2] > left) & (boxes[:, 3] < bottom + 0.1) & (boxes[:, 3] > top)
    return any(name in VEHICLES for name, is_one in zip(seen.class_names, meets, strict=True) if is_one)

"""A fresh look from the key to the picture: what the case panel waits for, over a LAN and over 64 kbit/s; and what a
worker's phone waits for after *handled*, while the lorry stands there and when it has just gone, over a LAN.

    ./run bench look [--quick]

Everything is real: the demo's RTSP cameras, the embedded detector, broker, database, HTTP. Between node and centre
stands one line that both the broker and the pictures share; over the thin one at most 8,000 bytes a second pass each
way. Who asks is beside the centre.
"""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np

from tests.bench.deadline import deadline, left_of_quick_s
from tests.bench.figures import Figures
from tests.bench.look_after_handled import KEYS as HANDLED_KEYS
from tests.bench.look_after_handled import AfterHandled, CuedLorry
from tests.support.thin_link import ThinLink
from xueliang_demo.api_client import Person
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import demo_plan, with_urls
from xueliang_demo.installation import Installation, Plan
from xueliang_demo.theatre import LANE_CAMERA, Stage

FOLDER: Final = Path(".run/bench")
BOX: Final = FOLDER / "box-look"
THIN_BYTES_PER_S: Final = 8_000.0  # 64 kbit/s
QUICK_LOOKS, FULL_LOOKS = (3, 1), (20, 6)
QUICK_HANDLED, FULL_HANDLED = 1, 10
QUICK_CLEAR, FULL_CLEAR = 0, 6  # each waits for a lorry to go, and to come again
# Longer than what is left of the drive when the lorry has left the lane, else its rule has seen it before it is asked.
CLEAR_AFTER_S: Final = 8.0
BETWEEN_S: Final = 3.5  # a person may ask for one camera every 3 s
FULL_LIMIT_S: Final = 620.0
STILL_LIMIT_S: Final = 60.0

KEYS = (
    "look_lan_p50_s",
    "look_lan_max_s",
    "look_lan_count",
    "look_lan_still_p50_s",
    "look_thin_p50_s",
    "look_thin_max_s",
    "look_thin_count",
    "look_thin_still_p50_s",
    "look_thin_still_max_s",
    "look_preview_max_bytes",
    "look_still_max_bytes",
    "look_without_preview_count",
    *HANDLED_KEYS,
)


class ThinInstallation(Installation):
    """Its node reaches broker and centre over a line."""

    def __init__(self, folder: Path, plan: Plan, link: ThinLink) -> None:
        super().__init__(folder, plan)
        self._ports = link.to(self.broker_port), link.to(self.http_port)

    def _node_settings(self) -> dict[str, Any]:
        settings = super()._node_settings()
        broker_port, http_port = self._ports
        settings["node"]["broker"]["port"] = broker_port
        settings["node"]["centre"]["url"] = f"http://127.0.0.1:{http_port}"
        return settings


class Looks:
    """What was measured so far: seconds from the key to the preview and to the full still, and how large they were."""

    def __init__(self) -> None:
        self.preview_s: list[float] = []
        self.still_s: list[float] = []
        self.preview_bytes: list[int] = []
        self.still_bytes: list[int] = []
        self.without = 0

    def one(self, person: Person, incident_id: str) -> None:
        began = time.monotonic()
        answer = person.look(incident_id)
        came_s = time.monotonic() - began
        if answer["preview"] is None:
            self.without += 1
            print(f"no preview: {answer['says']}, {answer['why']}, {answer['no_picture']}")
            return
        self.preview_s.append(came_s)
        self.preview_bytes.append(len(base64.b64decode(answer["preview"])))
        still = _arrived(person, answer["still_sha256"], began + STILL_LIMIT_S)
        if still is not None:
            self.still_s.append(time.monotonic() - began)
            self.still_bytes.append(len(still))


def measure(quick: bool, figures: Figures) -> None:
    rendering: list[str] = []
    left_s = left_of_quick_s()
    stage = Stage(FOLDER / "footage", lorry_after_s=0, say=rendering.append)
    if not rendering:
        left_s = left_of_quick_s()
    lorry = CuedLorry()
    stage.lane_director = lorry
    plan = _patient(demo_plan(make_city(DEMO), stage, None))
    shutil.rmtree(BOX, ignore_errors=True)
    with ThinLink() as link:
        installation = ThinInstallation(BOX, plan, link)
        try:
            with deadline(left_s if quick else FULL_LIMIT_S):
                installation.start_programs_for(with_urls(plan, stage.open()))
                handled = (QUICK_HANDLED, QUICK_CLEAR) if quick else (FULL_HANDLED, FULL_CLEAR)
                _after_handled(installation, lorry, handled, figures)
                _look(installation, link, QUICK_LOOKS if quick else FULL_LOOKS, figures)
        finally:
            installation.kill()
            stage.close()


def _look(installation: Installation, link: ThinLink, looks: tuple[int, int], figures: Figures) -> None:
    person = installation.log_in("operator")
    incident_id = _open_incident(installation, person)
    by_line = {"lan": Looks(), "thin": Looks()}
    for (name, found), count, bytes_per_s in zip(by_line.items(), looks, (None, THIN_BYTES_PER_S), strict=True):
        link.bytes_per_s = bytes_per_s
        for _ in range(count):
            time.sleep(BETWEEN_S)
            installation.must_run()
            found.one(person, incident_id)
            figures |= _figures(name, found) | _sizes(list(by_line.values()))
    person.close()


def _after_handled(installation: Installation, lorry: CuedLorry, counts: tuple[int, int], figures: Figures) -> None:
    operator, worker = installation.log_in("operator"), installation.log_in("worker")
    found = AfterHandled(operator, worker, lambda: _open_incident(installation, operator))
    there, clear = counts
    for number in range(there + clear):
        time.sleep(BETWEEN_S)
        installation.must_run()
        if number < there:
            found.one()
            figures |= found.figures()
        else:
            found.one_clear(lorry)
            figures |= found.clear_figures()
    operator.close()
    worker.close()


def _patient(plan: Plan) -> Plan:
    """The lane's rule waits longer before it says that the lane is clear."""
    lane = next(one for one in plan.cameras if one.camera_id == LANE_CAMERA)
    rules = tuple(rule | {"clear_after_s": CLEAR_AFTER_S} if "clear_after_s" in rule else rule for rule in lane.rules)
    cameras = (replace(one, rules=rules) if one is lane else one for one in plan.cameras)
    return replace(plan, cameras=tuple(cameras))


def _open_incident(installation: Installation, person: Person) -> str:
    """Of the lane camera, in which something stands."""
    while True:
        installation.must_run()
        for one in person.incidents():
            if one["place"]["camera_id"] == LANE_CAMERA and one["still_present"] and one["state"] != "closed":
                return str(one["incident_id"])
        time.sleep(0.5)


def _arrived(person: Person, sha256: str, until_mono_s: float) -> bytes | None:
    while time.monotonic() < until_mono_s:
        try:
            return person.picture(sha256)
        except httpx.HTTPStatusError:
            time.sleep(0.1)
    return None


def _figures(name: str, found: Looks) -> Figures:
    return {
        f"look_{name}_p50_s": _p50(found.preview_s),
        f"look_{name}_max_s": max(found.preview_s, default=None),
        f"look_{name}_count": float(len(found.preview_s)),
        f"look_{name}_still_p50_s": _p50(found.still_s),
    } | ({"look_thin_still_max_s": max(found.still_s, default=None)} if name == "thin" else {})


def _sizes(several: Sequence[Looks]) -> Figures:
    return {
        "look_preview_max_bytes": max((float(size) for one in several for size in one.preview_bytes), default=None),
        "look_still_max_bytes": max((float(size) for one in several for size in one.still_bytes), default=None),
        "look_without_preview_count": float(sum(one.without for one in several)),
    }


def _p50(values: Sequence[float]) -> float | None:
    return float(np.percentile(values, 50)) if values else None

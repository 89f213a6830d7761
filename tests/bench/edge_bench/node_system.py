"""Our own node as a system under test: the real `xueliang-edge run` on a generated node.yaml, its broker beside it."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx

from tests.bench.edge_bench.gaps import GapLog
from tests.bench.edge_bench.receiving import Receiver
from tests.bench.edge_bench.rules import LOOK_EVERY_S, rules_of
from tests.bench.edge_bench.serving import BenchCamera
from tests.bench.edge_bench.systems import Program, RaisedAlert, Results, await_looks
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.attention.overload import Degradation

SAMPLE_EVERY_S: Final = 4.0  # a report is a few milliseconds of the node's time; gaps are kept for 20 looks


def knows_sub_streams() -> bool:
    """Whether this version's cameras can name a sub stream."""
    return "sub_url" in CameraConfig.model_fields


class NodeSystem:
    """Obeys `SystemUnderTest`.

    Attributes:
        gaps: the looks since `watch_gaps` began.
        detect_ms: CPU milliseconds of a detection, the mean of what the health page said since then; None: nothing.
        given_up: the furthest step of the declared degradation since then.
    """

    def __init__(
        self,
        name: str,
        model: str,
        folder: Path,
        *,
        with_sub_streams: bool = False,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self.name, self._model, self._folder = name, model, folder / name
        self._with_sub_streams, self.look_every_s = with_sub_streams, look_every_s
        self._stack = ExitStack()
        self._program: Program | None = None
        self._receiver: Receiver | None = None
        self._cameras: Sequence[BenchCamera] = ()
        self._health_port = 0
        self.gaps = GapLog()
        self._detect_ms: list[float] = []
        self.given_up = Degradation(0)

    @property
    def detect_ms(self) -> float | None:
        return sum(self._detect_ms) / len(self._detect_ms) if self._detect_ms else None

    @property
    def pids(self) -> tuple[int, ...]:
        return (self._program.pid,) if self._program else ()

    @property
    def is_running(self) -> bool:
        return self._program is not None and self._program.is_running

    def start(self, cameras: Sequence[BenchCamera]) -> None:
        self._cameras = cameras
        shutil.rmtree(self._folder, ignore_errors=True)  # a node remembers its scenes and open alerts
        self._folder.mkdir(parents=True)
        self._receiver = self._stack.enter_context(Receiver(self._folder, self.name))
        self._health_port = _free_port()
        settings = self._folder / "node.yaml"
        settings.write_text(json.dumps(self._settings(), ensure_ascii=False, indent=1))  # JSON is YAML
        command = [sys.executable, "-m", "xueliang_edge.cli", "run", "--config", str(settings)]
        self._program = Program(self.name, command, self._folder)
        self._stack.callback(self._program.stop)

    def await_watching(self) -> None:
        await_looks(self, [camera.camera_id for camera in self._cameras], self._program)

    def results(self) -> Results:
        report = self.report()
        looks = {camera["camera_id"]: camera["looks"] for camera in report["cameras"]}
        return Results(looks, self._receiver.raised if self._receiver else [])

    def report(self) -> dict[str, Any]:
        """The health page; no cameras while it does not answer."""
        with contextlib.suppress(httpx.HTTPError, ValueError):
            return dict(httpx.get(f"http://127.0.0.1:{self._health_port}/health", timeout=5.0).json())
        return {"cameras": [], "problems": []}

    def watch_gaps(self, ended: threading.Event) -> None:
        """Samples the health page from now until `ended`; returns then."""
        self.gaps.begin(self.report())
        while not ended.wait(SAMPLE_EVERY_S):
            self._add(self.report())
        self._add(self.report())

    def _add(self, report: dict[str, Any]) -> None:
        self.gaps.add(report)
        attention = report.get("attention", {})
        if (detect_ms := attention.get("detect_ms")) is not None:
            self._detect_ms.append(detect_ms)
        if (step := attention.get("degradation")) is not None:
            self.given_up = max(self.given_up, Degradation[step.upper()])

    def stop(self) -> None:
        self._stack.close()

    def _settings(self) -> dict[str, Any]:
        assert self._receiver is not None
        return {
            "node": {
                "node_id": self.name,
                "data_dir": "data",
                "broker": self._receiver.broker_settings,
                "health": {"port": self._health_port},
            },
            "detectors": {"objects": {"model": self._model}},
            "cameras": [self._camera(camera) for camera in self._cameras],
        }

    def _camera(self, camera: BenchCamera) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "camera_id": camera.camera_id,
            "name": camera.camera_id,
            "url": camera.url,
            "look_every_s": self.look_every_s,
            "rules": rules_of(camera.scene),
        }
        return settings | ({"sub_url": camera.sub_url} if self._with_sub_streams else {})


def raised_in_lane(alerts: Sequence[RaisedAlert]) -> list[RaisedAlert]:
    """Those of the obstruction rule."""
    return [alert for alert in alerts if alert.hazard == "fire_lane_obstruction"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

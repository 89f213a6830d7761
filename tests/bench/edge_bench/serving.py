"""The bench's cameras as the parent sees them: which scene, which phase, which URL; and the server process behind."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.bench.edge_bench.clip_cache import make_clips
from tests.bench.edge_bench.recipes import EncodingName, Scene


@dataclass(frozen=True, slots=True)
class BenchCamera:
    """One camera of the bench.

    Attributes:
        phase_s: how far into its scene it was when the server's clock was 0; main and sub stream show the same moment.
        url, sub_url: where it plays.
    """

    camera_id: str
    scene: Scene
    phase_s: float
    url: str
    sub_url: str


@dataclass(frozen=True, slots=True)
class ServerCounts:
    """What the server says of itself, counted since its start.

    Attributes:
        sent_bytes: by stream name.
        dropped: clients that did not read.
        late_ms: how many pictures left so many milliseconds after their time (999: or more).
    """

    sent_bytes: Mapping[str, int]
    dropped: int
    late_ms: Mapping[int, int]


class Cameras:
    """The server, with `scenes` as its cameras in that order: `with Cameras(scenes, "main", folder) as cameras: …`."""

    def __init__(self, scenes: Sequence[Scene], encoding: EncodingName, folder: Path, *, seed: int = 1) -> None:
        """Makes the clips that are missing, then starts the server. Raises ClipsMissing."""
        chance = random.Random(seed)
        self._phases_s = [round(chance.uniform(0, scene.length_s), 3) for scene in scenes]
        paths = make_clips([(scene, name) for scene in dict.fromkeys(scenes) for name in (encoding, "sub")])
        plan = {
            "clips": {f"{scene} {name}": str(path) for (scene, name), path in paths.items()},
            "cameras": [
                {"name": f"{_camera_id(number)}/{stream}", "clip": f"{scene.name} {name}", "phase_s": phase_s}
                for number, (scene, phase_s) in enumerate(zip(scenes, self._phases_s, strict=True))
                for stream, name in (("main", encoding), ("sub", "sub"))
            ],
        }
        folder.mkdir(parents=True, exist_ok=True)
        plan_path = folder / "cameras.json"
        plan_path.write_text(json.dumps(plan, indent=1))
        command = [sys.executable, "-m", "tests.bench.edge_bench.stream_server", str(plan_path)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = self._ask("")
        self._port, self.t0_mono_s = int(said["port"]), float(said["t0_mono_s"])
        self._scenes = list(scenes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._child.pid

    def some(self, count: int, begin: int = 0) -> list[BenchCamera]:
        """`count` cameras from number `begin` on."""
        return [
            BenchCamera(
                camera_id=_camera_id(number),
                scene=scene,
                phase_s=self._phases_s[number],
                url=f"rtsp://127.0.0.1:{self._port}/{_camera_id(number)}/main",
                sub_url=f"rtsp://127.0.0.1:{self._port}/{_camera_id(number)}/sub",
            )
            for number, scene in enumerate(self._scenes)
            if begin <= number < begin + count
        ]

    def counts(self) -> ServerCounts:
        """Ask the server."""
        said = self._ask("counts\n")
        late_ms = {int(key): value for key, value in said["late_ms"].items()}
        return ServerCounts(said["sent_bytes"], said["dropped"], late_ms)

    def close(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _ask(self, question: str) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(question)
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"the stream server ended with status {self._child.wait()}")
        return dict(json.loads(line))


def scene_moment_mono_s(camera: BenchCamera, t0_mono_s: float, moment_s: float, loop: int) -> float:
    """The monotonic time at which a camera shows a moment of its scene for the loop-th time."""
    return t0_mono_s - camera.phase_s + loop * camera.scene.length_s + moment_s


def _camera_id(number: int) -> str:
    return f"cam-{number:02d}"

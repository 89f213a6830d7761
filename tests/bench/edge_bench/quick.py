"""The quick run: five cameras, short windows, several systems at once. Under 50 s with the clips made."""

from __future__ import annotations

from typing import Final

from tests.bench.edge_bench.measuring import Watch
from tests.bench.edge_bench.node_system import knows_sub_streams
from tests.bench.edge_bench.phases import FOLDER, MAIN, PEER_CAMERAS, SUB, Phases
from tests.bench.edge_bench.recipes import scene_of_camera
from tests.bench.edge_bench.serving import Cameras

SETTLE_S: Final = 2.0
WINDOW_S: Final = 8.0  # two looks of every camera, four key pictures


def run_quick(phases: Phases, only: tuple[str, ...]) -> None:
    """First what is cheap, together; then the two that decode everything. Each has cameras of its own, same scenes."""
    scenes = [scene_of_camera(number % PEER_CAMERAS) for number in range(3 * PEER_CAMERAS)]
    with Cameras(scenes, "main", FOLDER) as cameras:
        peers = {letter: make for letter, make in phases.peers(cameras).items() if letter in only}
        cheap, dear = [], []
        if "node" in only:
            cheap.append(phases.node_watch(cameras, MAIN, PEER_CAMERAS))
        if "c" in peers:
            cheap.append(_moved(peers["c"](), cameras, PEER_CAMERAS, PEER_CAMERAS))
        if "node" in only and knows_sub_streams():
            with_sub = phases.node_watch(cameras, SUB, PEER_CAMERAS, with_sub=True)
            cheap.append(_moved(with_sub, cameras, PEER_CAMERAS, 2 * PEER_CAMERAS))
        if "b" in peers:
            dear.append(peers["b"]())
        if "a" in peers:
            dear.append(_moved(peers["a"](), cameras, 1, PEER_CAMERAS + 1))
        for watches in (cheap, dear):
            if watches:
                phases.together(cameras, watches, settle_s=SETTLE_S, window_s=WINDOW_S)


def _moved(watch: Watch, cameras: Cameras, count: int, begin: int) -> Watch:
    """The same system on other cameras."""
    return Watch(watch.label, watch.system, cameras.some(count, begin), watch.nominal_fps)

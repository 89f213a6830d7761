"""F06 and F08 up to the alert: a whole node with real rules over cameras whose pictures are damaged, or whose times
jump. What it tells is counted.

Reduced counts; `XUELIANG_FAULTS=full` runs the 500 damaged clips of the table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.integration.edge.scenes import FPS, LANE, cut, write_settings
from tests.support.fault_cameras import CameraHost, Fault, FaultCamera
from tests.support.fault_cameras.stream_faults import BitFlips, TimeJump
from tests.support.fault_cameras.watching import IS_FULL, counted
from tests.support.fixtures import require_fixture
from tests.support.node_process import NodeProcess, node_process, spooled
from xueliang_alerts.contract import Alert, Phase
from xueliang_streams.encoding import VideoCodec, encode_clip
from xueliang_streams.segments import Segment, load_segment

pytestmark = [pytest.mark.alone, pytest.mark.fixtures, pytest.mark.slow]

WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]]
CODECS: tuple[VideoCodec, ...] = ("h264", "hevc")
SHARES = (0.0001, 0.001, 0.01, 0.1)
BURST_S = counted(10, 24)  # full: longer than view_after_s and the 5 s before it; shorter than a camera that is offline
SOUND_S = 8.0  # between two bursts
VIEW_AFTER_S = counted(4, 15)
ROUNDS, PER_CODEC = counted(1, 25), counted(4, 10)  # 500 clips
DWELL_S = 3.0
LOOK_EVERY_S = counted(1, 2) / 2  # full: 22 cameras at a time
Health = dict[str, Any]


def rules(people: int) -> list[dict[str, Any]]:
    """The row's rules, with dwells that damage of a few seconds could satisfy."""
    return [
        {
            "rule_id": "lane",
            "hazard": "fire_lane_obstruction",
            "zone": LANE,
            "dwell_s": DWELL_S,
            "clear_after_s": 3,
        },
        {
            "rule_id": "crowd",
            "hazard": "crowd",
            "zone": WHOLE,
            "raise_at_count": people,
            "clear_at_count": people - 1,
            "dwell_s": 2,
        },
        {"rule_id": "view", "hazard": "camera_fault", "fault": "view", "view_after_s": VIEW_AFTER_S},
        {"rule_id": "away", "hazard": "camera_fault", "fault": "offline"},
    ]


def walkers() -> list[NDArray[np.uint8]]:
    """A second of people on a campus, standing still."""
    capture = cv2.VideoCapture(str(require_fixture("clips/campus_walkers.mp4")))
    got, picture = capture.read()
    assert got
    return [np.asarray(picture, dtype=np.uint8)] * FPS


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Segment]:
    """A second each, a key picture at its beginning: the lane empty and with a car, and people."""
    folder = tmp_path_factory.mktemp("scenes")
    pictures = {"empty": cut(49.6, 1.0), "parked": cut(15.0, 1.0), "people": walkers()}
    wanted = [*((name, CODECS[0]) for name in pictures), ("empty", CODECS[1])]
    made = {}
    for name, codec in wanted:
        path = folder / f"{name}-{codec}.mp4"
        encode_clip(path, iter(pictures[name]), FPS, gop=FPS, codec=codec)
        made[f"{name}-{codec}"] = load_segment(f"{name}-{codec}", path)
    return made


@contextmanager
def watched(folder: Path, cameras: dict[str, FaultCamera], its_rules: list[dict[str, Any]]) -> Iterator[NodeProcess]:
    """A node that has looked at each of them."""
    settings = [
        {"camera_id": name, "name": name, "url": one.url, "look_every_s": LOOK_EVERY_S, "rules": its_rules}
        for name, one in cameras.items()
    ]
    with node_process(write_settings(folder, settings)) as node:
        node.start()
        node.until(lambda health: all(one["looks"] >= 3 for one in health["cameras"]), "it looks at every camera")
        yield node


def of_camera(health: Health, camera_id: str) -> Health:
    return next(dict(one) for one in health["cameras"] if one["camera_id"] == camera_id)


def looked_again(before: Health, cameras: Iterable[str]) -> Callable[[Health], bool]:
    """Whether each of them gave three more looks."""
    least = {name: of_camera(before, name)["looks"] + 3 for name in cameras}
    return lambda health: all(of_camera(health, name)["looks"] >= count for name, count in least.items())


def raised(alerts: list[Alert]) -> set[tuple[str, str]]:
    return {(one.camera_id, one.rule_id) for one in alerts if one.phase is Phase.RAISED}


# F06


@pytest.mark.timeout(1_800 if IS_FULL else 120)
def test_f06_no_alert_comes_from_damaged_pictures(tmp_path: Path, host: CameraHost, scenes: dict[str, Segment]) -> None:
    spoiled = {
        f"{codec}-{number}": host.camera(scenes[f"empty-{codec}"]) for codec in CODECS for number in range(PER_CODEC)
    }
    # That the rules are awake: nobody spoils these, and each must be told.
    sound = {"car": host.camera(scenes["parked-h264"]), "people": host.camera(scenes["people-h264"])}
    flips = 0
    with watched(tmp_path, spoiled | sound, rules(people=3)) as node:
        threads = node.health()["workers"]
        if IS_FULL:  # what a view usually shows is known by then
            time.sleep(25)
        for round_ in range(ROUNDS):
            for number, camera in enumerate(spoiled.values()):
                camera.faults = (BitFlips(SHARES[(number + round_) % 4], seed=1_000 * round_ + number),)
                camera.start_faults()
            time.sleep(BURST_S)
            for camera in spoiled.values():
                camera.stop_faults()
                flips += sum(fault.count for fault in camera.faults if isinstance(fault, BitFlips))
            node.until(
                looked_again(node.health(), spoiled),
                "every camera is looked at again",
                timeout_s=counted(15, 60),  # a node that was short of time looks less often for a while
            )
            if round_ < ROUNDS - 1:
                time.sleep(SOUND_S)
        health = node.health()
        assert node.terminate()[0] == 0
    damaged = {name: of_camera(health, name)["frames_dropped"].get("damaged", 0) for name in spoiled}
    told = raised(spooled(tmp_path / "data"))
    print(f"{ROUNDS * len(spoiled)} damaged clips, {flips} bits; pictures refused: {damaged}; raised: {sorted(told)}")
    assert flips > 100 * ROUNDS * len(spoiled)
    assert min(sum(count for name, count in damaged.items() if name.startswith(codec)) for codec in CODECS) > 0
    assert {one for one in told if one[0] in spoiled} == set()
    assert told >= {("car", "lane"), ("people", "crowd")}  # their pictures repeat: in the long run that is told, too
    assert {name: one["restarts"] for name, one in health["workers"].items()} == dict.fromkeys(threads, 0)


# F08

TIMES: dict[str, tuple[list[Fault], dict[str, Any]]] = {
    "sound": ([], {}),
    "forward": ([TimeJump(3_600)], {}),
    "back": ([TimeJump(-3_600)], {}),
    "a-little-back": ([TimeJump(-0.1, every=4)], {}),
    "wraps": ([], {"first_rtp_time": 2**32 - 12 * 90_000, "first_sequence": 65_500}),
}
"""Twelve seconds before the wrap: it comes while the car stands there."""
LATEST_S = 1.0 + LOOK_EVERY_S + 1.0
"""After the dwell: until the next key picture, until a look at it, and the second that the row allows."""


@pytest.mark.timeout(120)
def test_f08_a_dwell_is_in_real_seconds_whatever_the_camera_says_of_time(
    tmp_path: Path, host: CameraHost, scenes: dict[str, Segment]
) -> None:
    cameras = {name: host.camera(scenes["empty-h264"], *faults, **numbers) for name, (faults, numbers) in TIMES.items()}
    dwell_s = 4.0
    rule = rules(people=3)[0] | {"dwell_s": dwell_s}
    with watched(tmp_path, cameras, [rule]) as node:
        for camera in cameras.values():
            camera.segment = scenes["parked-h264"]
        parked_at = datetime.now(UTC)
        node.until(
            lambda health: health["counters"]["alerts"].get("raised", 0) == len(cameras), "every car", timeout_s=20
        )
        for camera in cameras.values():
            camera.segment = scenes["empty-h264"]
        left_at = datetime.now(UTC)
        node.until(
            lambda health: health["counters"]["alerts"].get("cleared", 0) == len(cameras), "every end", timeout_s=20
        )
        assert node.terminate()[0] == 0
    alerts = spooled(tmp_path / "data")
    for name in TIMES:
        first = next(one for one in alerts if one.camera_id == name and one.phase is Phase.RAISED)
        last = next(one for one in alerts if one.camera_id == name and one.phase is Phase.CLEARED)
        raised_s = (first.observed_at - parked_at).total_seconds()
        cleared_s = (last.observed_at - left_at).total_seconds()
        print(f"{name}: raised {raised_s:.2f} s after the car, cleared {cleared_s:.2f} s after it left")
        assert dwell_s <= raised_s <= dwell_s + LATEST_S, name
        assert 3.0 <= cleared_s <= 3.0 + LATEST_S, name
        assert abs((first.began_at - parked_at).total_seconds()) <= LATEST_S, name
        assert len({one.alert_id for one in alerts if one.camera_id == name}) == 1, name

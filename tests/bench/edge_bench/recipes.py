"""What the bench's cameras show, and how it is encoded: recipes only, no pictures.

A recipe names everything that decides the bytes of a clip; its digest is the clip's file name in the cache, so a
changed recipe makes a new clip and nothing else does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from xueliang_streams.encoding import VideoCodec

VERSION: Final = 3  # raise it when the code that makes clips makes other pictures from the same recipe
EncodingName = Literal["main", "sub", "hevc", "720p", "gop100"]
Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a stream is coded. `gop` in pictures; no B-pictures, as most cameras send."""

    size_wh: tuple[int, int]
    fps: int
    codec: VideoCodec
    gop: int
    bitrate_bps: int


ENCODINGS: Final[Mapping[EncodingName, Encoding]] = {
    "main": Encoding((1920, 1080), 25, "h264", 50, 4_000_000),
    "sub": Encoding((640, 360), 10, "h264", 20, 350_000),
    "hevc": Encoding((1920, 1080), 25, "hevc", 50, 2_300_000),
    "720p": Encoding((1280, 720), 25, "h264", 50, 2_000_000),
    "gop100": Encoding((1920, 1080), 25, "h264", 100, 4_000_000),
}


@dataclass(frozen=True, slots=True)
class RecordedScene:
    """A stretch of a shared clip, played forwards and (unless it loops well) backwards, so that the loop has no jump.

    Attributes:
        begin_s, stretch_s: `stretch_s` is a multiple of 2 s, so that every GOP of the loop is whole.
        keep_from: what is cut off the top of pictures narrower than 16:9, as a share of their height.
        zone: of the rules, as shares of the encoded picture.
        is_busy: something moves in the zone all the time. Otherwise things pass beside it, or seldom.
        onsets: as of a drawn scene.
    """

    name: str
    clip: str
    begin_s: float
    stretch_s: float
    zone: Polygon
    is_busy: bool
    keep_from: float = 0.0
    goes_back: bool = True
    onsets: tuple[tuple[float, float], ...] = ()

    @property
    def length_s(self) -> float:
        return self.stretch_s * (2 if self.goes_back else 1)


@dataclass(frozen=True, slots=True)
class RenderedScene:
    """A lane drawn by the demo's renderer, with walkers and traffic beside it; vehicles stand in it as `onsets` says.

    Attributes:
        seed, hour: houses, clothes, light.
        length_s: a multiple of 24 s, after which walkers and traffic are where they began.
        onsets: when each vehicle has come to a stand and when it pulls away, seconds from the clip's start.
    """

    name: str
    seed: int
    hour: Literal["day", "overcast", "dusk"]
    length_s: float
    onsets: tuple[tuple[float, float], ...] = ()
    is_busy: bool = False

    @property
    def zone(self) -> Polygon:
        return LANE


Scene = RecordedScene | RenderedScene

LANE: Final = ((0.0376, 0.8193), (0.9251, 0.5549), (0.8019, 0.4378), (0.0781, 0.6068))
"""The lane that the renderer marks, as shares of the picture: FireLaneScene.lane_polygon_xyxyn."""
_ROAD: Final = ((0.12, 0.98), (0.36, 0.45), (0.47, 0.45), (0.44, 0.98))
_CROSSING: Final = ((0.25, 0.45), (0.95, 0.45), (0.95, 0.95), (0.25, 0.95))
_SQUARE: Final = ((0.1, 0.3), (0.9, 0.3), (0.9, 0.95), (0.1, 0.95))
_PATH: Final = ((0.02, 0.3), (0.98, 0.3), (0.98, 0.75), (0.02, 0.75))
_LOT: Final = ((0.05, 0.05), (0.5, 0.05), (0.5, 0.7), (0.05, 0.7))
_ROADSIDE: Final = ((0.02, 0.05), (0.3, 0.05), (0.3, 0.95), (0.02, 0.95))
_SHOULDER: Final = ((0.74, 0.98), (0.84, 0.66), (0.93, 0.24), (0.985, 0.24), (0.9, 0.98))

BUSY: Final = (
    RecordedScene("motorway", "motorway.mp4", 0.0, 12, _ROAD, is_busy=True),
    RecordedScene("crosswalk", "crosswalk.mp4", 0.0, 12, _CROSSING, is_busy=True),
    RecordedScene("plaza", "plaza_crowd.mp4", 0.0, 12, _SQUARE, is_busy=True),
    RecordedScene("campus", "campus_walkers.mp4", 20.0, 20, _PATH, is_busy=True, keep_from=0.1),
)
CALM: Final = (RecordedScene("lot-empty", "lot_person_bicycle_car.mp4", 14.0, 10, _LOT, is_busy=False),)
"""Nothing moves in its zone: what makes every key picture worth a look is the busy fifth's alone."""
LIVELY: Final = (
    RecordedScene("lot-passing", "lot_person_bicycle_car.mp4", 10.0, 20, _LOT, is_busy=False),
    RecordedScene("roadside", "road_overhead_cars.mp4", 0.0, 20, _ROADSIDE, is_busy=False),
    RecordedScene("shoulder", "highway_lowres.mp4", 22.0, 6, _SHOULDER, is_busy=False, keep_from=0.125),
    RenderedScene("lane-free", 5, "overcast", 24.0),
)
"""Things pass in or beside the zones in 0.2 to all of the pictures 4 s apart: neither busy nor calm."""
ONE_BUSY_IN: Final = 5


def stands(seed: int, count: int, *, every_s: float = 48.0) -> tuple[tuple[float, float], ...]:
    """`count` stands of a vehicle, one in each `every_s`, their beginnings spread evenly over 6 s by the seed.

    They last 19 s and leave at least 18 s free before the next: long enough for a dwell of 6 s and looks every 4 s,
    and for the alert to end before the next one may begin.
    """
    digest = hashlib.sha256(str(seed).encode()).digest()
    return tuple(
        (
            round(every_s * number + 8 + 6 * digest[number] / 256, 2),
            round(every_s * number + 27 + 6 * digest[number] / 256, 2),
        )
        for number in range(count)
    )


ONSETS: Final = (
    RenderedScene("onset-day", 21, "day", 192.0, stands(21, 4)),
    RenderedScene("onset-overcast", 22, "overcast", 192.0, stands(22, 4)),
    RenderedScene("onset-dusk", 23, "dusk", 192.0, stands(23, 4)),
)


ONSET_CLIP: Final = RecordedScene(
    "lot-stops", "lot_car_stops.mp4", 0.0, 52, _LOT, is_busy=False, goes_back=False, onsets=((11.25, 46.25),)
)
"""A real car; times as in the recording's hand-checked events."""


def scene_of_camera(number: int) -> Scene:
    """The mix: of each five cameras the first is busy; scenes take turns."""
    if number % ONE_BUSY_IN == 0:
        return BUSY[number // ONE_BUSY_IN % len(BUSY)]
    return CALM[(number - number // ONE_BUSY_IN - 1) % len(CALM)]


def digest(scene: Scene, encoding: Encoding, source_sha256: str) -> str:
    """16 hex digits that name the clip. `source_sha256`: of the recording, or of the code that draws."""
    what: dict[str, Any] = {
        "version": VERSION,
        "source": source_sha256,
        "scene": asdict(scene),
        "encoding": asdict(encoding),
    }
    what["scene"].pop("zone", None)  # rules may move without a new clip
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]

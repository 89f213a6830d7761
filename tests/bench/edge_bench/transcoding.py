"""Makes the bench's clips: pictures of a shared recording or of a drawn scene, coded as cameras code them.

Pictures get sensor noise before they are coded. Recordings of 320 to 1280 pixels hold little detail once they are
scaled up; the noise makes them as hard to code (and to decode) as what a 4 Mbit/s camera sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tests.bench.edge_bench.recipes import Encoding, RecordedScene

Image = NDArray[np.uint8]
NOISE_SIGMA: Final = 2.0  # grey levels: a daylight picture of an ordinary sensor
_NOISE_ROOM: Final = 64  # pixels the noise field is larger than the picture, so that it can be shifted at random


def recorded_pictures(scene: RecordedScene, clip: Path, fps: int) -> Iterator[Image]:
    """BGR pictures, `fps` a second, forwards and perhaps backwards; of the recording's own size, cut to 16:9."""
    forwards: list[Image] = []
    for picture in pictures_at(clip, scene.begin_s, fps, round(scene.stretch_s * fps)):
        cut = _cut_to_wide(picture, scene.keep_from)
        if scene.goes_back:
            forwards.append(cut)
        yield cut
    if scene.goes_back:
        yield from reversed(forwards)


def pictures_at(clip: Path, begin_s: float, fps: int, count: int) -> Iterator[Image]:
    """The picture shown at begin_s, begin_s + 1/fps, …; the last one stays when the recording ends early."""
    with av.open(str(clip)) as container:
        shown: Image | None = None
        given = 0
        for frame in container.decode(video=0):
            while shown is not None and given < count and frame.time > begin_s + given / fps:
                yield shown
                given += 1
            if given == count:
                return
            shown = np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
        while shown is not None and given < count:
            yield shown
            given += 1


def _cut_to_wide(picture: Image, keep_from: float) -> Image:
    height, width = picture.shape[:2]
    wanted = round(width * 9 / 16)
    if wanted >= height:
        return picture
    top = min(round(keep_from * height), height - wanted)
    return picture[top : top + wanted]


def encode(path: Path, pictures_bgr: Iterable[Image], encoding: Encoding, *, seed: int) -> int:
    """Write the clip as MP4 and return its number of pictures; the file appears when it is complete."""
    unfinished = path.with_name(f"{path.name}.part")
    noise = _Noise(encoding.size_wh, seed)
    count = 0
    with av.open(str(unfinished), "w", format="mp4") as container:
        stream = cast(Any, container.add_stream(_encoder(encoding), rate=encoding.fps, options=_options(encoding)))
        stream.width, stream.height = encoding.size_wh
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, encoding.fps)
        stream.codec_context.thread_count = 2
        stream.bit_rate = encoding.bitrate_bps
        for picture in pictures_bgr:
            frame = av.VideoFrame.from_ndarray(noise.on(picture), format="yuv420p")
            frame.pts, frame.time_base = count, Fraction(1, encoding.fps)
            container.mux(stream.encode(frame))
            count += 1
        container.mux(stream.encode())
    unfinished.replace(path)
    return count


class _Noise:
    """Scales pictures to the wanted size, as I420; on the brightness lies noise that changes with every picture."""

    def __init__(self, size_wh: tuple[int, int], seed: int) -> None:
        self._size_wh = size_wh
        self._rng = np.random.default_rng(seed)
        width, height = size_wh
        shape = (height + _NOISE_ROOM, width + _NOISE_ROOM)
        self._field = np.rint(self._rng.normal(0, NOISE_SIGMA, shape)).astype(np.int8)

    def on(self, picture_bgr: Image) -> Image:
        width, height = self._size_wh
        if picture_bgr.shape[:2] != (height, width):
            is_smaller = picture_bgr.shape[1] < width
            how = cv2.INTER_LINEAR if is_smaller else cv2.INTER_AREA
            picture_bgr = cast(Image, cv2.resize(picture_bgr, self._size_wh, interpolation=how))
        planes = cast(Image, cv2.cvtColor(picture_bgr, cv2.COLOR_BGR2YUV_I420))
        down, right = self._rng.integers(0, _NOISE_ROOM, 2)
        noise = self._field[down : down + height, right : right + width]
        cv2.add(planes[:height], noise, dst=planes[:height], dtype=cv2.CV_8U)
        return planes


def _encoder(encoding: Encoding) -> str:
    return "libx264" if encoding.codec == "h264" else "libx265"


def _options(encoding: Encoding) -> dict[str, str]:
    """Constant GOP, one second of rate buffer, and no look-ahead tricks that encoders in cameras lack (mbtree)."""
    kbps = encoding.bitrate_bps // 1000
    common = (
        f"keyint={encoding.gop}:min-keyint={encoding.gop}:scenecut=0:open-gop=0:bframes=0"
        f":vbv-maxrate={kbps * 5 // 4}:vbv-bufsize={kbps}"
    )
    if encoding.codec == "h264":
        return {"preset": "veryfast", "x264-params": f"{common}:mbtree=0"}
    return {"preset": "ultrafast", "x265-params": f"log-level=none:info=0:{common}:cutree=0"}

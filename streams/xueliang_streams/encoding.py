"""Writes pictures as a clip: generated footage for the demo and the tests.

Encoders are those of the PyAV wheel: libx264 for H.264, libx265 for H.265.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from xueliang_streams.errors import EncodingFailed

VideoCodec = Literal["h264", "hevc"]

_ENCODERS: dict[VideoCodec, str] = {"h264": "libx264", "hevc": "libx265"}


def encode_clip(
    path: Path,
    frames_bgr: Iterable[NDArray[np.uint8]],
    fps: float,
    *,
    codec: VideoCodec = "h264",
    gop: int | None = None,
    crf: int = 23,
    bitrate_bps: int | None = None,
    b_frames: int = 0,
) -> int:
    """Write frames as MP4 and return how many there were.

    All frames are uint8 of one shape (h, w, 3) with even h and w. A key picture stands at every `gop`-th frame
    (default: one a second) and nowhere else, and no picture refers across it, so that clips with the same settings join
    cleanly. `bitrate_bps` replaces `crf`. The file appears under its name only when it is complete.

    Raises:
        EncodingFailed: no frames, frames of different or odd sizes, or the file cannot be written.
    """
    rate = Fraction(fps).limit_denominator(1001)
    options = _options(codec, gop or max(1, round(fps)), crf, bitrate_bps, b_frames)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with av.open(str(unfinished), "w", format="mp4") as container:
            count = _write(container, frames_bgr, rate, codec, options, bitrate_bps)
        unfinished.replace(path)
    except (av.error.FFmpegError, OSError) as error:
        raise EncodingFailed(f"{path}: cannot be written: {error.strerror or type(error).__name__}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _options(codec: VideoCodec, gop: int, crf: int, bitrate_bps: int | None, b_frames: int) -> dict[str, str]:
    options = {"preset": "veryfast" if codec == "h264" else "ultrafast", "g": str(gop), "bf": str(b_frames)}
    if bitrate_bps is None:
        options["crf"] = str(crf)
    if codec == "h264":
        return options | {"x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0"}
    # x265 takes these only through its own list; it also prints a banner on stderr unless told not to.
    own = f"log-level=none:keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:bframes={b_frames}:info=0"
    return options | {"x265-params": own}


def _write(
    container: av.container.OutputContainer,
    frames_bgr: Iterable[NDArray[np.uint8]],
    rate: Fraction,
    codec: VideoCodec,
    options: dict[str, str],
    bitrate_bps: int | None,
) -> int:
    stream: VideoStream | None = None
    shape: tuple[int, ...] = ()
    count = 0
    for count, image_bgr in enumerate(frames_bgr, start=1):
        if stream is None:
            shape = image_bgr.shape
            if len(shape) != 3 or shape[2] != 3 or shape[0] % 2 or shape[1] % 2:
                raise EncodingFailed(f"frames must have shape (h, w, 3) with even h and w, got {shape}")
            stream = cast(VideoStream, container.add_stream(_ENCODERS[codec], rate=rate, options=options))
            stream.height, stream.width = shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = 1 / rate
            stream.codec_context.thread_count = 1  # the same frames give the same file
            if bitrate_bps is not None:
                stream.bit_rate = bitrate_bps
        if image_bgr.shape != shape:
            raise EncodingFailed(f"frame {count} has shape {image_bgr.shape}, the first had {shape}")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image_bgr), format="bgr24")
        picture.pts, picture.time_base = count - 1, 1 / rate
        container.mux(stream.encode(picture))
    if stream is None:
        raise EncodingFailed("a clip needs at least one frame, got none")
    container.mux(stream.encode())
    return count

"""A video file as a camera: played over and over by the demo's own RTSP server, so that it never goes offline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from xueliang_alerts.clocks import system_wall
from xueliang_streams.encoding import encode_clip
from xueliang_streams.errors import NotAVideo, RecordingUnreadable
from xueliang_streams.rtsp_server import ClipMount, RtspServer

LARGEST_BYTES: Final = 512 * 1024 * 1024  # the server holds a clip in memory
USUAL_FPS: Final = 25.0


class OwnClip:
    """One file served in a loop under `name`.

    Raises (at construction):
        RecordingUnreadable: missing, damaged, no video, or too large to hold.
        EncodingFailed: it had to be encoded again, and could not be.
    """

    def __init__(self, path: Path, name: str, folder: Path, say: Callable[[str], None] = print) -> None:
        self._name = name
        self._mount = _mount(path, folder / f"{name}.mp4", say)
        self.server: RtspServer | None = None

    def open(self) -> RtspServer:
        self.server = RtspServer({self._name: self._mount}, wall=system_wall)
        self.server.start()
        return self.server

    def close(self) -> None:
        if self.server is not None:
            self.server.close()


def path_of(camera: str) -> Path | None:
    """The file that `--camera` names; None when it is the address of a camera."""
    text = camera.removeprefix("file:")
    return None if "://" in text else Path(text).expanduser().resolve()


def _mount(path: Path, again: Path, say: Callable[[str], None]) -> ClipMount:
    """The file itself when it is H.264 or H.265 from a key picture on, else the same pictures encoded as `again`."""
    if path.is_file() and path.stat().st_size > LARGEST_BYTES:
        raise RecordingUnreadable(
            f"{path}: larger than {LARGEST_BYTES // 1024**2} MB, which is what the demo plays from memory\n"
            f"hint: cut it: ffmpeg -i {path.name} -t 600 -c copy shorter.mp4"
        )
    try:
        return ClipMount(path)
    except NotAVideo:
        say(f"{path.name} is not what a camera sends (H.264 or H.265, a key picture first): it is encoded again")
        _encode_again(path, again)
        return ClipMount(again)


def _encode_again(path: Path, again: Path) -> None:
    again.parent.mkdir(parents=True, exist_ok=True)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise RecordingUnreadable(f"{path}: holds no video")
            stream = container.streams.video[0]
            encode_clip(again, _pictures(container, stream), float(stream.average_rate or USUAL_FPS))
    except (av.error.FFmpegError, OSError) as error:
        raise RecordingUnreadable(f"{path}: {error.strerror or type(error).__name__}") from error


def _pictures(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[NDArray[np.uint8]]:
    """Decoded, an odd last row or column left out: the encoder wants even sizes."""
    for picture in container.decode(stream):
        image_bgr = np.asarray(picture.to_ndarray(format="bgr24"), dtype=np.uint8)
        height, width = image_bgr.shape[:2]
        yield image_bgr[: height - height % 2, : width - width % 2]

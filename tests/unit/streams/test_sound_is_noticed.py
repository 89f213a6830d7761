"""Sound beside a camera's video: noticed, never chosen."""

from __future__ import annotations

import pytest

from xueliang_streams.rtsp.description import read_description

VIDEO = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n"
SOUND = "m=audio 0 RTP/AVP 8\r\na=control:trackID=2\r\n"


@pytest.mark.parametrize(
    ("body", "offers_sound"),
    [(VIDEO, False), (VIDEO + SOUND, True), (SOUND + VIDEO, True)],
    ids=["none", "behind the video", "before the video"],
)
def test_sound_is_noticed_and_the_video_chosen(body: str, offers_sound: bool) -> None:
    media = read_description(f"v=0\r\n{body}".encode(), "rtsp://10.0.0.9/stream1/").media
    assert media.offers_sound is offers_sound
    assert media.control_url == "rtsp://10.0.0.9/stream1/trackID=1"

"""The usual address of a small stream beside a large one."""

from __future__ import annotations

import pytest

from xueliang_edge.usual_addresses import usual_sub_url


@pytest.mark.parametrize(
    ("large", "small"),
    [
        ("rtsp://a:b@10.0.0.9/Streaming/Channels/101", "rtsp://a:b@10.0.0.9/Streaming/Channels/102"),
        ("rtsp://10.0.0.9:8554/Streaming/channels/1601?a=1", "rtsp://10.0.0.9:8554/Streaming/channels/1602?a=1"),
        ("rtsp://10.0.0.9/h264/ch1/main/av_stream", "rtsp://10.0.0.9/h264/ch1/sub/av_stream"),
        (
            "rtsp://10.0.0.9/cam/realmonitor?channel=1&subtype=0",
            "rtsp://10.0.0.9/cam/realmonitor?channel=1&subtype=1",
        ),
        ("rtsp://10.0.0.9/media/video1", "rtsp://10.0.0.9/media/video2"),
        ("rtsps://u:p@10.0.0.9/stream1", "rtsps://u:p@10.0.0.9/stream2"),
        ("rtsp://u:/stream1@10.0.0.9/stream1", "rtsp://u:/stream1@10.0.0.9/stream2"),
        ("rtsp://10.0.0.9/Streaming/Channels/102", None),
        ("rtsp://10.0.0.9/live", None),
        ("rtsp://10.0.0.9/stream12", None),
        ("clip.mp4", None),
    ],
)
def test_the_small_stream_beside_it(large: str, small: str | None) -> None:
    assert usual_sub_url(large) == small

from __future__ import annotations

import pytest

from xueliang_streams.redaction import redact_text, redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param("rtsp://gate-3.local:554/stream1", "rtsp://gate-3.local:554/stream1", id="nothing to hide"),
        pytest.param("rtsp://admin:canary@10.0.0.7/s", "rtsp://admin:***@10.0.0.7/s", id="password"),
        pytest.param("rtsp://admin@10.0.0.7/s", "rtsp://admin@10.0.0.7/s", id="user alone"),
        pytest.param("rtsp://admin:can@ary@10.0.0.7/s", "rtsp://admin:***@10.0.0.7/s", id="at sign in password"),
        pytest.param("rtsp://admin:can/ary@10.0.0.7/s", "rtsp://***", id="slash in password"),
        pytest.param("rtsp://admin:can?ary@10.0.0.7/s", "rtsp://***", id="question mark in password"),
        pytest.param("rtsp://admin:can#ary@10.0.0.7/s", "rtsp://***", id="hash in password"),
        pytest.param("rtsp://admin:canary@[fe80::1]:554/s", "rtsp://admin:***@[fe80::1]:554/s", id="IPv6"),
        pytest.param("rtsp://h/s?channel=1&token=canary", "rtsp://h/s?channel=***&token=***", id="token in query"),
        pytest.param("rtsp://h/s?canary", "rtsp://h/s?***", id="bare query"),
        pytest.param("rtsp://h/s#canary", "rtsp://h/s#***", id="fragment"),
        pytest.param(
            "rtsp://h/user=admin_password=canary_channel=1_stream=0.sdp",
            "rtsp://h/user=admin_password=***_channel=1_stream=0.sdp",
            id="login in path",
        ),
        pytest.param("rtsp://h:554/openUrl/canary", "rtsp://h:554/openUrl/***", id="ticket in path"),
        pytest.param("/data/gate 3.mp4", "/data/gate 3.mp4", id="file path"),
    ],
)
def test_redacted_url_keeps_the_place_and_hides_the_secret(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@pytest.mark.parametrize(
    "secret", ["canary", "ca@na", "ca:na", "ca/na", "ca?na", "ca#na", "ca&na=ry", "ca%40na", "ca na"]
)
def test_no_part_of_any_password_is_shown(secret: str) -> None:
    shown = redact_url(f"rtsp://admin:{secret}@10.0.0.7:554/live?x=1")
    assert "ca" not in shown
    assert "na" not in shown


def test_urls_inside_a_sentence_are_redacted() -> None:
    text = redact_text("[Errno 5] Input/output error: 'rtsp://u:canary@h/s?token=canary' at once")
    assert "canary" not in text
    assert text.startswith("[Errno 5] Input/output error: 'rtsp://u:***@h/s?token=***")

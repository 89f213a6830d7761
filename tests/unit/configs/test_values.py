"""Addresses and polygons: what is shown, and what is refused."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from xueliang_configs.values import CameraUrl, Polygon, polygon_area, redact_url

POLYGON: TypeAdapter[tuple[tuple[float, float], ...]] = TypeAdapter(Polygon)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://h:554/s", "rtsp://h:554/s"),
        ("rtsp://user:pw@h/s", "rtsp://***@h/s"),
        ("rtsp://user:p@w@h/s", "rtsp://***@h/s"),
        ("rtsp://user:p/w@h/s", "rtsp://***@h/s"),
        ("rtsp://user:p?w#x@h/s", "rtsp://***@h/s"),
        ("rtsp://h/s?user=u&password=pw&channel=1", "rtsp://h/s?user=***&password=***&channel=1"),
        ("rtsp://h/s?token=t#frag", "rtsp://h/s?token=***"),
        ("rtsp://u:p@[::1", "***"),
        ("rtsp://h/user=a_password=pw_channel=1.sdp", "rtsp://h/user=a_password=***_channel=1.sdp"),
        ("rtsp://h:554/openUrl/a1B2c3?ticket=t&channel=1", "rtsp://h:554/openUrl/***?ticket=***&channel=1"),
        ("file:clips/a.mp4", "file:clips/a.mp4"),
        ("user:pw@h/s", "***@h/s"),
    ],
)
def test_a_redacted_address_keeps_the_host_and_loses_the_secret(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=6))
def test_no_password_survives_redaction(password: str) -> None:
    secret = f"S3CR{password}T"
    assert "S3CR" not in redact_url(f"rtsp://user:{secret}@10.0.0.9/stream1")


def test_an_address_shows_its_secret_only_when_asked() -> None:
    url = CameraUrl("rtsp://u:canary@h/s")
    assert "canary" not in f"{url} {url!r} {[url]}"
    assert url.reveal() == "rtsp://u:canary@h/s"
    assert copy.deepcopy(url) == url
    assert pickle.loads(pickle.dumps(url)) == url
    assert url != CameraUrl("rtsp://u:other@h/s")


def test_a_closed_polygon_is_opened() -> None:
    assert POLYGON.validate_python([[0, 0], [1, 0], [1, 1], [0, 0]]) == ((0, 0), (1, 0), (1, 1))


def test_a_concave_polygon_is_good() -> None:
    arrow = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.4], [0.9, 0.9], [0.1, 0.9]]
    assert len(POLYGON.validate_python(arrow)) == 5


@pytest.mark.parametrize(
    "points",
    [
        [],
        [[0, 0], [1, 1]],
        [[0, 0], [1, 1], [0, 0]],
        [[0, 0], [1, 1], [1, 0], [0, 1]],
        [[0, 0], [0.5, 0.5], [1, 1]],
        [[0, 0], [1.01, 0], [1, 1]],
        [[0, 0], [float("nan"), 0], [1, 1]],
        [[0, 0], [1, 0, 0], [1, 1]],
    ],
    ids=["none", "two", "two_closed", "crossing", "line", "outside", "nan", "three_numbers"],
)
def test_a_polygon_that_is_no_zone_is_refused(points: list[list[float]]) -> None:
    with pytest.raises(ValidationError):
        POLYGON.validate_python(points)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=3, unique=True))
def test_every_triangle_with_an_area_is_a_zone(points: list[tuple[float, float]]) -> None:
    if polygon_area(tuple(points)) > 2e-5:
        assert POLYGON.validate_python(points) == tuple(points)

"""An address that lost a part is refused in words, and never printed with its password."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from xueliang_streams.errors import UnsupportedUrl
from xueliang_streams.opening import open_source


@pytest.mark.parametrize(
    "url",
    ["rtsp:/admin:s3cret@10.0.0.9/s1", "admin:s3cret@10.0.0.9/s1", "rtsp:admin:s3cret@h/s", "rtsp://a:s3cret@[::1/x"],
)
def test_half_an_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UnsupportedUrl) as refused:
        open_source("gate", url, wall=lambda: datetime.now(UTC), mono=time.monotonic)
    assert "s3cret" not in str(refused.value)
    assert "rtsp://" in str(refused.value)

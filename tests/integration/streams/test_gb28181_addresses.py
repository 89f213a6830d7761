"""Every address form of docs/gb28181.md: taken by the settings, hidden in what is printed, opened by our own reader."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.integration.streams.cameras import mono, wall
from tests.support.clips import moving_box_clip
from tests.support.fixtures import REPOSITORY
from xueliang_configs.values import CameraUrl
from xueliang_configs.values import redact_url as redacted_by_settings
from xueliang_edge.importing.addresses import address_of
from xueliang_streams import NotAVideo, probe, redact_url
from xueliang_streams.rtsp_server import ClipMount, RtspServer

PAGE = REPOSITORY / "docs/gb28181.md"
ROW = re.compile(r"^\| (?P<kind>[^|]+) \| `(?P<url>rtsps?://[^`]+)` \|$", re.MULTILINE)
FORMS = {found["kind"]: found["url"] for found in ROW.finditer(PAGE.read_text(encoding="utf-8"))}
SECRET = "S3cret"


def mount_of(url: str) -> str:
    return unquote(urlsplit(url).path).strip("/")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> object:
    clip = moving_box_clip(tmp_path_factory.mktemp("clips") / "gb.mp4", seconds=1, gop=3)
    with RtspServer({mount_of(url): ClipMount(clip) for url in FORMS.values()}, wall=wall) as server:
        yield server


def test_the_page_has_forms_with_logins_queries_and_tickets() -> None:
    assert len(FORMS) >= 10
    assert sum(SECRET in url for url in FORMS.values()) >= 8
    assert len({mount_of(url) for url in FORMS.values()}) >= 8


@pytest.mark.parametrize("kind", FORMS)
def test_settings_take_it_and_nothing_shows_its_secret(kind: str) -> None:
    url = FORMS[kind]
    taken = CameraUrl.checked(url, None)
    assert taken.reveal() == url
    for shown in (str(taken), repr(taken), redacted_by_settings(url), redact_url(url)):
        assert SECRET not in shown, shown
        assert urlsplit(url).hostname in shown


@pytest.mark.parametrize("kind", FORMS)
def test_an_import_writes_it_without_its_secret_and_opens_what_it_says(kind: str) -> None:
    url = FORMS[kind]
    address = address_of(url, user="", password="", prefix="CAM_A", login_prefix="CAM_A", environment={})
    assert SECRET not in address.written
    assert address.opened.reveal() == url


@pytest.mark.parametrize("kind", FORMS)
def test_our_own_reader_opens_it(kind: str, platform: RtspServer) -> None:
    url = FORMS[kind]
    host = urlsplit(url).netloc.rpartition("@")[2]
    # TLS has tests of its own: here the path matters.
    local = url.replace(host, f"127.0.0.1:{platform.port}").replace("rtsps://", "rtsp://")
    offer = probe(local, timeout_s=8, wall=wall, mono=mono, clock_wait_s=0)
    assert offer.reader == "own"
    assert offer.size_wh == (320, 240)


def test_an_address_that_is_none_of_them_is_not_served(platform: RtspServer, tmp_path: Path) -> None:
    with pytest.raises(NotAVideo, match="404"):
        probe(f"rtsp://127.0.0.1:{platform.port}/rtp/0", timeout_s=8, wall=wall, mono=mono, clock_wait_s=0)

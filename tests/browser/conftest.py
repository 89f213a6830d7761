"""One chromium for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import chromium_path, open_browser, require_console


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium_path()
    require_console()
    with open_browser() as opened:
        yield opened

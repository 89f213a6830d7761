"""One chromium for the tests of a file; the pages of a test go with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import chromium_path, open_browser, require_console

# How soon a page says something says how busy the machine is: one that is right goes on at once.
expect.set_options(timeout=40_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium_path()
    require_console()
    with open_browser() as opened:
        yield opened


@pytest.fixture(autouse=True)
def closed_pages(request: pytest.FixtureRequest) -> Iterator[None]:
    """A page that stayed open would ask for its centre, which is gone, as long as the tests of the file last."""
    opened: Browser | None = request.getfixturevalue("browser") if "browser" in request.fixturenames else None
    yield
    for context in opened.contexts if opened else ():
        context.close()

"""Pictures of pages for people to look at, taken by tests: only where a folder is named."""

from __future__ import annotations

import os
from typing import Final

from playwright.sync_api import Page

SETTLED_MS: Final = 800


def shoot(page: Page, name: str) -> None:
    """`XUELIANG_SHOTS/<name>.png`; nothing without that folder."""
    folder = os.environ.get("XUELIANG_SHOTS")
    if folder:
        page.wait_for_timeout(SETTLED_MS)
        page.screenshot(path=f"{folder}/{name}.png")

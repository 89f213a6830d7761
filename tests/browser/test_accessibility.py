"""Every page before axe-core, in Chinese and in English: nothing that keeps people out."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.accessibility import require_axe
from tests.support.console_pages import every_page, not_looked_at
from tests.support.small_city import small

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]


def test_no_page_is_left_out() -> None:
    assert not_looked_at() == []


def test_no_page_has_a_serious_violation(browser: Browser, tmp_path: Path) -> None:
    require_axe()
    with small(tmp_path / "small") as place:
        place.have_tasks()
        found, pages = every_page(browser, place)
    assert pages > 40
    assert found == []

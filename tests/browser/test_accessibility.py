"""Every page in Chinese and in English, with hostile names: nothing keeps people out, names are text, all has room."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.accessibility import require_axe
from tests.support.console_pages import every_page, not_looked_at
from tests.support.small_city import HOSTILE, small

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]


def test_no_page_is_left_out() -> None:
    assert not_looked_at() == []


def test_no_page_has_a_serious_violation_takes_a_name_for_markup_or_has_no_room_for_it(
    browser: Browser, tmp_path: Path
) -> None:
    require_axe()
    with small(tmp_path / "small", is_hostile=True) as place:
        place.have_tasks()
        person = place.centre.log_in("operator")
        judged = str(person.incidents()[0]["incident_id"])
        person.move_incident(judged, "false_alarm", reason_code="other", note=HOSTILE)
        person.close()
        page = place.page(browser, "chief")
        expect(page.get_by_test_id("incident-row").first).to_contain_text(HOSTILE)  # as text
        page.goto(f"/incidents/{judged}")
        expect(page.get_by_test_id("timeline")).to_contain_text(HOSTILE)
        page.context.close()
        walk = every_page(browser, place)
    assert walk.pages > 40
    assert walk.serious == []
    assert walk.crowded == []
    assert walk.complaints == []

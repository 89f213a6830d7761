"""What is measured on a page is measured when it has come to rest: a dialog that fades in is not judged half faded."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.support.browser import come_to_rest, desk

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# As Vue and Element Plus do it: two frames later a class, and with it a transition. A spinner turns for ever beside it,
# and a bar that counts down never rests.
_PAGE = """
<style>
  #dialog { opacity: 0; transition: opacity 600ms } #dialog.in { opacity: 1 }
  #bar { transition: transform 1s linear }
  #spinner { animation: turn 1s linear infinite } @keyframes turn { to { rotate: 360deg } }
</style>
<p id="spinner">…</p><p id="bar">00:49</p><p id="dialog">任务已暂停</p>
<script>
  let left = 1000;
  setInterval(() => (bar.style.transform = `scaleX(${(left -= 1) / 1000})`), 900);
  addEventListener("click", () => requestAnimationFrame(() => requestAnimationFrame(() => dialog.className = "in")))
</script>
"""


def test_a_fading_dialog_is_waited_for_and_a_spinner_and_a_clock_are_not(browser: Browser) -> None:
    page = desk(browser, "http://localhost")
    page.set_content(_PAGE)
    page.locator("body").click()
    come_to_rest(page)
    assert page.evaluate("getComputedStyle(dialog).opacity") == "1"
    assert page.evaluate("document.getAnimations().length") > 0, "the spinner turns"

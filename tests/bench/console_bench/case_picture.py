"""How long a case's picture is in coming: from the press on its row until the browser has decoded it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from playwright.sync_api import Browser

from tests.bench.figures import Figures
from tests.support.browser import desk
from tests.support.small_city import BLOCKED, CAMERAS, Small, open_page
from xueliang_alerts.contract import Hazard, Severity
from xueliang_demo.processes import wait_until

SIZE_WH: Final = (1280, 720)
SOON_S: Final = 60.0
_CHOOSE: Final = """async (incidentId) => {
  const panel = () => document.querySelector(`[data-testid="case-panel"][data-incident="${incidentId}"]`);
  const began = performance.now();
  document.querySelector(`[data-testid="incident-row"][data-incident="${incidentId}"] button`).click();
  for (;;) {
    const picture = panel()?.querySelector('[data-testid="picture"] img');
    if (picture?.currentSrc) {
      await picture.decode();
      return (performance.now() - began) / 1000;
    }
    if (performance.now() - began > 30_000) throw new Error("no picture in 30 s");
    await new Promise(requestAnimationFrame);
  }
}"""


def measure(browser: Browser, place: Small, rounds: int, figures: Figures) -> None:
    """Each round in a browser that has none of the pictures yet, on a list of cases that is there already."""
    stills = [_still(number) for number in range(CAMERAS)]
    for number, still in enumerate(stills):
        place.node.raise_alert(f"cam-{number}", Hazard.BLOCKED_EXIT, Severity.ORANGE, reason=BLOCKED, picture=still)
    person = place.centre.log_in("operator")

    def cases() -> list[str]:
        found = [one for one in person.incidents() if one["hazard"] == "blocked_exit"]
        return [str(one["incident_id"]) for one in found if one["picture"] and one["picture"]["received"]]

    wait_until(lambda: len(cases()) == CAMERAS, "the cases and their pictures", SOON_S)
    wanted = cases()
    person.close()
    first = place.page(browser, "operator")
    cookies = first.context.cookies()
    first.context.close()
    waits = []
    for _ in range(rounds):
        page = desk(browser, place.centre.origin)
        page.context.add_cookies(cookies)  # type: ignore[arg-type]
        open_page(page, "/")
        for incident_id in wanted:
            page.locator(f'[data-testid="incident-row"][data-incident="{incident_id}"]').wait_for()
            waits.append(float(page.evaluate(_CHOOSE, incident_id)))
        page.context.close()
    p50, p99 = np.percentile(waits, (50, 99))
    figures["case_picture_p50_s"], figures["case_picture_p99_s"] = float(p50), float(p99)
    figures["case_pictures"] = len(waits)
    figures["case_picture_kb"] = max(map(len, stills)) / 1000


def _still(seed: int) -> bytes:
    """As large as a still of a camera is: a place with much in it."""
    width, height = SIZE_WH
    coarse = np.random.default_rng(seed).integers(40, 220, (height // 8, width // 8, 3), dtype=np.uint8)
    image_bgr = cv2.resize(coarse, SIZE_WH, interpolation=cv2.INTER_LINEAR)
    done, encoded = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return encoded.tobytes()

"""Whether the phone can be pressed with gloves and one thumb and read in sunlight: measured on the page as drawn."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Page

from tests.support.browser import come_to_rest

LEAST_TARGET_PX: Final = 64
LEAST_TEXT_PX: Final = 20
LEAST_CONTRAST: Final = 7.0
LEAST_THUMB: Final = 0.55  # of the height, from the top: what the thumb of a hand reaches on a 5-inch screen

# A control inside a label, or a hidden one that a press elsewhere reaches (file input), is pressed by way of that one.
# Contrast is WCAG's, against the nearest opaque ground behind the text.
# The page's main button (`data-main`) lies in the lower part, where the thumb of the hand that holds the phone is;
# under a sheet that covers the page there is none to press.
_MEASURE: Final = """([target, text, contrast, thumb]) => {
  const found = [];
  const root = document.querySelector(".phone");
  const words = (one) => (one.textContent || one.getAttribute("aria-label") || "").trim().slice(0, 30);
  const name = (one) => `${one.tagName.toLowerCase()}.${one.className} "${words(one)}"`;
  const isShown = (one) =>
    one.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !one.closest(".visually-hidden");
  for (const one of root.querySelectorAll("button, a[href], input, textarea, select, label, [role=button]")) {
    if (!isShown(one) || (one.tagName === "INPUT" && one.closest("label"))) continue;
    if (one.tagName === "LABEL" && one.querySelector("textarea")) continue;
    const box = one.getBoundingClientRect();
    if (box.width < target || box.height < target)
      found.push(`target ${Math.round(box.width)}x${Math.round(box.height)}: ${name(one)}`);
  }
  const main = [...root.querySelectorAll("[data-main]")].filter(isShown);
  if (main.length > 0 && !root.querySelector(".sheet")) {
    const lowest = Math.max(...main.map((one) => one.getBoundingClientRect().top / innerHeight));
    const end = Math.max(...main.map((one) => one.getBoundingClientRect().bottom));
    if (lowest < thumb || end > innerHeight + 1) found.push(`thumb ${lowest.toFixed(2)}: ${name(main[0])}`);
  }
  const parts = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = (one) => {
    for (let up = one; up; up = up.parentElement) {
      const [r, g, b, a = 1] = parts(getComputedStyle(up).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !isShown(one)) continue;
    const style = getComputedStyle(one);
    if (parseFloat(style.fontSize) < text) found.push(`text ${style.fontSize}: ${name(one)}`);
    const [a, b] = [light(parts(style.color)), light(ground(one))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < contrast) found.push(`contrast ${ratio.toFixed(2)}: ${name(one)}`);
  }
  return [...new Set(found)];
}"""


def faults(page: Page) -> list[str]:
    """Targets below 64 px, text below 20 px, contrast below 7:1 and a main button out of the thumb's reach, on the
    phone's page when it has come to rest; empty: none."""
    come_to_rest(page)
    return list(page.evaluate(_MEASURE, [LEAST_TARGET_PX, LEAST_TEXT_PX, LEAST_CONTRAST, LEAST_THUMB]))

"""Whether what a page shows has its room: nothing sticks out, is cut, lies on anything else, or leaves its button."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from playwright.sync_api import Page

from tests.support.browser import too_wide

DESK_SIZES: Final = ((1366, 768), (1920, 1080))

# Only what can be seen counts: a box is cut by every ancestor that clips or scrolls, and by the window. A map and a
# drawing lay their own things over each other by what they show.
# A control under something else is brought into sight first, as the Tab key would: what lies under a foot that stays is
# no more lost than what lies below the window, if a scroll brings it up from there.
# A line of text is as high as its letters (one em): the browser's box has the room that a font keeps above and below
# them, half as much again in Chinese ones, and two lines that are set closer than that do not touch.
_LOOK: Final = """async () => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const ownRoom = ".leaflet-container, svg, .visually-hidden";
  const words = (one) => (one.textContent || one.getAttribute("aria-label") || one.value || "").trim().slice(0, 30);
  const name = (one) => `${one.tagName.toLowerCase()}.${one.className} "${words(one)}"`;
  const isClippedAway = (one) =>
    one !== null && (getComputedStyle(one).clipPath === "inset(50%)" || isClippedAway(one.parentElement));
  const isShown = (one) =>
    one.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    !one.closest(ownRoom) && !isClippedAway(one);
  const cut = (box, by) => ({
    left: Math.max(box.left, by.left), right: Math.min(box.right, by.right),
    top: Math.max(box.top, by.top), bottom: Math.min(box.bottom, by.bottom),
  });
  const seen = (one, box) => {
    let left = cut(box, { left: 0, top: 0, right: innerWidth, bottom: innerHeight });
    for (let up = one; up && up !== document.body; up = up.parentElement)
      if (getComputedStyle(up).overflow !== "visible") left = cut(left, up.getBoundingClientRect());
    return left.right - left.left > 2 && left.bottom - left.top > 2 ? left : null;
  };
  const over = (one) => {
    const box = seen(one, one.getClientRects()[0] ?? one.getBoundingClientRect());
    const top = box && document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
    return top && !one.contains(top) && !top.contains(one) ? top : null;
  };
  const letters = ({ left, right, top, bottom }, one) => {
    const spare = Math.max(0, (bottom - top - parseFloat(getComputedStyle(one).fontSize)) / 2);
    return { left, right, top: top + spare, bottom: bottom - spare };
  };
  const hasGround = ({ backgroundColor, borderLeftWidth, borderRightWidth }) =>
    !/, 0\\)$|^transparent$/.test(backgroundColor) ||
    (parseFloat(borderLeftWidth) > 0 && parseFloat(borderRightWidth) > 0);
  const scrolls = (overflow) => ["auto", "scroll"].includes(overflow);
  // Cut: by what neither scrolls nor ends in dots. Stands out: of the nearest box that can be seen.
  const misplaced = (one, line) => {
    let isWithin = false, goesOnX = false, goesOnY = false;
    for (let up = one; up && up !== document.body; up = up.parentElement) {
      const style = getComputedStyle(up), box = up.getBoundingClientRect();
      if (style.display === "inline" || style.display === "contents") continue;
      const wide = line.right > box.right + 2 || line.left < box.left - 2;
      const high = line.bottom > box.bottom + 2 || line.top < box.top - 2;
      const isPartly = high && line.bottom > box.top + 2 && line.top < box.bottom - 2;
      if (!isWithin && hasGround(style)) {
        isWithin = true;
        const isWider = wide && !goesOnX && style.overflowX === "visible";
        const isHigher = high && !goesOnY && style.overflowY === "visible";
        if (isWider || isHigher) return `${name(one)} stands out of ${name(up)}`;
      }
      if (wide && !goesOnX && style.overflowX !== "visible") {
        if (!scrolls(style.overflowX) && style.textOverflow !== "ellipsis") return `${name(one)} is cut by ${name(up)}`;
        goesOnX = true;
      }
      if (isPartly && !goesOnY && !["visible", "auto", "scroll"].includes(style.overflowY))
        return `${name(one)} is cut through by ${name(up)}`;
      goesOnY ||= scrolls(style.overflowY);
      if (style.position === "fixed") break;
    }
    return null;
  };
  const found = [];
  const controls = "button, a[href], input:not([type=file], [type=radio], [type=checkbox]), select, textarea";
  for (const one of document.querySelectorAll(controls)) {
    if (!isShown(one)) continue;
    const mayLeave = one.tagName === "BUTTON" && getComputedStyle(one).overflow === "visible";
    if (mayLeave && one.scrollWidth > one.clientWidth + 1)
      found.push(`words leave ${name(one)}`);
    if (over(one) === null) continue;
    const scrolled = [];
    for (let up = one.parentElement; up; up = up.parentElement) scrolled.push([up, up.scrollLeft, up.scrollTop]);
    one.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
    const top = over(one);
    if (top) found.push(`${name(one)} lies under ${name(top)}`);
    for (const [up, left, above] of scrolled) up.scrollTo({ left, top: above, behavior: "instant" });
  }
  const lines = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !isShown(one) || one.closest("option, script, style")) continue;
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    for (const line of range.getClientRects()) {
      const inked = letters(line, one);
      const box = seen(one, inked);
      if (!box) continue;
      lines.push([one, box]);
      const words = misplaced(one, inked);
      if (words) found.push(words);
    }
  }
  lines.sort(([, a], [, b]) => a.top - b.top);
  lines.forEach(([one, a], i) => {
    for (let j = i + 1; j < lines.length && lines[j][1].top < a.bottom; j++) {
      const [other, b] = lines[j];
      if (one.contains(other) || other.contains(one)) continue;
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 2 && down > 0.25 * Math.min(a.bottom - a.top, b.bottom - b.top))
        found.push(`${name(one)} lies on ${name(other)}`);
    }
  });
  return [...new Set(found)].slice(0, 12);
}"""


def crowded(page: Page) -> list[str]:
    """What has no room on the page as it stands, in words."""
    return [*too_wide(page), *page.evaluate(_LOOK)]


def crowded_at(page: Page) -> list[str]:
    """The same at each size of a desk; the page has its own size again afterwards."""
    return _at_each_size(page, crowded)


def too_wide_at(page: Page) -> list[str]:
    """What sticks out or scrolls sideways, at each size of a desk: for the middle of a flow, with dialogs open."""
    return _at_each_size(page, too_wide)


def _at_each_size(page: Page, look: Callable[[Page], list[str]]) -> list[str]:
    before, found = page.viewport_size, []
    for width, height in DESK_SIZES:
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{width}x{height}: {words}" for words in look(page)]
    if before is not None:
        page.set_viewport_size(before)
    return found

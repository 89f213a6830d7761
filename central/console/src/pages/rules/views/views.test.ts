import assert from "node:assert/strict";
import { test } from "node:test";

import { knownViews, picturedOf, shownViews, standingOf, viewName } from "./views.ts";

const TOLD = [
  { view_id: "lane", name: "消防通道" },
  { view_id: "square", name: "广场" },
];
const ofViews = (...views: (string | null)[]) => ({ rules: views.map((view, at) => ({ rule_id: `r${at}`, view })) });
const still = (sha256: string) => ({ sha256, frame_size_wh: null, observed_at: "2026-11-27T10:00:00Z", is_asked_for: true });

test("before the node has told its views, those of the rules that it runs are known, and no other can be called wrong", () => {
  const known = knownViews(null, ofViews("lane", "lane", null), ofViews("lane", "sqare"));
  assert.deepEqual(known.listed, [{ view_id: "lane", name: null }]);
  assert.equal(standingOf("lane", known, true), "known");
  assert.equal(standingOf("sqare", known, true), "unchecked");
  assert.deepEqual(shownViews(known, ofViews("lane", "sqare")), ["lane", "sqare"]);
});

test("once it has told them a mistyped view is unknown, and a rule with a zone needs one", () => {
  const known = knownViews(TOLD, ofViews("lane"), ofViews("sqare"));
  assert.equal(standingOf("sqare", known, true), "unknown");
  assert.equal(standingOf(null, known, true), "missing");
  assert.equal(standingOf(null, known, false), "none");
  assert.equal(viewName("square", known), "广场");
});

test("a camera that stands still has no views, and a named one is unknown there", () => {
  const known = knownViews([], ofViews(null), ofViews(null));
  assert.equal(known.turns, false);
  assert.equal(standingOf(null, known, true), "none");
  assert.equal(standingOf("lane", known, true), "unknown");
});

test("a rule is drawn over a picture of its own view, or over none", () => {
  const [lane, other] = [still("lane"), still("other")];
  const kept = new Map([["lane", lane]]);
  assert.deepEqual(picturedOf("lane", kept, other, "square"), { still: lane, is: "shown" });
  assert.deepEqual(picturedOf("square", kept, lane, "lane"), { still: null, is: "elsewhere" });
  assert.deepEqual(picturedOf("square", kept, other, null), { still: null, is: "elsewhere" }); // between two views
  assert.deepEqual(picturedOf("square", kept, other, undefined), { still: other, is: "unsaid" });
  assert.deepEqual(picturedOf("square", kept, null, undefined), { still: null, is: "none" });
  assert.deepEqual(picturedOf(null, kept, other, undefined), { still: other, is: "shown" });
});

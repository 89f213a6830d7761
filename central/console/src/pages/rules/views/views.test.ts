import assert from "node:assert/strict";
import { test } from "node:test";

import { keptStills, knownViews, picturedOf, shownViews, standingOf, viewName } from "./views.ts";

const AT = "2026-11-27T10:00:00Z";
const VIEWS = [
  { view_id: "lane", name: "消防通道", state: "known" },
  { view_id: "square", name: "广场", state: null },
];
const TOLD = { told: VIEWS, toldAt: AT };
const NOTHING = { told: null, toldAt: null };
const ofViews = (...views: (string | null)[]) => ({ rules: views.map((view, at) => ({ rule_id: `r${at}`, view })) });
const still = (sha256: string) => ({ sha256, frame_size_wh: null, observed_at: AT, is_asked_for: true });

test("before the node has told its views, those of the rules that it runs are known, and no other can be called wrong", () => {
  const known = knownViews(NOTHING, ofViews("lane", "lane", null), ofViews("lane", "sqare"));
  assert.deepEqual(known.listed, [{ view_id: "lane", name: null, state: null }]);
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

test("a view that the node runs a rule of is there, whatever it told before", () => {
  const known = knownViews(TOLD, ofViews("lane", "new"), ofViews("new"));
  assert.deepEqual(known.listed.map((one) => one.view_id), ["lane", "square", "new"]);
  assert.equal(standingOf("new", known, true), "known");
});

test("a view's still is the centre's, until a newer one is on its way", () => {
  const small = { ...still("newer"), observed_at: "2026-11-27T10:05:00Z", preview: "data:" };
  const stored = (one: ReturnType<typeof still> | null) => ({ told_at: AT, items: [{ ...VIEWS[0]!, still: one }] });
  const shown = (one: ReturnType<typeof still> | null) => keptStills(stored(one), new Map([["lane", small]])).get("lane");
  assert.equal(keptStills(stored(still("old")), new Map()).get("lane")?.sha256, "old");
  assert.equal(shown(still("old")), small);
  assert.equal(shown(null), small);
  assert.equal(shown({ ...still("newer"), observed_at: small.observed_at })?.sha256, "newer");
  assert.equal("preview" in shown({ ...still("newer"), observed_at: small.observed_at })!, false); // the full one
  assert.equal(shown({ ...still("newest"), observed_at: "2026-11-27T10:09:00Z" })?.sha256, "newest"); // somebody else's
});

test("a camera that stands still has no views, and a named one is unknown there", () => {
  const known = knownViews({ told: [], toldAt: AT }, ofViews(null), ofViews(null));
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

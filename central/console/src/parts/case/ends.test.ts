import assert from "node:assert/strict";
import { test } from "node:test";

import { endsOf } from "./ends.ts";

test("what was verified and what was checked by hand was true", () => {
  assert.deepEqual(endsOf({ checked_by_hand: 1, verified: 2 }), [{ end: "true", count: 3 }]);
});

test("in a fixed order, whatever the centre's", () => {
  const ends = endsOf({ open: 1, ended_by_itself: 4, permitted: 2, false_alarm: 3, duplicate: 5, verified: 6 });
  assert.deepEqual(
    ends.map(({ end }) => end),
    ["true", "false_alarm", "permitted", "ended_by_itself", "duplicate", "open"],
  );
  assert.deepEqual(endsOf({}), []);
});

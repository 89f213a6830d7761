import assert from "node:assert/strict";
import { test } from "node:test";

import { cameraHealth } from "./camera_health.ts";

test("a camera that streams or is watched is well", () => {
  for (const state of ["streaming", "watching", "online"]) assert.equal(cameraHealth(state), "ok", state);
});

test("a camera nobody has heard of yet is unknown, never faulty", () => {
  for (const state of [null, "unknown", "connecting"]) assert.equal(cameraHealth(state), "unknown", String(state));
});

test("every other state is a fault, also one that is new here", () => {
  for (const state of ["offline", "stalled", "auth_failed", "ended", "closed", "on_fire"])
    assert.equal(cameraHealth(state), "faulty", state);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { AWAY_MS, obstacleOf, turnsGrey, type Page } from "./obstacles.ts";

const THERE: Page = { sound: "on", isAwake: true, isVisible: true, isLost: false, awayMs: 0 };

test("somebody is there while the page is seen and heard, and its stream is alive", () => {
  assert.equal(obstacleOf(THERE), null);
  assert.equal(obstacleOf({ ...THERE, sound: "off" }), "not_begun");
  assert.equal(obstacleOf({ ...THERE, sound: "testing" }), "not_begun");
  assert.equal(obstacleOf({ ...THERE, sound: "muted" }), "muted");
  assert.equal(obstacleOf({ ...THERE, isAwake: false }), "asleep");
  assert.equal(obstacleOf({ ...THERE, sound: "asleep", isAwake: false }), "asleep");
  assert.equal(obstacleOf({ ...THERE, isVisible: false }), "hidden");
  assert.equal(obstacleOf({ ...THERE, isLost: true }), "lost");
});

test("work on another page counts for a while", () => {
  assert.equal(obstacleOf({ ...THERE, awayMs: AWAY_MS }), null);
  assert.equal(obstacleOf({ ...THERE, awayMs: AWAY_MS + 1 }), "away");
});

test("a page on which no shift has begun is not grey, a muted one is", () => {
  assert.equal(turnsGrey(null), false);
  assert.equal(turnsGrey("not_begun"), false);
  for (const obstacle of ["muted", "asleep", "hidden", "lost"] as const) assert.equal(turnsGrey(obstacle), true);
});

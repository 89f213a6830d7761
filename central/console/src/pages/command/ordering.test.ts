import assert from "node:assert/strict";
import { test } from "node:test";

import type { Incident } from "../../api/types.ts";
import { heldIds, isBreached, passes, sortedIds } from "./ordering.ts";

const T0 = Date.parse("2026-11-23T08:00:00Z");
const at = (seconds: number): string => new Date(T0 + seconds * 1000).toISOString();

function incident(id: string, severity: number, dueInS: number | null, state = "open"): Incident {
  const clock =
    dueInS === null
      ? null
      : { kind: "judge", started_at: at(-60), due_at: at(dueInS), breached: false, escalated_to: null };
  return { incident_id: id, severity, state, clock, opened_at: at(0) } as unknown as Incident;
}

test("severity first, then the clock that runs out first, without a clock last", () => {
  const rows = [incident("late", 2, 90), incident("none", 2, null), incident("soon", 2, 5), incident("red", 1, 600)];
  assert.deepEqual(sortedIds(rows), ["red", "soon", "late", "none"]);
});

test("a held list moves no row and loses none; new ones join at the end", () => {
  assert.deepEqual(heldIds(["a", "b", "c"], ["new", "c", "a"]), ["a", "b", "c", "new"]);
});

test("a clock past its time counts as breached before the centre says so", () => {
  assert.equal(isBreached(incident("x", 2, 5), T0), false);
  assert.equal(isBreached(incident("x", 2, 5), T0 + 5_000), true);
  assert.equal(isBreached(incident("x", 2, null), T0), false);
});

test("every open incident is either to judge or in hand", () => {
  for (const state of ["open", "dispatched", "taken", "arrived", "handled", "to_check", "long_lived"]) {
    const row = incident("x", 2, 5, state);
    assert.notEqual(passes(row, "toJudge", T0), passes(row, "inHand", T0), state);
  }
});

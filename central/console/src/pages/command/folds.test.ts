import assert from "node:assert/strict";
import { test } from "node:test";

import type { Incident } from "../../api/types.ts";
import { foldedRows, foldKey, movesTogether, sumOf } from "./folds.ts";

const parked = (more: object = {}): Incident =>
  ({
    hazard: "illegal_parking",
    severity: 3,
    drill: false,
    state: "open",
    area: { code: "370102003005007" },
    ...more,
  }) as unknown as Incident;

test("alike are one hazard of one township that waits for the same judgement", () => {
  const key = foldKey(parked());
  assert.notEqual(key, null);
  assert.equal(foldKey(parked({ area: { code: "370102003006001" } })), key);
  for (const other of [{ hazard: "crowd" }, { area: { code: "370102004001001" } }, { state: "to_check" }]) {
    assert.notEqual(foldKey(parked(other)), key);
  }
});

test("what stands for itself, and what waits for no judgement, is never folded", () => {
  for (const alone of [{ severity: 1 }, { hazard: "fire_smoke" }, { drill: true }, { state: "taken" }]) {
    assert.equal(foldKey(parked(alone)), null);
  }
  assert.deepEqual(movesTogether("taken"), []);
});

test("a fold stands where its first stands, and one alone is no fold", () => {
  const keys: Record<string, string | null> = { a: "x", b: null, c: "x", d: "y", e: "x" };
  assert.deepEqual(
    foldedRows(["a", "b", "c", "d", "e"], (id) => keys[id] ?? null),
    [
      { key: "x", ids: ["a", "c", "e"] },
      { key: null, ids: ["b"] },
      { key: null, ids: ["d"] },
    ],
  );
});

test("a fold says how many alerts of how many cameras it holds, and since when", () => {
  const at = (began_at: string, camera_id: string, camera_count: number, alert_count: number): Incident =>
    parked({ began_at, camera_count, alert_count, place: { camera_id } });
  const fold = [
    at("2026-11-27T08:04:00Z", "a", 1, 7),
    at("2026-11-27T08:00:00Z", "a", 1, 2),
    at("2026-11-27T08:02:00Z", "b", 2, 3),
  ];
  assert.deepEqual(sumOf(fold), { alerts: 12, cameras: 3, sinceMs: Date.parse("2026-11-27T08:00:00Z") });
});

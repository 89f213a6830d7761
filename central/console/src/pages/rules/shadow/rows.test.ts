import assert from "node:assert/strict";
import { test } from "node:test";

import type { ShadowRule } from "../../../api/shadow_rules.ts";
import { askedFor, inTurn, loads, sorted } from "./rows.ts";

const SEAT = { area: { code: "370101001", name: "东", name_en: "East" }, alerts_per_day: 144, incidents_per_day: 140, days: 7 };

function row(camera_id: string, rate: number | null, more: Partial<ShadowRule> = {}): ShadowRule {
  const count = { at: "", by: "", asked_hours: 24, answered_s: 86_400, alerts: rate ?? 0, alerts_per_day: rate };
  return {
    ...{ camera_id, name: camera_id, area_code: null, node_id: "n1", node_state: null, state: "in_force" },
    ...{ rule_id: "r", hazard: "crowd", since: "2026-11-26T00:00:00Z", count, waiting: [], seat: "370101001" },
    ...more,
  };
}

test("what is not known stands last either way", () => {
  const rows = [row("a", null), row("b", 2), row("c", 9), row("d", 0, { count: null })];
  const names = (down: boolean): string => sorted(rows, "rate", down).map((one) => one.camera_id).join("");
  assert.deepEqual([names(true).slice(0, 2), names(false).slice(0, 2)], ["cb", "bc"]);
});

test("a seat is over its budget by what it has already and what would come; what was not counted is said", () => {
  const [load] = loads([row("a", 3), row("b", 2), row("c", null)], { "370101001": SEAT });
  assert.deepEqual([load?.perDay, load?.uncounted, load?.isOver, load?.rules], [5, 1, true, 3]);
  assert.equal(loads([row("a", 3)], { "370101001": SEAT })[0]?.isOver, false);
});

test("rules of one camera are asked for together", () => {
  assert.deepEqual(askedFor([row("a", 1), row("b", 1), row("a", 1, { rule_id: "s" })]), [
    { camera_id: "a", rule_ids: ["r", "s"] },
    { camera_id: "b", rule_ids: ["r"] },
  ]);
});

test("a node is asked one thing at a time, and no more nodes than may be", async () => {
  const busy = new Set<string>();
  const done: string[] = [];
  let most = 0;
  const rows = ["n1", "n1", "n2", "n3", "n3", "n4"].map((node_id, index) => row(`c${index}`, 1, { node_id }));
  await inTurn(rows, 2, async (one) => {
    assert.ok(!busy.has(one.node_id ?? ""), "one node was asked two things at once");
    busy.add(one.node_id ?? "");
    most = Math.max(most, busy.size);
    await new Promise((resolve) => setTimeout(resolve, 1));
    busy.delete(one.node_id ?? "");
    done.push(one.camera_id);
  });
  assert.equal(done.length, 6);
  assert.equal(most, 2);
});

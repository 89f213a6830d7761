import assert from "node:assert/strict";
import { test } from "node:test";

import { clonedNodes, missingData, SHOWN_FOR_MS } from "./fleet_faults.ts";

const AT = "2026-11-23T08:00:00Z";
const NOW = Date.parse(AT) + 60_000;

test("nodes with missing records are named with how many", () => {
  const nodes = [
    { node_id: "a", state: "online", data_missing: { records: 3, found_at: AT } },
    { node_id: "b", state: "online", data_missing: { records: 0, found_at: AT } },
    { node_id: "c", state: "online" },
  ];
  assert.deepEqual(missingData(nodes, NOW), [{ nodeId: "a", records: 3, at: AT }]);
});

test("a cloned node is named for a day", () => {
  const nodes = [
    { node_id: "a", state: "online", cloned_at: AT },
    { node_id: "b", state: "online", cloned_at: null },
  ];
  assert.deepEqual(clonedNodes(nodes, NOW), [{ nodeId: "a", records: 0, at: AT }]);
  assert.deepEqual(clonedNodes(nodes, Date.parse(AT) + SHOWN_FOR_MS), []);
});

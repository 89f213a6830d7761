import assert from "node:assert/strict";
import { test } from "node:test";

import type { Incident, Mergeable, TaskState } from "../../api/types.ts";
import { byNearest, isFound, tasksToChoose } from "./regrouping.ts";

function incident(number: string, state?: TaskState): Incident {
  const task = state ? { task_id: `task-${number}`, state, worker: null } : null;
  const place = { camera_id: `cam-${number}`, camera_name: "东巷" };
  return { number, task, place, area: { name: "第三网格", name_en: "Grid 3" } } as unknown as Incident;
}

function mergeable(number: string, distance_m: number | null, barred = false): Mergeable {
  return { incident: incident(number), distance_m, why_not: barred ? { code: "drill", text: "" } : null };
}

test("what can be merged comes first, the nearest of it first, without a place last", () => {
  const found = [mergeable("1", 5, true), mergeable("2", null), mergeable("3", 90), mergeable("4", 20)];
  assert.deepEqual(byNearest(found).map((one) => one.incident.number), ["4", "3", "2", "1"]);
});

test("an incident is found by number, camera or area, in either language", () => {
  for (const words of ["", "20261", "cam-20261", "东巷", "三网", "GRID 3"]) assert.ok(isFound(incident("20261"), words), words);
  assert.ok(!isFound(incident("20261"), "西巷"));
});

test("a task is asked for only where both incidents have one and the other's is under way", () => {
  const asked = (into?: TaskState, other?: TaskState) =>
    tasksToChoose(incident("1", into), incident("2", other)).map(({ number }) => number);
  assert.deepEqual(asked("taken", "offered"), ["1", "2"]);
  assert.deepEqual(asked("handled", "arrived"), ["1", "2"]);
  assert.deepEqual(asked("taken", "handled"), []);
  assert.deepEqual(asked("withdrawn", "taken"), []);
  assert.deepEqual(asked(undefined, "taken"), []);
  assert.deepEqual(asked("taken"), []);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { fieldNamed, type CameraSchema } from "../schema.ts";
import { missingIn, numberOf, problemOfNumber, valueAt, withPart } from "./parts.ts";

/** As pydantic writes it: see the schema of `PerspectiveSettings` and `min_scores`. */
const SHARE = { type: "number", exclusiveMinimum: 0, maximum: 1 };
const SCHEMA: CameraSchema = {
  properties: { rules: { items: { discriminator: { mapping: { crowd: "#/$defs/CrowdRule" } } } } },
  $defs: {
    HeightAt: { type: "object", properties: { y: { type: "number", minimum: 0, maximum: 1 }, height: SHARE }, required: ["y", "height"] },
    Perspective: {
      type: "object",
      properties: { near: { $ref: "#/$defs/HeightAt" }, least_factor: { ...SHARE, default: 0.5 } },
      required: ["near"],
    },
    Levels: { type: "object", properties: { busy: { type: "number", exclusiveMinimum: 0, maximum: 20, default: 2 } } },
    Ground: { type: "object", properties: { points: { type: "array" }, rectangle: {} } },
    CrowdRule: {
      properties: {
        heights: { anyOf: [{ $ref: "#/$defs/Perspective" }, { type: "null" }], default: null },
        levels: { $ref: "#/$defs/Levels", default: { busy: 3 } },
        ground: { anyOf: [{ $ref: "#/$defs/Ground" }, { type: "null" }], default: null },
        min_scores: { type: "object", additionalProperties: { type: "number", minimum: 0, maximum: 1 }, default: {} },
        schedule: { type: "object", properties: { bands: { type: "array", items: { type: "object" } } } },
      },
    },
  },
};
const of = (name: string) => fieldNamed(SCHEMA, "crowd", name);

test("a setting of numbers has a form of its numbers, with limits and defaults", () => {
  const heights = of("heights");
  assert.equal(heights?.kind, "parts");
  assert.deepEqual(heights?.parts?.map(({ path, isRequired, byDefault }) => [path.join("."), isRequired, byDefault]), [
    ["near.y", true, undefined],
    ["near.height", true, undefined],
    ["least_factor", false, 0.5],
  ]);
  assert.deepEqual(of("levels")?.parts?.map((one) => one.byDefault), [3]); // the rule's own default goes before its part's
});

test("a map of numbers, a ground, and what has other parts", () => {
  assert.equal(of("min_scores")?.kind, "numbers");
  assert.deepEqual([of("min_scores")?.each?.least, of("min_scores")?.each?.most], [0, 1]);
  assert.equal(of("ground")?.kind, "ground");
  assert.equal(of("schedule")?.kind, "plain");
});

test("a part is set and taken away without touching the others", () => {
  const written = withPart(undefined, ["near", "y"], 0.9);
  assert.deepEqual(written, { near: { y: 0.9 } });
  const both = withPart(written, ["least_factor"], 0.4);
  assert.deepEqual(both, { near: { y: 0.9 }, least_factor: 0.4 });
  assert.deepEqual(withPart(both, ["near", "y"], 0.8), { near: { y: 0.8 }, least_factor: 0.4 });
  assert.deepEqual(withPart(both, ["near", "y"], undefined), { least_factor: 0.4 });
  assert.equal(withPart(written, ["near", "y"], undefined), undefined); // nothing is left: the setting has its default
  assert.equal(valueAt(both, ["near", "y"]), 0.9);
  assert.equal(valueAt("text", ["near", "y"]), undefined);
});

test("what must be said beside what is said", () => {
  const parts = of("heights")?.parts ?? [];
  assert.deepEqual(missingIn(parts, undefined), []);
  assert.deepEqual(missingIn(parts, { near: { y: 0.9 } }).map((one) => one.path.join(".")), ["near.height"]);
});

for (const [text, value, problem] of [
  ["", undefined, null],
  ["0.5", 0.5, null],
  ["0,5", 0.5, null],
  ["0.", 0, "low"],
  ["1.5", 1.5, "high"],
  ["half", "half", "noNumber"],
] as const) {
  test(`"${text}" as a share above 0`, () => {
    assert.equal(numberOf(text), value);
    assert.equal(problemOfNumber(numberOf(text), { least: 0, isLeastOut: true, most: 1, isWhole: false }), problem);
  });
}
test("a whole number is asked for where there are no halves", () => {
  assert.equal(problemOfNumber(1.5, { least: 0, isLeastOut: false, most: null, isWhole: true }), "noWhole");
});

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Camera } from "../../api/types.ts";
import { CELL_PX, SINGLE_UP_TO, coneOf, inView, place, type Placed, type View } from "./camera_clusters.ts";

function camera(number: number, longitude: number, latitude: number, more: Partial<Camera> = {}): Camera {
  return {
    camera_id: `cam-${number}`,
    name: `cam-${number}`,
    area_code: null,
    longitude,
    latitude,
    place_class: "street",
    bearing_deg: null,
    field_of_view_deg: null,
    node_id: null,
    state: "streaming",
    state_since: null,
    problem: null,
    ...more,
  };
}

function placed(...cameras: Camera[]): Placed[] {
  return cameras.flatMap((one) => place(one) ?? []);
}

function around(x: number, y: number, world: number, width = 1000, height = 800): View {
  return { left: x * world - width / 2, top: y * world - height / 2, width, height, world };
}

test("places follow spherical Mercator", () => {
  const [one] = placed(camera(1, 0, 0));
  assert.deepEqual([one!.x, one!.y], [0.5, 0.5]);
  const [east] = placed(camera(2, 90, 0));
  assert.equal(east!.x, 0.75);
  // Web Mercator ends at 85.0511 degrees.
  const [north] = placed(camera(3, 0, 85));
  assert.ok(north!.y > 0 && north!.y < 0.002);
  assert.equal(place(camera(4, 0, 0, { longitude: null })), null);
});

test("few in view are drawn one by one, many as clusters that hold each of them", () => {
  const many = placed(
    ...Array.from({ length: 3000 }, (_, n) =>
      camera(n, 117 + (n % 60) * 0.002, 36 + Math.floor(n / 60) * 0.002, { state: n % 10 ? "streaming" : "offline" }),
    ),
  );
  const middle = many[1530]!;
  const near = inView(many, around(middle.x, middle.y, 256 * 2 ** 17));
  assert.equal(near.clusters.length, 0);
  assert.ok(near.singles.length > 0 && near.singles.length <= SINGLE_UP_TO);
  const far = inView(many, around(middle.x, middle.y, 256 * 2 ** 11));
  assert.ok(far.clusters.length > 0 && far.clusters.length < 100);
  const held = far.clusters.reduce((sum, one) => sum + one.count, 0) + far.singles.length;
  assert.equal(held, 3000);
  assert.ok(far.clusters.reduce((sum, one) => sum + one.faulty, 0) <= 300);
});

test("clusters move with the map and do not regroup", () => {
  const many = placed(
    ...Array.from({ length: 2000 }, (_, n) => camera(n, 117 + (n % 50) * 0.003, 36 + Math.floor(n / 50) * 0.003)),
  );
  const world = 256 * 2 ** 12;
  const view = around(many[1000]!.x, many[1000]!.y, world);
  const moved = { ...view, left: view.left + 33, top: view.top - 21 };
  const [before, after] = [inView(many, view), inView(many, moved)];
  const inside = (one: { x: number; y: number }) =>
    one.x > 2 * CELL_PX && one.y > 2 * CELL_PX && one.x < 1000 - 2 * CELL_PX && one.y < 800 - 2 * CELL_PX;
  const kept = before.clusters.filter(inside);
  assert.ok(kept.length > 5);
  for (const one of kept) {
    const same = after.clusters.find((other) => Math.hypot(other.x - (one.x - 33), other.y - (one.y + 21)) < 0.01);
    assert.equal(same?.count, one.count);
  }
});

test("a cone opens round the bearing", () => {
  assert.equal(coneOf(camera(1, 0, 0)), null);
  const [from, to] = coneOf(camera(1, 0, 0, { bearing_deg: 90, field_of_view_deg: 60 }))!;
  assert.ok(Math.abs((from + to) / 2) < 1e-9); // east
  assert.ok(Math.abs(to - from - Math.PI / 3) < 1e-9);
});

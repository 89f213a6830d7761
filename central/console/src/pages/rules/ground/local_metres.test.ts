import assert from "node:assert/strict";
import { test } from "node:test";

import { asTyped, metresFrom, placeAt, placeIn, type Place } from "./local_metres.ts";

const HERE: Place = { longitude: 120.153576, latitude: 30.287459 };

/** By another way: through the earth's centre (ECEF), turned into the plane that touches the ellipsoid here. */
function exactly(from: Place, to: Place): [number, number] {
  const f = 1 / 298.257223563;
  const e2 = f * (2 - f);
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  const inSpace = ({ longitude, latitude }: Place): [number, number, number] => {
    const [phi, lambda] = [radians(latitude), radians(longitude)];
    const n = 6_378_137 / Math.sqrt(1 - e2 * Math.sin(phi) ** 2);
    return [n * Math.cos(phi) * Math.cos(lambda), n * Math.cos(phi) * Math.sin(lambda), n * (1 - e2) * Math.sin(phi)];
  };
  const [[x0, y0, z0], [x1, y1, z1]] = [inSpace(from), inSpace(to)];
  const [dx, dy, dz] = [x1 - x0, y1 - y0, z1 - z0];
  const [phi, lambda] = [radians(from.latitude), radians(from.longitude)];
  return [
    -Math.sin(lambda) * dx + Math.cos(lambda) * dy,
    -Math.sin(phi) * Math.cos(lambda) * dx - Math.sin(phi) * Math.sin(lambda) * dy + Math.cos(phi) * dz,
  ];
}

for (const latitude of [0, 30.287459, 53, -45]) {
  test(`within 500 m of a camera at ${latitude}° the plane misses less than 3 cm`, () => {
    const from = { longitude: 120.15, latitude };
    for (const [east, north] of [[500, 0], [0, 500], [-350, 350], [-12.5, -80]] as const) {
      const to = placeAt(from, [east, north]);
      const [x, y] = exactly(from, to);
      assert.ok(Math.hypot(x - east, y - north) < 0.03, `${east}, ${north}: ${x}, ${y}`);
    }
  });
}

test("east and north go up, as on a map", () => {
  const [east, north] = metresFrom(HERE, { longitude: HERE.longitude + 0.001, latitude: HERE.latitude + 0.001 });
  assert.ok(east > 95 && east < 97, String(east)); // a thousandth of a degree at 30°
  assert.ok(north > 110 && north < 111, String(north));
  assert.deepEqual(asTyped([1.2345, -0.004]), [1.23, -0]);
});

for (const [text, place] of [
  ["30.287459, 120.153576", HERE],
  ["30.287459 120.153576", HERE],
  ["120.153576, 30.287459", null], // a latitude of 120° is none: longitude and latitude are exchanged
  ["30.28", null],
  ["here", null],
] as const) {
  test(`a place typed as "${text}"`, () => assert.deepEqual(placeIn(text), place));
}

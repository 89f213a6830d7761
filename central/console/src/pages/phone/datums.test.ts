import assert from "node:assert/strict";
import { test } from "node:test";

import { bd09Of, gcj02Of, type Spot } from "./datums.ts";
import { mapLinks } from "./map_links.ts";

/** WGS84, GCJ-02, BD-09: as the centre's areas/datums.py turns them. */
const SPOTS: readonly [Spot, Spot, Spot][] = [
  [[116.42079, 39.90105], [116.4270221, 39.9024463], [116.4335011, 39.9084997]],
  [[117.0, 36.6], [117.0058348, 36.6002228], [117.0122303, 36.6065577]],
  [[87.6, 43.8], [87.602839, 43.801212], [87.6092102, 43.8074725]],
  [[110.3, 20.0], [110.3043031, 19.9979228], [110.3107696, 20.0040172]],
  [[2.35, 48.85], [2.35, 48.85], [2.35, 48.85]],
];

const rounded = (spot: Spot): number[] => spot.map((degrees) => Number(degrees.toFixed(6)));

for (const [wgs84, gcj02, bd09] of SPOTS) {
  test(`the maps' positions are the centre's: ${wgs84.join(", ")}`, () => {
    assert.deepEqual(rounded(gcj02Of(wgs84)), rounded(gcj02));
    assert.deepEqual(rounded(bd09Of(wgs84)), rounded(bd09));
  });
}

test("each map gets the position in its own datum and order", () => {
  const links = mapLinks([117, 36.6], "任务地点");
  assert.match(links.amap, /to=117\.005835,36\.600223,%E4%BB%BB.*coordinate=gaode/);
  assert.match(links.baidu, /location=36\.606558,117\.012230&.*coord_type=bd09ll/);
  assert.match(links.other, /^geo:36\.600000,117\.000000\?q=36\.600000,117\.000000\(/);
});

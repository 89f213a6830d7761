/** Addresses that open a map at a place, each in the datum that the map draws in. Pure. */
import { bd09Of, gcj02Of, type Spot } from "./datums.ts";

/** 6 decimals: 0.1 m. */
const DECIMALS = 6;

export type MapName = "amap" | "baidu" | "other";

/** `spot`: WGS84. `name` is shown on the map and goes to its operator: no name of a place or a case. */
export function mapLinks(spot: Spot, name: string): Record<MapName, string> {
  const [gcjEast, gcjNorth] = gcj02Of(spot).map(text) as [string, string];
  const [bdEast, bdNorth] = bd09Of(spot).map(text) as [string, string];
  const [east, north] = spot.map(text) as [string, string];
  const said = encodeURIComponent(name);
  return {
    amap: `https://uri.amap.com/navigation?to=${gcjEast},${gcjNorth},${said}&mode=walk&coordinate=gaode&callnative=1`,
    baidu: `https://api.map.baidu.com/marker?location=${bdNorth},${bdEast}&title=${said}&content=${said}&coord_type=bd09ll&output=html`,
    other: `geo:${north},${east}?q=${north},${east}(${said})`,
  };
}

function text(degrees: number): string {
  return degrees.toFixed(DECIMALS);
}

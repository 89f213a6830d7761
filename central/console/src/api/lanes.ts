/** The register of fire lanes, as the map shows it; loaded with it. */
import { get } from "./http.ts";
import type { AreaName } from "./types.ts";

export type LaneShape =
  | { type: "LineString"; coordinates: [longitude: number, latitude: number][] }
  | { type: "Polygon"; coordinates: [longitude: number, latitude: number][][] };

export interface Lane {
  lane_id: string;
  name: string;
  unit: string;
  /** Its last digits only. */
  duty_phone: string;
  area: AreaName;
  shape: LaneShape;
  width_m: number | null;
  cameras: string[];
}

const PAGE = 200;
const MOST_PAGES = 15; // of a city; a narrower scope has all of its own

export const lanes = {
  /** In scope, by their ids; `isCut`: there are more. */
  async all(): Promise<{ items: Lane[]; isCut: boolean }> {
    const items: Lane[] = [];
    let after: string | null = "";
    for (let page = 0; page < MOST_PAGES && after !== null; page += 1) {
      const query: string = new URLSearchParams({ limit: String(PAGE), after }).toString();
      const answer: { items: Lane[]; next_after: string | null } = await get(`/api/lanes?${query}`);
      items.push(...answer.items);
      after = answer.next_after;
    }
    return { items, isCut: after !== null };
  },
};

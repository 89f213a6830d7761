/** Areas of the city and its cameras. */

export type Level = "city" | "county" | "township" | "village" | "grid";

export interface AreaName {
  code: string;
  name: string;
  name_en?: string | null;
  level: Level;
}

export type Ring = [number, number][];
export type AreaGeometry = { type: "Polygon"; coordinates: Ring[] } | { type: "MultiPolygon"; coordinates: Ring[][] };

export interface Area extends AreaName {
  parent: string | null;
  geometry: AreaGeometry | null;
}

export interface Camera {
  camera_id: string;
  name: string;
  area_code: string | null;
  longitude: number | null;
  latitude: number | null;
  place_class: string;
  /** Where it looks, degrees clockwise from north; null: not known, or it turns. */
  bearing_deg: number | null;
  field_of_view_deg: number | null;
  node_id: string | null;
  state: string | null;
  state_since: string | null;
  problem: string | null;
}

/** Cameras on the map: far away as clusters with their number, close up one by one. Pure. */
import type { Camera } from "../../api/types.ts";
import { cameraHealth, type CameraHealth } from "../../live/camera_health.ts";

/** Below so many in view, each camera is drawn by itself. */
export const SINGLE_UP_TO = 250;
export const CELL_PX = 72;
/** From here on cones fit between the cameras of a street. */
export const CONES_FROM_ZOOM = 16.5;

/** A camera where it lies in the world, `x` and `y` 0 to 1 (spherical Mercator, from north-west). */
export interface Placed {
  camera: Camera;
  x: number;
  y: number;
  health: CameraHealth;
}

export interface Cluster {
  /** Pixels of the map's view. */
  x: number;
  y: number;
  count: number;
  faulty: number;
  /** Of which nobody says how they are. */
  unknown: number;
}

export interface InView {
  clusters: Cluster[];
  singles: { placed: Placed; x: number; y: number }[];
}

/** What part of the world is seen: `left` and `top` in pixels of a world that is `world` pixels wide. */
export interface View {
  left: number;
  top: number;
  width: number;
  height: number;
  world: number;
}

export function place(camera: Camera): Placed | null {
  if (camera.longitude === null || camera.latitude === null) return null;
  const sine = Math.sin((Math.max(-85, Math.min(85, camera.latitude)) * Math.PI) / 180);
  return {
    camera,
    x: camera.longitude / 360 + 0.5,
    y: 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI),
    health: cameraHealth(camera.state),
  };
}

/** Cells are fixed to the world: a cluster does not jump while the map is moved. */
export function inView(all: readonly Placed[], view: View): InView {
  const seen: { placed: Placed; x: number; y: number }[] = [];
  for (const placed of all) {
    const x = placed.x * view.world - view.left;
    const y = placed.y * view.world - view.top;
    if (x < -CELL_PX || y < -CELL_PX || x > view.width + CELL_PX || y > view.height + CELL_PX) continue;
    seen.push({ placed, x, y });
  }
  if (seen.length <= SINGLE_UP_TO) return { clusters: [], singles: seen };
  const cells = new Map<number, typeof seen>();
  const across = Math.ceil(view.world / CELL_PX);
  for (const one of seen) {
    const column = Math.floor((one.placed.x * view.world) / CELL_PX);
    const key = Math.floor((one.placed.y * view.world) / CELL_PX) * across + column;
    const cell = cells.get(key);
    if (cell) cell.push(one);
    else cells.set(key, [one]);
  }
  const found: InView = { clusters: [], singles: [] };
  for (const cell of cells.values()) {
    if (cell.length === 1) found.singles.push(cell[0]!);
    else found.clusters.push(merged(cell));
  }
  return found;
}

function merged(cell: { placed: Placed; x: number; y: number }[]): Cluster {
  let x = 0;
  let y = 0;
  let faulty = 0;
  let unknown = 0;
  for (const one of cell) {
    x += one.x;
    y += one.y;
    if (one.placed.health === "faulty") faulty += 1;
    if (one.placed.health === "unknown") unknown += 1;
  }
  return { x: x / cell.length, y: y / cell.length, count: cell.length, faulty, unknown };
}

export function radiusOf(count: number): number {
  return Math.min(24, 9 + Math.log10(count) * 5);
}

/** The width of a camera's cone in degrees, where the register does not say it. */
const USUAL_VIEW_DEG = 110;

/** From and to, radians as a canvas has them (0 to the east, clockwise); null: no bearing is known. */
export function coneOf(camera: Camera): [from: number, to: number] | null {
  if (camera.bearing_deg === null || camera.bearing_deg === undefined) return null;
  const middle = ((camera.bearing_deg - 90) * Math.PI) / 180;
  const half = ((camera.field_of_view_deg ?? USUAL_VIEW_DEG) * Math.PI) / 360;
  return [middle - half, middle + half];
}

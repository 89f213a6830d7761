/** All cameras of a city on one canvas: thirty thousand of them as layers of their own would stop the page. */
import { DomEvent, tooltip, type LeafletMouseEvent, type Map as LeafletMap, type Tooltip } from "leaflet";

import type { Camera } from "@/api/types";

import { CONES_FROM_ZOOM, coneOf, inView, place, radiusOf, type Cluster, type InView, type Placed } from "./camera_clusters";
import { CanvasLayer, type Sheet } from "./canvas_layer";

const COLOURS = { ok: "#3fcf8e", faulty: "#ff5d5d", unknown: "#71839a" } as const;
const TILE = 256;
const DOT_PX = 4;
const REACH_PX = 9;
const CONE_PX = 34;

export class CameraLayer extends CanvasLayer {
  readonly #tip: (camera: Camera) => string;
  readonly #onPick: (cameraId: string) => void;
  readonly #placed = new Map<string, Placed>();
  #all: Placed[] = [];
  #shown: InView = { clusters: [], singles: [] };
  #tooltip: Tooltip | null = null;
  #frame = 0;

  constructor(tip: (camera: Camera) => string, onPick: (cameraId: string) => void) {
    super("cameras", "420", 0.3); // over the polygons, under the names
    this.#tip = tip;
    this.#onPick = onPick;
  }

  setCameras(cameras: Iterable<Camera>): void {
    const before = this.#all.length;
    let hasChanged = false;
    const seen = new Set<string>();
    for (const camera of cameras) {
      seen.add(camera.camera_id);
      if (this.#placed.get(camera.camera_id)?.camera === camera) continue;
      const placed = place(camera);
      if (placed) this.#placed.set(camera.camera_id, placed);
      else this.#placed.delete(camera.camera_id);
      hasChanged = true;
    }
    for (const id of this.#placed.keys()) {
      if (seen.has(id)) continue;
      this.#placed.delete(id);
      hasChanged = true;
    }
    if (!hasChanged) return;
    this.#all = [...this.#placed.values()];
    if (before === 0) this.draw();
    else this.#drawSoon();
  }

  override onAdd(map: LeafletMap): this {
    super.onAdd(map);
    map.on("mousemove", this.#point, this);
    map.on("mouseout movestart zoomstart", this.#forget, this);
    map.on("click", this.#open, this);
    return this;
  }

  override onRemove(map: LeafletMap): this {
    cancelAnimationFrame(this.#frame);
    map.off("mousemove", this.#point, this);
    map.off("mouseout movestart zoomstart", this.#forget, this);
    map.off("click", this.#open, this);
    this.#forget();
    return super.onRemove(map);
  }

  #drawSoon(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.draw());
  }

  protected override paint(map: LeafletMap, context: CanvasRenderingContext2D, sheet: Sheet): void {
    const origin = map.getPixelBounds().min!;
    const { width, height, aside } = sheet;
    const world = TILE * 2 ** map.getZoom();
    this.#shown = inView(this.#all, { left: origin.x - aside.x, top: origin.y - aside.y, width, height, world });
    if (map.getZoom() >= CONES_FROM_ZOOM) for (const one of this.#shown.singles) drawCone(context, one);
    for (const one of this.#shown.singles) drawDot(context, one);
    for (const one of this.#shown.clusters) drawCluster(context, one);
  }

  /** What lies under the pointer, in pixels of the canvas. */
  #under(event: LeafletMouseEvent): { x: number; y: number } {
    const { corner } = this;
    const { x, y } = event.layerPoint;
    return { x: x - corner.x, y: y - corner.y };
  }

  #point(event: LeafletMouseEvent): void {
    const map = this._map as LeafletMap;
    const at = this.#under(event);
    const found = nearest(this.#shown.singles, at, REACH_PX);
    if (!found) return this.#forget();
    this.#tooltip ??= tooltip({ direction: "top", offset: [0, -4] });
    this.#tooltip.setLatLng([found.placed.camera.latitude!, found.placed.camera.longitude!]);
    this.#tooltip.setContent(this.#tip(found.placed.camera));
    if (!map.hasLayer(this.#tooltip)) this.#tooltip.addTo(map);
  }

  #forget(): void {
    this.#tooltip?.remove();
    this.#tooltip = null;
  }

  /** A click on a cluster goes closer, one on a camera picks it. */
  #open(event: LeafletMouseEvent): void {
    const at = this.#under(event);
    const one = nearest(this.#shown.singles, at, REACH_PX);
    if (one) return this.#onPick(one.placed.camera.camera_id);
    const cluster = this.#shown.clusters.find((one) => Math.hypot(one.x - at.x, one.y - at.y) <= radiusOf(one.count));
    if (!cluster) return;
    DomEvent.stop(event.originalEvent);
    const map = this._map as LeafletMap;
    map.setView(event.latlng, Math.min(map.getMaxZoom(), map.getZoom() + 2));
  }
}

type Point = { x: number; y: number };

function nearest<T extends Point>(points: T[], at: Point, within: number): T | null {
  let best: T | null = null;
  let least = within;
  for (const one of points) {
    const apart = Math.hypot(one.x - at.x, one.y - at.y);
    if (apart <= least) [best, least] = [one, apart];
  }
  return best;
}

function drawDot(context: CanvasRenderingContext2D, { placed, x, y }: { placed: Placed } & Point): void {
  context.beginPath();
  context.arc(x, y, DOT_PX, 0, 2 * Math.PI);
  context.fillStyle = placed.health === "ok" ? COLOURS.ok : "#0b1119";
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = COLOURS[placed.health];
  context.stroke();
}

function drawCone(context: CanvasRenderingContext2D, { placed, x, y }: { placed: Placed } & Point): void {
  const cone = coneOf(placed.camera);
  if (!cone) return;
  context.beginPath();
  context.moveTo(x, y);
  context.arc(x, y, CONE_PX, cone[0], cone[1]);
  context.closePath();
  context.globalAlpha = 0.28;
  context.fillStyle = COLOURS[placed.health];
  context.fill();
  context.globalAlpha = 1;
}

function drawCluster(context: CanvasRenderingContext2D, one: Cluster): void {
  const radius = radiusOf(one.count);
  context.beginPath();
  context.arc(one.x, one.y, radius, 0, 2 * Math.PI);
  context.fillStyle = "rgb(18 44 50 / 88%)";
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = 2 * one.unknown > one.count ? COLOURS.unknown : "#2f8f6a";
  context.stroke();
  if (one.faulty > 0) {
    context.beginPath(); // the share that is at fault, from the top on
    context.arc(one.x, one.y, radius, -Math.PI / 2, -Math.PI / 2 + (2 * Math.PI * one.faulty) / one.count);
    context.strokeStyle = COLOURS.faulty;
    context.stroke();
  }
  context.fillStyle = "#d9ece4";
  context.font = `600 11px ${document.body.style.fontFamily || "sans-serif"}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(short(one.count), one.x, one.y + 0.5);
}

function short(count: number): string {
  return count < 1000 ? String(count) : `${(count / 1000).toFixed(count < 10_000 ? 1 : 0)}k`;
}

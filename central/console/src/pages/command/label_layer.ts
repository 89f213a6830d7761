/** Names of areas drawn on one canvas over the polygons: 3,390 labels as DOM nodes would stop the page. */
import { latLng, type LatLng, type Map as LeafletMap } from "leaflet";

import { CanvasLayer, type Sheet } from "./canvas_layer";

export interface Label {
  text: string;
  at: [latitude: number, longitude: number];
  /** West, south, east, north of the area: a name is drawn when it fits its area. */
  box: [number, number, number, number];
  /** Larger areas first when names collide. */
  rank: number;
}

interface Placed {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const DEEPEST_RANK = 4;
const PADDING_PX = 4;
const MARK_PX = 13;

export class LabelLayer extends CanvasLayer {
  #labels: Label[] = [];
  #markers: [latitude: number, longitude: number][] = [];

  readonly scale: number;

  constructor(scale = 1) {
    super("areaNames", "450"); // over the polygons, under the markers
    this.scale = scale;
  }

  setLabels(labels: Label[]): void {
    this.#labels = [...labels].sort((a, b) => a.rank - b.rank);
    this.draw();
  }

  /** Where markers stand: a name moves aside for them. */
  setMarkers(markers: [latitude: number, longitude: number][]): void {
    this.#markers = markers;
    this.draw();
  }

  protected override paint(map: LeafletMap, context: CanvasRenderingContext2D, sheet: Sheet): void {
    const size = { x: sheet.width, y: sheet.height };
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    const placed: Placed[] = [];
    const marks = this.#markers.map((at) => map.latLngToContainerPoint(at));
    for (const label of this.#labels) this.#drawOne(map, context, label, size, placed, marks);
  }

  #drawOne(
    map: LeafletMap,
    context: CanvasRenderingContext2D,
    label: Label,
    size: { x: number; y: number },
    placed: Placed[],
    marks: { x: number; y: number }[],
  ): void {
    const [west, south, east, north] = label.box;
    const corner = map.latLngToContainerPoint(latLng(north, west));
    const other = map.latLngToContainerPoint(latLng(south, east));
    const width = other.x - corner.x;
    // An area that fills the screen needs no name on it: the levels below it have theirs.
    if (width > size.x * 0.5 && label.rank < DEEPEST_RANK) return;
    context.font = `${label.rank < 3 ? 600 : 400} ${(label.rank < 3 ? 13 : 12) * this.scale}px ${getComputedStyle(document.body).fontFamily}`;
    const textWidth = context.measureText(label.text).width;
    if (textWidth > width * 0.92) return;
    const at = map.latLngToContainerPoint(latLng(label.at) as LatLng);
    const markPx = MARK_PX * this.scale;
    const half = textWidth / 2 + markPx;
    const mark = marks.find(({ x, y }) => Math.abs(x - at.x) < half && Math.abs(y - at.y) < markPx + 8 * this.scale);
    if (mark) at.y = mark.y + markPx + 12 * this.scale;
    const box = {
      left: at.x - textWidth / 2 - PADDING_PX,
      right: at.x + textWidth / 2 + PADDING_PX,
      top: at.y - 8 * this.scale - PADDING_PX,
      bottom: at.y + 8 * this.scale + PADDING_PX,
    };
    if (box.right < 0 || box.left > size.x || box.bottom < 0 || box.top > size.y) return;
    if (placed.some((one) => overlaps(one, box))) return;
    placed.push(box);
    context.strokeStyle = "rgb(9 14 21 / 85%)";
    context.lineWidth = 3 * this.scale;
    context.strokeText(label.text, at.x, at.y);
    context.fillStyle = label.rank < 3 ? "#a9bfd6" : "#7f97b1";
    context.fillText(label.text, at.x, at.y);
  }
}

function overlaps(a: Placed, b: Placed): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

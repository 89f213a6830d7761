/** The map without a tile server: areas as polygons on canvas, cameras as dots and clusters, incidents as markers. */
import "leaflet/dist/leaflet.css";

import {
  divIcon,
  geoJSON,
  latLngBounds,
  layerGroup,
  map as leafletMap,
  marker,
  type LayerGroup,
  type Map as LeafletMap,
  type Marker,
  type Path,
  type PathOptions,
} from "leaflet";

import type { Lane } from "@/api/lanes";
import type { Area, Camera } from "@/api/types";

import { areaCanvas } from "./area_canvas";
import { CameraLayer } from "./camera_layer";
import { LabelLayer } from "./label_layer";
import { LaneLayer } from "./lane_layer";
import { LEVEL_RANK, boundsOf, labelPoint, leavesOf, type Bounds, type Spot } from "./map_shapes";
import type { Place } from "./near";

const SEVERITY_COLOURS = ["", "#ff5257", "#ff9a3c", "#f5cf3f", "#4aa3ff"] as const;
const PLAIN_FILL = "#3d6ea8";
const LINES: PathOptions[] = [
  { weight: 2.4, color: "#5c7da3" },
  { weight: 2, color: "#4a6787" },
  { weight: 1.6, color: "#3c5571" },
  { weight: 1.2, color: "#31465f" },
  { weight: 1, color: "#2a3c52" },
];

/** Somebody is on the way to it, or there. */
const CREW =
  '<svg class="crew" viewBox="0 0 12 12" aria-hidden="true"><circle cx="6" cy="3.4" r="2.4"/><path d="M1.2 11.5a4.8 4.8 0 0 1 9.6 0Z"/></svg>';

export interface MapTexts {
  areaName(area: Area): string;
  cameraTip(camera: Camera): string;
  spotTip(spot: Spot): string;
}

export interface MapPicks {
  incident(incidentId: string): void;
  camera(cameraId: string): void;
  /** Any place of the map, whatever lies there. */
  place?(at: Place): void;
}

export class CityMap {
  readonly #map: LeafletMap;
  readonly #labels: LabelLayer;
  readonly #lanes: LaneLayer;
  readonly #areaLayer: LayerGroup;
  readonly #cameras: CameraLayer;
  readonly #markers = new Map<string, { marker: Marker; look: string }>();
  readonly #leafPaths = new Map<string, Path>();
  readonly #tinted = new Map<string, number>();
  readonly #texts: MapTexts;
  readonly #picks: MapPicks;
  readonly #scale: number;
  #whole: Bounds | null = null;
  #narrowed: Bounds | null = null;
  #hasFitted = false;
  /** Nobody has moved the map since: it is fitted again when its room changes. */
  #isAsFitted = false;
  #shown: [latitude: number, longitude: number] | null = null;

  /** `scale`: how large names and markers are; 1 is for a desk, a wall is seen from further away. */
  constructor(element: HTMLElement, texts: MapTexts, picks: MapPicks, scale = 1) {
    this.#labels = new LabelLayer(scale);
    this.#scale = scale;
    this.#texts = texts;
    this.#picks = picks;
    this.#map = leafletMap(element, {
      preferCanvas: true,
      renderer: areaCanvas({ padding: 0.4 }),
      attributionControl: false,
      zoomControl: false,
      zoomSnap: 0.25,
      wheelPxPerZoomLevel: 90,
      minZoom: 4,
      maxZoom: 20,
    }).setView([36, 117], 10);
    this.#map.on("dragstart", () => (this.#isAsFitted = false));
    for (const by of ["wheel", "dblclick", "keydown"]) {
      element.addEventListener(by, () => (this.#isAsFitted = false), { passive: true });
    }
    this.#areaLayer = layerGroup().addTo(this.#map);
    this.#lanes = new LaneLayer().addTo(this.#map);
    this.#map.on("click", ({ latlng }) => picks.place?.([latlng.lat, latlng.lng]));
    this.#cameras = new CameraLayer(texts.cameraTip, picks.camera).addTo(this.#map);
    this.#labels.addTo(this.#map);
  }

  destroy(): void {
    this.#map.remove();
  }

  resized(): void {
    this.#map.invalidateSize({ animate: false });
    if (!this.#hasFitted || this.#isAsFitted) this.fit(false);
    if (this.#shown) this.show(this.#shown);
  }

  fit(isSlow = this.#hasFitted): void {
    const bounds = this.#narrowed ?? this.#whole;
    if (!bounds) return;
    const [west, south, east, north] = bounds;
    const size = this.#map.getSize();
    if (size.x < 40 || size.y < 40) return;
    this.#map.fitBounds(latLngBounds([south, west], [north, east]), { padding: [24, 24], animate: isSlow });
    this.#hasFitted = true;
    this.#isAsFitted = true;
  }

  /** What `fit` shows from now on; null: everything. */
  lookAt(bounds: Bounds | null): void {
    if (bounds?.join() === this.#narrowed?.join()) return;
    this.#narrowed = bounds;
    this.fit();
  }

  zoomBy(steps: number): void {
    this.#isAsFitted = false;
    this.#map.setZoom(this.#map.getZoom() + steps);
  }

  setAreas(areas: Area[]): void {
    this.#areaLayer.clearLayers();
    this.#leafPaths.clear();
    this.#tinted.clear();
    const leaves = leavesOf(areas);
    const drawn = areas
      .filter((area) => area.geometry)
      .sort((a, b) => LEVEL_RANK[b.level] - LEVEL_RANK[a.level]); // parents last: their borders lie on top
    this.#whole = null;
    for (const area of drawn) {
      this.#drawArea(area, leaves.has(area.code));
      this.#widen(boundsOf(area.geometry!));
    }
    this.nameAreas(areas);
    if (!this.#hasFitted) this.fit();
  }

  nameAreas(areas: Area[]): void {
    this.#labels.setLabels(
      areas.flatMap((area) =>
        area.geometry
          ? [
              {
                text: this.#texts.areaName(area),
                at: labelPoint(area.geometry),
                box: boundsOf(area.geometry),
                rank: LEVEL_RANK[area.level],
              },
            ]
          : [],
      ),
    );
  }

  #drawArea(area: Area, isLeaf: boolean): void {
    const style: PathOptions = {
      ...LINES[LEVEL_RANK[area.level]],
      fill: isLeaf,
      fillColor: PLAIN_FILL,
      fillOpacity: 0.07,
      interactive: false,
    };
    geoJSON(area.geometry!, {
      style: () => style,
      interactive: false,
      onEachFeature: (_, layer) => {
        if (isLeaf) this.#leafPaths.set(area.code, layer as Path);
      },
    }).addTo(this.#areaLayer);
  }

  #widen(bounds: Bounds): void {
    const whole = this.#whole;
    this.#whole = whole
      ? [
          Math.min(whole[0], bounds[0]),
          Math.min(whole[1], bounds[1]),
          Math.max(whole[2], bounds[2]),
          Math.max(whole[3], bounds[3]),
        ]
      : bounds;
  }

  /** The worst open severity of each leaf area. */
  tint(worst: Map<string, number>): void {
    for (const code of new Set([...this.#tinted.keys(), ...worst.keys()])) {
      const severity = worst.get(code);
      const path = this.#leafPaths.get(code);
      if (!path || severity === this.#tinted.get(code)) continue;
      if (severity) this.#tinted.set(code, severity);
      else this.#tinted.delete(code);
      path.setStyle({ fillColor: SEVERITY_COLOURS[severity ?? 0] || PLAIN_FILL, fillOpacity: severity ? 0.2 : 0.07 });
    }
  }

  setCameras(cameras: Camera[]): void {
    this.#cameras.setCameras(cameras);
    // Without any polygon the cameras are the only thing to look at.
    if (!this.#whole && cameras.length > 0 && !this.#hasFitted) {
      for (const camera of cameras) {
        const { longitude: x, latitude: y } = camera;
        if (x !== null && y !== null) this.#widen([x - 0.003, y - 0.003, x + 0.003, y + 0.003]);
      }
      this.fit();
    }
  }

  setSpots(spots: Spot[], selected: string | null): void {
    this.#labels.setMarkers(spots.map((spot) => spot.at));
    const seen = new Set<string>();
    for (const spot of spots) {
      seen.add(spot.key);
      const isSelected = selected !== null && spot.incidentIds.includes(selected);
      const look = JSON.stringify([spot, isSelected, this.#texts.spotTip(spot)]);
      const known = this.#markers.get(spot.key);
      if (known?.look === look) continue;
      known?.marker.remove();
      this.#markers.set(spot.key, { look, marker: this.#newMarker(spot, isSelected) });
    }
    for (const [key, { marker: old }] of this.#markers) {
      if (seen.has(key)) continue;
      old.remove();
      this.#markers.delete(key);
    }
  }

  #newMarker(spot: Spot, isSelected: boolean): Marker {
    const classes = ["spot", `sev-${spot.severity}`, spot.stage];
    if (spot.isBreached) classes.push("breached");
    if (isSelected) classes.push("selected");
    const count = spot.incidentIds.length > 1 ? String(spot.incidentIds.length) : "";
    const made = marker(spot.at, {
      icon: divIcon({ className: classes.join(" "), html: `<i></i><b>${count}</b>${spot.crew.length > 0 ? CREW : ""}`, iconSize: [26 * this.#scale, 26 * this.#scale] }),
      title: this.#texts.spotTip(spot),
      alt: this.#texts.spotTip(spot),
      keyboard: true,
      zIndexOffset: (5 - spot.severity) * 1000 + (isSelected ? 10_000 : 0),
    });
    made.on("click", () => this.#picks.incident(spot.incidentIds[0]!));
    made.on("add", () => {
      const element = made.getElement();
      element?.setAttribute("data-testid", "map-incident");
      element?.setAttribute("data-stage", spot.stage);
      element?.setAttribute("data-crew", String(spot.crew.length));
      element?.setAttribute("data-incident", spot.incidentIds.join(" "));
    });
    return made.addTo(this.#map);
  }

  setLanes(lanes: readonly Lane[], tip: (lane: Lane) => string): void {
    this.#lanes.setLanes(lanes, tip);
  }

  /** The circle within which somebody looks; null: nobody does. */
  setNear(at: Place | null): void {
    if (at) this.#isAsFitted = false;
    this.#lanes.setNear(this.#map, at);
  }

  /** Bring a place into view without moving the map when it is already there. */
  show(at: [latitude: number, longitude: number] | null): void {
    this.#shown = at;
    if (!at) return;
    if (!this.#map.getBounds().pad(-0.12).contains(at)) this.#map.panTo(at, { animate: true });
  }
}

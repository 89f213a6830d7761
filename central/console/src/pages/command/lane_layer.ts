/** Fire lanes of the register on the map, and the circle within which somebody looks. */
import { circle, geoJSON, LayerGroup, type Circle, type Map as LeafletMap } from "leaflet";

import type { Lane } from "@/api/lanes";

import { NEAR_M, type Place } from "./near";

const LANE = { color: "#ffb454", weight: 4, opacity: 0.9, fillColor: "#ffb454", fillOpacity: 0.25 };
const CIRCLE = { radius: NEAR_M, color: "#8ab8ff", weight: 1.5, dashArray: "5 5", fillOpacity: 0.06, interactive: false };

export class LaneLayer extends LayerGroup {
  #circle: Circle | null = null;

  /** `tip`: text, never markup. */
  setLanes(lanes: readonly Lane[], tip: (lane: Lane) => string): void {
    this.clearLayers();
    for (const lane of lanes) {
      const said = document.createElement("span");
      said.textContent = tip(lane);
      geoJSON(lane.shape, { style: () => LANE }).bindTooltip(said, { sticky: true }).addTo(this);
    }
  }

  /** null: nobody looks round any more. */
  setNear(map: LeafletMap, at: Place | null): void {
    this.#circle?.remove();
    this.#circle = at && circle([at[0], at[1]], CIRCLE).addTo(map);
    if (this.#circle) map.fitBounds(this.#circle.getBounds(), { padding: [30, 30] });
  }
}

/** A canvas over the map that is drawn afresh wherever the map comes to rest: what is too many for Leaflet's own layers. */
import { DomUtil, Layer, type Map as LeafletMap } from "leaflet";

/** The canvas in pixels of the view. `aside`: by how much it reaches beyond the view on each side. */
export interface Sheet {
  width: number;
  height: number;
  aside: { x: number; y: number };
}

export abstract class CanvasLayer extends Layer {
  readonly #pane: string;
  readonly #zIndex: string;
  readonly #margin: number;
  #canvas: HTMLCanvasElement | null = null;

  /** `margin`: of the view, on each side: what a short move brings into view is drawn already. */
  constructor(pane: string, zIndex: string, margin = 0) {
    super();
    this.#pane = pane;
    this.#zIndex = zIndex;
    this.#margin = margin;
  }

  protected abstract paint(map: LeafletMap, context: CanvasRenderingContext2D, sheet: Sheet): void;

  override onAdd(map: LeafletMap): this {
    this.#canvas = DomUtil.create("canvas", "leaflet-zoom-hide");
    this.#canvas.style.pointerEvents = "none";
    const pane = map.getPane(this.#pane) ?? map.createPane(this.#pane);
    pane.style.zIndex = this.#zIndex;
    pane.style.pointerEvents = "none";
    pane.appendChild(this.#canvas);
    map.on("moveend zoomend resize", this.draw, this);
    this.draw();
    return this;
  }

  override onRemove(map: LeafletMap): this {
    map.off("moveend zoomend resize", this.draw, this);
    this.#canvas?.remove();
    this.#canvas = null;
    return this;
  }

  protected draw(): void {
    const map = this._map as LeafletMap | undefined;
    const canvas = this.#canvas;
    const context = canvas?.getContext("2d");
    if (!map || !canvas || !context) return;
    const size = map.getSize();
    const aside = { x: Math.round(size.x * this.#margin), y: Math.round(size.y * this.#margin) };
    const [width, height] = [size.x + 2 * aside.x, size.y + 2 * aside.y];
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    DomUtil.setPosition(canvas, map.containerPointToLayerPoint([-aside.x, -aside.y]));
    context.scale(scale, scale);
    this.paint(map, context, { width, height, aside });
  }

  /** Where the canvas lies, in pixels of the map's layers. */
  protected get corner(): { x: number; y: number } {
    return this.#canvas ? DomUtil.getPosition(this.#canvas) : { x: 0, y: 0 };
  }
}

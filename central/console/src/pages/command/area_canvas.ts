/** Leaflet's canvas renderer, without the redraw that outlives its map.
 *
 * In Leaflet 1.9.4 a redraw of everything (`_updatePaths`) clears the number of a redraw that is still to come. A map
 * that is removed before that frame cannot call it off, and it finds no context to draw with.
 */
import { Canvas, type RendererOptions } from "leaflet";

interface Drawing {
  _ctx?: CanvasRenderingContext2D;
  _redraw(): void;
}

const redraw = (Canvas.prototype as unknown as Drawing)._redraw;

const AreaCanvas = Canvas.extend({
  _redraw(this: Drawing): void {
    if (this._ctx) redraw.call(this);
  },
}) as unknown as new (options: RendererOptions) => Canvas;

export function areaCanvas(options: RendererOptions): Canvas {
  return new AreaCanvas(options);
}

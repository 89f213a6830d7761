/** Time, place and incident, drawn below a photograph before it is hashed: part of the picture, and over nothing of it. */

/** A narrower picture is drawn larger, so that its strip can be read. */
export const LEAST_WIDTH_PX = 480;
const LEAST_FONT_PX = 20;
/** Letters across the width of a large picture. */
const ACROSS = 40;
const FONT = "system-ui, sans-serif";

export interface Strip {
  /** Of the whole picture, pixels; what of it is the strip. */
  width: number;
  height: number;
  lines: string[];
  fontPx: number;
}

/** The strip below a picture of this width; of no height where nothing is to be said. */
export function stripOf(said: readonly string[], pictureWidth: number): Strip {
  if (said.length === 0) return { width: pictureWidth, height: 0, lines: [], fontPx: 0 };
  const width = Math.max(LEAST_WIDTH_PX, pictureWidth);
  const fontPx = Math.max(LEAST_FONT_PX, Math.round(width / ACROSS));
  const context = document.createElement("canvas").getContext("2d");
  if (!context) throw new Error("no canvas");
  context.font = `${fontPx}px ${FONT}`;
  const lines = said.flatMap((line) => wrapped(line, (part) => context.measureText(part).width, width - fontPx));
  return { width, height: Math.ceil((lines.length * 1.35 + 0.7) * fontPx), lines, fontPx };
}

/** `line` in parts that fit; broken between any two letters, as Chinese is. Pure. */
export function wrapped(line: string, widthOf: (part: string) => number, most: number): string[] {
  const parts = [""];
  for (const letter of line) {
    const last = parts.length - 1;
    const longer = `${parts[last]}${letter}`;
    if (parts[last] === "" || widthOf(longer) <= most) parts[last] = longer;
    else parts.push(letter);
  }
  return parts;
}

export function burnIn(context: CanvasRenderingContext2D, { width, height, lines, fontPx }: Strip, top: number): void {
  if (height === 0) return;
  context.fillStyle = "#000";
  context.fillRect(0, top, width, height);
  context.fillStyle = "#fff";
  context.font = `${fontPx}px ${FONT}`;
  context.textBaseline = "top";
  lines.forEach((line, index) => context.fillText(line, fontPx / 2, top + (0.5 + index * 1.35) * fontPx));
}

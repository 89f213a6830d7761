/** The phone's icon, drawn here: the mark of public/favicon.svg as PNG, in any size, without a drawing library. */
import { deflateSync } from "node:zlib";

type Rgb = [number, number, number];

const GROUND: Rgb = [0x12, 0x23, 0x3a];
const RAYS: Rgb = [0x7c, 0xc4, 0xff];
const EYE: Rgb = [0xe8, 0xf4, 0xff];
const SIDE = 32; // the favicon's units
const CENTRE: [number, number] = [16, 16];
const RAY_ENDS: [number, number, number, number][] = [
  [16, 5.5, 16, 26.5],
  [6.9, 10.75, 25.1, 21.25],
  [25.1, 10.75, 6.9, 21.25],
];
const HALF_STROKE = 1.1;
const SAMPLES = 4; // a side of each pixel: edges look smooth

/** `isMaskable`: without corners, the mark within the middle 80 %: phones cut the icon to their own shape. */
export function phoneIcon(sizePx: number, isMaskable: boolean): Buffer {
  const scale = isMaskable ? 1.35 : 1;
  const rows: Buffer[] = [];
  for (let y = 0; y < sizePx; y += 1) {
    const row = Buffer.alloc(1 + sizePx * 4); // begins with PNG's filter byte: none
    for (let x = 0; x < sizePx; x += 1) row.set(pixel(x, y, sizePx, scale, isMaskable), 1 + x * 4);
    rows.push(row);
  }
  return png(sizePx, Buffer.concat(rows));
}

function pixel(x: number, y: number, sizePx: number, scale: number, isMaskable: boolean): number[] {
  const sum = [0, 0, 0, 0];
  for (let i = 0; i < SAMPLES * SAMPLES; i += 1) {
    const u = ((x + ((i % SAMPLES) + 0.5) / SAMPLES) / sizePx) * SIDE;
    const v = ((y + (Math.floor(i / SAMPLES) + 0.5) / SAMPLES) / sizePx) * SIDE;
    if (!isMaskable && outsideCorners(u, v)) continue;
    const colour = colourAt(CENTRE[0] + (u - CENTRE[0]) * scale, CENTRE[1] + (v - CENTRE[1]) * scale);
    colour.forEach((value, channel) => (sum[channel]! += value));
    sum[3]! += 255;
  }
  const inside = sum[3]! / 255;
  return [...sum.slice(0, 3).map((value) => (inside ? Math.round(value / inside) : 0)), Math.round(sum[3]! / SAMPLES ** 2)];
}

function outsideCorners(u: number, v: number): boolean {
  const radius = 7;
  const dx = Math.max(radius - u, u - (SIDE - radius), 0);
  const dy = Math.max(radius - v, v - (SIDE - radius), 0);
  return Math.hypot(dx, dy) > radius;
}

function colourAt(u: number, v: number): Rgb {
  const fromCentre = Math.hypot(u - CENTRE[0], v - CENTRE[1]);
  if (fromCentre <= 1.7 || Math.abs(fromCentre - 4.6) <= HALF_STROKE) return EYE;
  if (fromCentre < 4.6) return GROUND;
  return RAY_ENDS.some((ray) => distance(u, v, ray) <= HALF_STROKE) ? RAYS : GROUND;
}

function distance(u: number, v: number, [x1, y1, x2, y2]: [number, number, number, number]): number {
  const along = ((u - x1) * (x2 - x1) + (v - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2);
  const share = Math.min(1, Math.max(0, along));
  return Math.hypot(u - x1 - share * (x2 - x1), v - y1 - share * (y2 - y1));
}

function png(sizePx: number, rows: Buffer): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(sizePx, 0);
  header.writeUInt32BE(sizePx, 4);
  header.set([8, 6, 0, 0, 0], 8); // 8 bits a channel, RGBA
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(kind: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  out.set(body, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

function crc32(data: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

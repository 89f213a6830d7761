/** How far this device's clock is from the centre's, by an answer's Date header. Pure; all milliseconds. */

/** The header is in whole seconds, so half a second late on the average. */
const HEADER_MS = 500;
/** Smaller differences are noise, not a wrong clock. */
const NOISE_MS = 2_000;

/** What must be added to this device's clock. The header was written somewhere within the `tookMs` of the answer. */
export function apartBy(serverMs: number, receivedMs: number, tookMs: number): number {
  return serverMs + HEADER_MS - (receivedMs - tookMs / 2);
}

/** The offset to go by from now on. A slow answer corrects only what it can tell; near enough to none is none. */
export function correctedMs(offsetMs: number, apartMs: number, tookMs: number): number {
  if (Math.abs(apartMs - offsetMs) <= NOISE_MS + tookMs / 2) return offsetMs;
  return Math.abs(apartMs) > NOISE_MS + tookMs / 2 ? apartMs : 0;
}

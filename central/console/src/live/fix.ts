/** One position, taken when the worker presses, and never else; nothing is kept here. */
import type { Fix } from "@/api/types";

const TIMEOUT_MS = 15_000;
const OLD_TIMEOUT_MS = 1_000;

export type NoFix = "insecure" | "none" | "denied" | "not_found";

/** A fresh position; where none is found in time, the last one the phone knows, with its age. */
export async function fixNow(): Promise<Fix | NoFix> {
  if (!isSecureContext) return "insecure";
  if (!navigator.geolocation) return "none";
  const fresh = await ask({ enableHighAccuracy: true, maximumAge: 0, timeout: TIMEOUT_MS });
  if (fresh !== "not_found") return fresh;
  return ask({ enableHighAccuracy: false, maximumAge: Number.POSITIVE_INFINITY, timeout: OLD_TIMEOUT_MS });
}

function ask(options: PositionOptions): Promise<Fix | NoFix> {
  return new Promise((resolve) => {
    navigator.geolocation.getCurrentPosition(
      ({ coords, timestamp }) =>
        resolve({
          longitude: coords.longitude,
          latitude: coords.latitude,
          accuracy_m: Math.min(Math.max(coords.accuracy, 0), 1_000_000),
          age_s: Math.min(Math.max((Date.now() - timestamp) / 1000, 0), 604_800),
        }),
      (error) => resolve(error.code === error.PERMISSION_DENIED ? "denied" : "not_found"),
      options,
    );
  });
}

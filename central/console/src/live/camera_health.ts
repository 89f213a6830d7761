/** The states that nodes tell of their cameras, in three groups. */
export type CameraHealth = "ok" | "faulty" | "unknown";

const UNKNOWN = new Set(["unknown", "connecting"]);
const OK = new Set(["streaming", "watching", "online", "ok", "good", "running"]);

/** A state that this console does not know is a fault: it is better looked at than overlooked. */
export function cameraHealth(state: string | null): CameraHealth {
  if (state === null || UNKNOWN.has(state)) return "unknown";
  return OK.has(state) ? "ok" : "faulty";
}

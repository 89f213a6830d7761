/** Live view: unmasked, for who has the right. One answer that goes on until it is over; nothing of it is kept. */
import { answered, csrfToken, get, refusalOf, signedOut } from "./http.ts";

export type Purpose = "incident" | "emergency" | "upkeep" | "drill";

export interface LiveStanding {
  is_on: boolean;
  /** Until when this person has the right; null: has none now. */
  until: string | null;
  /** So long one view lasts at most. */
  minutes: number | null;
}

export interface LiveStream {
  viewId: string;
  untilAt: string;
  /** As MediaSource wants it. */
  type: string;
  parts: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
}

export interface Wanted {
  purpose: Purpose;
  note: string;
  incident_id?: string;
}

export const liveStanding = () => get<LiveStanding>("/api/live-views");

/** Raises ApiProblem, NoAnswer. `signal` ends it, also while it runs. */
export async function openLiveStream(cameraId: string, wanted: Wanted, signal: AbortSignal): Promise<LiveStream> {
  const path = `/api/live-views/${encodeURIComponent(cameraId)}`;
  const headers = { Accept: "video/mp4, application/json", "X-CSRF-Token": csrfToken() };
  const response = await answered("POST", path, { headers, body: wanted, credentials: "same-origin", signal });
  if (!response.ok || !response.body) {
    const refused = await refusalOf(response);
    if (response.status === 401) signedOut();
    throw refused;
  }
  return {
    viewId: response.headers.get("x-live-view") ?? "",
    untilAt: response.headers.get("x-live-until") ?? "",
    type: response.headers.get("content-type") ?? "",
    parts: response.body.getReader(),
  };
}

/** Why the centre ended it, which stands in the stream's last box; "": it does not say. */
export function whyOver(last: Uint8Array): string {
  const tail = new TextDecoder("latin1").decode(last.subarray(-600));
  return /"over": "([a-z0-9_]+)"/.exec(tail)?.[1] ?? "";
}

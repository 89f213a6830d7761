/**
 * The door of a managing unit: no session, only the token of its link, which stands behind the # and comes as a bearer.
 * Apart from `http.ts`: a link that is over signs nobody out.
 */
import { ApiProblem, asProblem, NoAnswer, noteServerTime } from "./http.ts";

export type UnitAnswer = "clears" | "done" | "cannot";

/** What the unit is shown: place, hazard, state, its own limits. */
export interface UnitRequest {
  lane: string;
  unit: string;
  number: string;
  hazard: string;
  severity: 1 | 2 | 3 | 4;
  drill: boolean;
  place: { camera_name: string; longitude: number | null; latitude: number | null };
  area: { path: { name: string; name_en?: string | null }[] };
  opened_at: string;
  still_present: boolean;
  state: string;
  incident_state: string;
  told_at: string;
  reply_by: string;
  clear_by: string | null;
  replies: UnitAnswer[];
}

const TIMEOUT_MS = 15_000;

export const unitRequest = {
  read: (token: string) => call(token, "GET", "/api/unit-request"),
  reply: (token: string, reply: UnitAnswer, note: string) =>
    call(token, "POST", "/api/unit-request/replies", note ? { reply, note } : { reply }),
};

async function call(token: string, method: string, path: string, body?: unknown): Promise<UnitRequest> {
  const headers: Record<string, string> = { Accept: "application/json", Authorization: `Bearer ${token}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new NoAnswer(error);
  }
  noteServerTime(response.headers.get("Date"));
  const said: unknown = await response.json().catch(() => null);
  if (!response.ok) throw new ApiProblem(response.status, asProblem(said, response.status));
  return said as UnitRequest;
}

/**
 * The door of a managing unit: no session, only the token of its link, which stands behind the # and comes as a bearer.
 * Apart from the calls of `http.ts`: a link that is over signs nobody out.
 */
import { answered, refusalOf, said } from "./http.ts";

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

export const unitRequest = {
  read: (token: string) => call(token, "GET", "/api/unit-request"),
  reply: (token: string, reply: UnitAnswer, note: string) =>
    call(token, "POST", "/api/unit-request/replies", note ? { reply, note } : { reply }),
};

async function call(token: string, method: string, path: string, body?: unknown): Promise<UnitRequest> {
  const headers = { Authorization: `Bearer ${token}` };
  const response = await answered(method, path, { headers, body, credentials: "omit" });
  if (!response.ok) throw await refusalOf(response);
  return said<UnitRequest>(response);
}

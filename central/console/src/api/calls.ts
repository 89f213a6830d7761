/** Every call of the console, one line each. */
import { get, post, remove } from "./http.ts";
import type {
  Area,
  Camera,
  Fleet,
  Incident,
  IncidentDetail,
  IncidentPage,
  MoveName,
  Near,
  Session,
  Task,
  TaskMoveName,
} from "./types.ts";

const PAGE = 100;
const MOST_PAGES = 10; // 1,000 open incidents on one screen is already a storm; the rest waits behind them

export const session = {
  read: () => get<Session>("/api/session"),
  open: (username: string, password: string) => post<Session>("/api/session", { username, password }),
  close: () => remove("/api/session"),
};

export interface IncidentMove {
  move: MoveName;
  version: number;
  reason_code?: string;
  note?: string;
  idempotency_key: string;
}

export const incidents = {
  async allOpen(): Promise<Incident[]> {
    const found: Incident[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const query: string = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
      const answer: IncidentPage = await get<IncidentPage>(`/api/incidents?state=open&limit=${PAGE}${query}`);
      found.push(...answer.items);
      cursor = answer.next_cursor;
      if (!cursor) break;
    }
    return found;
  },
  recentlyClosed: () => get<IncidentPage>("/api/incidents?state=closed&limit=50"),
  one: (incidentId: string) => get<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}`),
  move: (incidentId: string, body: IncidentMove) =>
    post<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}/moves`, body),
};

export interface TaskMove {
  move: TaskMoveName;
  version: number;
  note?: string;
  photos?: string[];
  /** Those of `photos` that show the place before anything was done. */
  photos_before?: string[];
  reason_code?: string;
  /** When and where the worker did it; a phone without a connection sends it later. */
  acted_at?: string;
  near?: Near;
  idempotency_key: string;
}

export const tasks = {
  open: () => get<{ items: Task[] }>("/api/tasks?state=open"),
  one: (taskId: string) => get<Task>(`/api/tasks/${encodeURIComponent(taskId)}`),
  move: (taskId: string, body: TaskMove) => post<Task>(`/api/tasks/${encodeURIComponent(taskId)}/moves`, body),
};

export const places = {
  areas: () => get<{ areas: Area[] }>("/api/areas"),
  cameras: () => get<{ cameras: Camera[] }>("/api/cameras"),
  fleet: () => get<Fleet>("/api/fleet"),
};

export const evidenceUrl = (sha256: string): string => `/api/evidence/${sha256}`;
export const photoUrl = (sha256: string): string => `/api/photos/${sha256}`;

/** Every call of the console, one line each. */
import { get, post, remove } from "./http.ts";
import type {
  Area,
  BulkRead,
  CalendarProposal,
  Camera,
  Candidates,
  Claim,
  Earlier,
  Enrolment,
  Fix,
  Fleet,
  FleetNode,
  Incident,
  IncidentDetail,
  IncidentName,
  IncidentPage,
  Mergeable,
  MoveName,
  Near,
  Presence,
  Recommended,
  Seat,
  SecondStepAsked,
  Session,
  Severity,
  Silence,
  SilencedAlert,
  SilenceKind,
  Task,
  TaskMoveName,
  WaysToSignIn,
  Weekly,
} from "./types.ts";

const PAGE = 100;
const MOST_PAGES = 10; // 1,000 open incidents on one screen is already a storm; the rest waits behind them

/** Of one area with all below it. `by_severity`: "1" to "4". */
export interface OpenCount {
  open: number;
  drills: number;
  by_severity: Record<string, number>;
  by_state: Record<string, number>;
}

export interface OpenCounts {
  total: OpenCount;
  /** By code: on the way to the area asked about, itself, and one step below; where anything is open. */
  areas: Record<string, OpenCount>;
}

export const session = {
  read: () => get<Session>("/api/session"),
  open: (username: string, password: string) =>
    post<Session | SecondStepAsked>("/api/session", { username, password }),
  enterCode: (code: string) => post<Session>("/api/session/code", { code }),
  ways: () => get<WaysToSignIn>("/api/session/ways"),
  changePassword: (old: string, renewed: string) =>
    post<{ sessions_ended: number }>("/api/session/password", { old, new: renewed }),
  close: () => remove("/api/session"),
};

interface RecoveryCodes {
  recovery_codes: string[];
}

export const secondFactor = {
  start: () => post<Enrolment>("/api/session/second-factor", {}),
  confirm: (code: string) => post<RecoveryCodes>("/api/session/second-factor/confirm", { code }),
  renewCodes: (code: string) => post<RecoveryCodes>("/api/session/second-factor/recovery-codes", { code }),
};

export interface IncidentMove {
  move: MoveName;
  version: number;
  reason_code?: string;
  note?: string;
  idempotency_key: string;
}

/** Several judged alike, each at the version the person saw. */
export interface MoveTogether {
  move: MoveName;
  cases: { incident_id: string; version: number }[];
  reason_code?: string;
  note?: string;
  idempotency_key: string;
}

/** Of one of them: judged, or why not; then with what it is now. */
export type OutcomeOfOne = { incident_id: string; detail?: string; number?: string } & (
  | { outcome: "done" | "not_found"; state?: undefined; stands_alone?: undefined }
  | { outcome: "conflict" | "refused"; state: string; version: number; stands_alone: boolean }
);

/** Of a merge or a split: with the version the person saw, a reason, and the key of this attempt. */
interface Regroup {
  version: number;
  reason_code?: string;
  note?: string;
  idempotency_key: string;
}

export interface Merge extends Regroup {
  other_id: string;
  other_version: number;
  keep_task_id?: string;
}

export type Split = Regroup & ({ alert_ids: string[] } | { absorbed_id: string });

const ofArea = (code: string | null): string => (code === null ? "" : `&area=${encodeURIComponent(code)}`);

export const incidents = {
  counts: (areaCode: string | null) =>
    get<OpenCounts>(`/api/incidents/counts${areaCode === null ? "" : `?area=${encodeURIComponent(areaCode)}`}`),
  /** Newest first. `isCut`: there are more of them. `areaCode`: only of that area and below it; null: all. `times`: as
   * many as a screen holds at first, so often. */
  async allOpen(areaCode: string | null, times = 1): Promise<{ items: Incident[]; isCut: boolean }> {
    const items: Incident[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < MOST_PAGES * times; page += 1) {
      const query: string = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
      const answer: IncidentPage = await get<IncidentPage>(`/api/incidents?state=open&limit=${PAGE}${ofArea(areaCode)}${query}`);
      items.push(...answer.items);
      cursor = answer.next_cursor;
      if (!cursor) break;
    }
    return { items, isCut: cursor !== null };
  },
  recentlyClosed: (areaCode: string | null) =>
    get<IncidentPage>(`/api/incidents?state=closed&limit=50${ofArea(areaCode)}`),
  one: (incidentId: string) => get<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}`),
  tick: (incidentId: string, steps: Record<string, boolean>, idempotency_key: string) =>
    post<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}/checklist`, { steps, idempotency_key }),
  earlier: (incidentId: string, days: number) =>
    get<Earlier>(`/api/incidents/${encodeURIComponent(incidentId)}/earlier?days=${days}`),
  recommended: (incidentId: string) =>
    get<Recommended>(`/api/incidents/${encodeURIComponent(incidentId)}/recommended`),
  move: (incidentId: string, body: IncidentMove) =>
    post<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}/moves`, body),
  moveTogether: (body: MoveTogether) => post<{ outcomes: OutcomeOfOne[] }>("/api/incidents/moves", body),
  async mergeable(incidentId: string): Promise<Mergeable[]> {
    const found: Mergeable[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const query: string = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
      const path = `/api/incidents/${encodeURIComponent(incidentId)}/mergeable?limit=${PAGE}${query}`;
      const answer = await get<{ items: Mergeable[]; next_cursor: string | null }>(path);
      found.push(...answer.items);
      cursor = answer.next_cursor;
      if (!cursor) break;
    }
    return found;
  },
  say: (incidentId: string, text: string, idempotency_key: string) =>
    post<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}/messages`, { text, idempotency_key }),
  urge: (incidentId: string, body: { version: number; note?: string; idempotency_key: string }) =>
    post<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}/urge`, body),
  raise: (incidentId: string, body: Asked & { severity: Severity; reason_code: string }) =>
    post<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}/severity`, body),
  replyToSupervision: (incidentId: string, text: string, idempotency_key: string) =>
    post<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}/supervision/replies`, { text, idempotency_key }),
  supervise: (incidentId: string, body: Asked & { move: "supervise" | "end_supervision"; note: string; due?: string }) =>
    post<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}/supervision`, body),
  merge: (incidentId: string, body: Merge) =>
    post<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}/merge`, body),
  split: (incidentId: string, body: Split) =>
    post<IncidentDetail & { split_off: IncidentName }>(`/api/incidents/${encodeURIComponent(incidentId)}/split`, body),
};

export const bulkReads = () => get<{ items: BulkRead[] }>("/api/bulk-reads");

export const seat = {
  read: () => get<Seat>("/api/seat"),
  tell: (begins: boolean) => post<{ presence: Presence | null }>("/api/seat/presence", { begins }),
  claims: () => get<{ items: Claim[] }>("/api/seat/claims"),
  claim: (opened: string[], left: string[], takes_over: boolean) =>
    post<{ items: Claim[]; renew_every_s: number }>("/api/seat/claims", { opened, left, takes_over }),
};

export interface TaskMove {
  move: TaskMoveName;
  version: number;
  note?: string;
  photos?: string[];
  /** Those of `photos` that show the place before anything was done. */
  photos_before?: string[];
  reason_code?: string;
  /** Voice notes, sent before. */
  voices?: string[];
  /** When and where the worker did it; a phone without a connection sends it later. */
  acted_at?: string;
  near?: Near;
  fix?: Fix;
  /** Of ask_suspension and ask_later_limit. */
  until?: string;
  idempotency_key: string;
}

export interface HelpAnswer {
  /** Of the task. */
  version: number;
  reason_code?: string;
  note?: string;
  idempotency_key: string;
}

export interface Transfer {
  /** Of the task. */
  version: number;
  /** Left out: to whom the centre recommends. */
  worker_id?: string;
  reason_code?: string;
  note?: string;
  idempotency_key: string;
}

/** What every side move carries. `version`: of what it is about. */
export interface Asked {
  version: number;
  note?: string;
  idempotency_key: string;
}

export const tasks = {
  open: () => get<{ items: Task[]; suspension_longest_s: number; later_limit_longest_s: number; later_limit_most: number }>("/api/tasks?state=open"),
  one: (taskId: string) => get<Task>(`/api/tasks/${encodeURIComponent(taskId)}`),
  move: (taskId: string, body: TaskMove) => post<Task>(`/api/tasks/${encodeURIComponent(taskId)}/moves`, body),
  /** Of the village, or of another area by its code. */
  candidates: (taskId: string, area = "") =>
    get<Candidates>(`/api/tasks/${encodeURIComponent(taskId)}/transfer${area ? `?area=${encodeURIComponent(area)}` : ""}`),
  transfer: (taskId: string, body: Transfer) =>
    post<IncidentDetail>(`/api/tasks/${encodeURIComponent(taskId)}/transfer`, body),
  suspend: (taskId: string, body: Asked & { reason_code: string; until: string }) =>
    post<IncidentDetail>(`/api/tasks/${encodeURIComponent(taskId)}/suspension`, body),
  withdrawSuspension: (taskId: string, body: Asked) =>
    post<IncidentDetail>(`/api/tasks/${encodeURIComponent(taskId)}/suspension/withdrawal`, body),
  decideSuspension: (taskId: string, body: Asked & { approve: boolean }) =>
    post<IncidentDetail>(`/api/tasks/${encodeURIComponent(taskId)}/suspension/decision`, body),
  askLaterLimit: (taskId: string, body: Asked & { reason_code: string; until: string }) =>
    post<IncidentDetail>(`/api/tasks/${encodeURIComponent(taskId)}/later-limit`, body),
  decideLaterLimit: (taskId: string, body: Asked & { approve: boolean }) =>
    post<IncidentDetail>(`/api/tasks/${encodeURIComponent(taskId)}/later-limit/decision`, body),
  withdrawLaterLimit: (taskId: string, body: Asked) =>
    post<IncidentDetail>(`/api/tasks/${encodeURIComponent(taskId)}/later-limit/withdrawal`, body),
  resume: (taskId: string, body: Asked) =>
    post<IncidentDetail>(`/api/tasks/${encodeURIComponent(taskId)}/resumption`, body),
  answerHelp: (taskId: string, body: HelpAnswer) => post<Task>(`/api/tasks/${encodeURIComponent(taskId)}/help`, body),
};

export interface NewSilence {
  kind: SilenceKind;
  reason: string;
  ends_at: string;
  starts_at?: string;
  area_code?: string;
  camera_id?: string;
  node_id?: string;
  hazard?: string;
  weekly?: Weekly;
  idempotency_key: string;
}

export interface AnswerMove {
  move: "end" | "accept" | "refuse";
  version: number;
  note?: string;
  idempotency_key: string;
}

interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
}

async function everyPage<Item>(path: string): Promise<Item[]> {
  const found: Item[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query: string = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
    const answer: Page<Item> = await get<Page<Item>>(`${path}&limit=${PAGE}${query}`);
    found.push(...answer.items);
    cursor = answer.next_cursor;
    if (!cursor) break;
  }
  return found;
}

export const silences = {
  allOpen: () => everyPage<Silence>("/api/silences?state=open"),
  /** Newest first; `cursor` of the page before, null for the first. */
  book: (silenceId: string, cursor: string | null) =>
    get<Page<SilencedAlert>>(
      `/api/silences/${encodeURIComponent(silenceId)}/alerts?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
    ),
  make: (body: NewSilence) => post<Silence>("/api/silences", body),
  move: (silenceId: string, body: AnswerMove) =>
    post<Silence>(`/api/silences/${encodeURIComponent(silenceId)}/moves`, body),
  proposals: () => everyPage<CalendarProposal>("/api/calendar-proposals?state=open"),
  answer: (proposalId: string, body: AnswerMove) =>
    post<CalendarProposal>(`/api/calendar-proposals/${encodeURIComponent(proposalId)}/moves`, body),
};

export const notices = {
  unreceived: () => get<{ items: { notice_id: string }[] }>("/api/notices"),
  received: (noticeId: string) => post<unknown>(`/api/notices/${encodeURIComponent(noticeId)}/received`, {}),
};

export const places = {
  areas: () => get<{ areas: Area[] }>("/api/areas"),
  cameras: () => get<{ cameras: Camera[] }>("/api/cameras"),
  camera: (cameraId: string) => get<Camera>(`/api/cameras/${encodeURIComponent(cameraId)}`),
  fleet: () => get<Fleet>("/api/fleet"),
  node: (nodeId: string) => get<FleetNode>(`/api/fleet/${encodeURIComponent(nodeId)}`),
};

export const evidenceUrl = (sha256: string): string => `/api/evidence/${sha256}`;
export const voiceUrl = (sha256: string): string => `/api/voices/${encodeURIComponent(sha256)}`;
export const photoUrl = (sha256: string): string => `/api/photos/${sha256}`;

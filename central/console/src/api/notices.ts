/** Calls and types of what became of notices; loaded with the page that shows it. */
import { get, post } from "./http.ts";
import type { Severity } from "./types.ts";

export interface NoticeStep {
  step: number;
  channel: string;
  state: "waiting" | "sent" | "dead" | "dropped" | "skipped";
  reason: string | null;
  attempts: number;
  made_at: string | null;
  tried_at: string | null;
  sent_at: string | null;
  next_try_at: string | null;
}

export interface DeadStep extends NoticeStep {
  notice_id: string;
  kind: string;
  severity: Severity;
  incident_id: string | null;
  to: { user_id: string | null; display_name: string | null };
}

/** One notice of an incident, and how far it has climbed. */
export interface Fate {
  notice_id: string;
  kind: string;
  severity: Severity;
  /** The name only where the own areas hold that person. */
  to: { user_id: string | null; display_name: string | null; role: string | null };
  created_at: string;
  on_page_at: string | null;
  received_at: string | null;
  climb_end: string | null;
  next_look_at: string | null;
  held: { budget: number; quiet: number };
  steps: NoticeStep[];
}

export interface NoticeFigures {
  notices: number;
  received: number;
  held: { budget: number; quiet: number };
}

export interface Contacts {
  addresses: Record<string, string>;
  channels: { channel: string; kind: string }[];
}

export const noticeFates = {
  ofIncident: (incidentId: string) => get<{ items: Fate[] }>(`/api/incidents/${encodeURIComponent(incidentId)}/notices`),
  dead: () => get<{ items: DeadStep[] }>("/api/dead-notices"),
  retry: (noticeId: string, step: number) =>
    post<NoticeStep>(`/api/dead-notices/${encodeURIComponent(noticeId)}/${step}/retry`, {}),
  figures: () => get<NoticeFigures>("/api/notice-figures?hours=24"),
  /** Each view is a record of the audit chain. */
  contacts: (userId: string) => get<Contacts>(`/api/people/${encodeURIComponent(userId)}/contacts`),
};

/** A node's answer as a person looks at it: changes in time, and the time of which nothing can be said. Pure. */
import type { Answer, Recorded, Summary, WouldBe } from "@/api/what_if";

/** What the draft does to an alert. "alone": there is no running version to compare with. */
export type Mark = "added" | "gone" | "moved" | "same" | "alone";

export interface Item {
  mark: Mark;
  atMs: number;
  running: WouldBe | null;
  draft: WouldBe | null;
  raisedLaterS: number;
  /** null: one of both is still open, or there is only one. */
  endedLaterS: number | null;
  /** The alert of the centre that was raised live then. */
  recorded: Recorded | null;
}

/** Nothing can be said of it. */
export interface Stretch {
  fromMs: number;
  untilMs: number;
  reason: string;
}

export interface WhatIf {
  summary: Summary;
  items: Item[];
  stretches: Stretch[];
  fromMs: number;
  toMs: number;
}

const ms = (iso: string): number => Date.parse(iso);

/** `fromMs`, `toMs`: what was asked about; what the log has nothing of is a stretch without an answer like any other. */
export function readAnswer(answer: Answer, fromMs: number, toMs: number): WhatIf | null {
  const summary = answer.rows.find((row) => row.kind === "summary") as Summary | undefined;
  if (!summary) return null;
  return { summary, items: itemsOf(answer, summary), stretches: stretchesOf(answer, summary, fromMs, toMs), fromMs, toMs };
}

function itemsOf(answer: Answer, summary: Summary): Item[] {
  const items: Item[] = [];
  const told = new Set<string>();
  const add = (mark: Mark, running: WouldBe | null, draft: WouldBe | null, later: [number, number | null] = [0, null]): void => {
    const shown = (draft ?? running) as WouldBe;
    const recorded = recordedOf(answer.record, running ?? shown);
    items.push({ mark, running, draft, atMs: ms(shown.raised_at), raisedLaterS: later[0], endedLaterS: later[1], recorded });
    if (draft) told.add(draft.raised_at);
  };
  for (const row of answer.rows) {
    if (row.kind === "added") add("added", null, row);
    else if (row.kind === "gone") add("gone", row, null);
    else if (row.kind === "moved") add("moved", row.running, row.draft, [row.raised_later_s, row.ended_later_s]);
  }
  const isCompared = summary.running_alerts !== null;
  for (const row of answer.rows) {
    if (row.kind !== "alert" || told.has(row.raised_at)) continue;
    if (isCompared) add("same", row, row);
    else add("alone", null, row);
  }
  return items.sort((one, other) => one.atMs - other.atMs);
}

/** The one that has most time in common with it. */
function recordedOf(record: readonly Recorded[], alert: WouldBe): Recorded | null {
  const common = (one: Recorded): number =>
    Math.min(endMs(one.ended_at), endMs(alert.ended_at)) - Math.max(ms(one.began_at), ms(alert.began_at));
  const met = record.filter((one) => common(one) >= 0).sort((one, other) => common(other) - common(one));
  return met[0] ?? null;
}

const endMs = (iso: string | null): number => (iso === null ? Number.MAX_SAFE_INTEGER : ms(iso));

function stretchesOf(answer: Answer, summary: Summary, fromMs: number, toMs: number): Stretch[] {
  const reason = "not_logged";
  if (summary.looks === 0 || summary.from_at === null || summary.to_at === null) return [{ fromMs, untilMs: toMs, reason }];
  const told = answer.rows.flatMap((row) =>
    row.kind === "cannot_answer" ? [{ fromMs: ms(row.from_at), untilMs: ms(row.until_at), reason: row.reason }] : [],
  );
  const first = ms(summary.from_at);
  const last = ms(summary.to_at);
  return [
    ...(first - fromMs >= EDGE_MS ? [{ fromMs, untilMs: first, reason }] : []),
    ...told,
    ...(toMs - last >= EDGE_MS ? [{ fromMs: last, untilMs: toMs, reason }] : []),
  ];
}

/** Less than this before the first look and after the last is no hole: looks come every few seconds, segments every minute. */
const EDGE_MS = 60_000;

/** Seconds by reason, the longest first; also of what the node does not count: before its first look and after its last. */
export function unansweredBy(stretches: readonly Stretch[]): { reason: string; seconds: number }[] {
  const found = new Map<string, number>();
  for (const one of stretches) found.set(one.reason, (found.get(one.reason) ?? 0) + (one.untilMs - one.fromMs) / 1000);
  return [...found].map(([reason, seconds]) => ({ reason, seconds })).sort((one, other) => other.seconds - one.seconds);
}

/** As they are drawn: of the same reason and nearer than a thousandth of the whole is one. */
export function drawnStretches(stretches: readonly Stretch[], spanMs: number): Stretch[] {
  const drawn: Stretch[] = [];
  for (const one of [...stretches].sort((a, b) => a.fromMs - b.fromMs)) {
    const last = drawn.at(-1);
    if (last && last.reason === one.reason && one.fromMs - last.untilMs < spanMs / 1000) last.untilMs = Math.max(last.untilMs, one.untilMs);
    else drawn.push({ ...one });
  }
  return drawn;
}

const HOUR_MS = 3_600_000;
const STEPS_MS = [1 / 12, 0.25, 0.5, 1, 3, 6, 12, 24, 48, 168].map((hours) => hours * HOUR_MS);

/** Moments of a ruler: whole hours or days of the local clock, at most `most`. */
export function ticks(fromMs: number, toMs: number, offsetMs: number, most = 9): number[] {
  const step = STEPS_MS.find((one) => (toMs - fromMs) / one <= most) ?? 168 * HOUR_MS;
  const found: number[] = [];
  for (let at = Math.ceil((fromMs + offsetMs) / step) * step - offsetMs; at <= toMs; at += step) found.push(at);
  return found;
}

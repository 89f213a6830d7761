/** The rows of the review, kept current: which are selected, what is said of them, and what stayed and why. */
import { computed, onScopeDispose, reactive, ref, shallowRef, watch, type Ref } from "vue";

import type { OutcomeOfOne } from "@/api/calls";
import { ApiProblem } from "@/api/http";
import { randomId } from "@/api/random_id";
import { reviews, type Answer, type Asked } from "@/api/reviews";
import type { Incident } from "@/api/types";
import { listen } from "@/live/feed";
import { recountReviews } from "@/live/review_count";

export interface Given {
  reason_code?: string;
  note?: string;
}

export function useReviews(asked: Ref<Asked>) {
  const rows = shallowRef<Incident[] | null>(null);
  const next = ref<string | null>(null);
  const trouble = ref("");
  const ticks = reactive(new Set<string>());
  /** Of those that stayed: what the centre said of each. */
  const left = reactive(new Map<string, OutcomeOfOne>());
  const said = shallowRef<{ answer: Answer; done: number; left: number } | null>(null);
  const isBusy = ref(false);
  const failure = ref<"" | "noAnswer" | (string & {})>("");
  // The same attempt keeps its key until the centre has answered, so that trying again never counts twice.
  let attempt: { what: string; key: string } | null = null;
  let turn = 0;

  async function read(cursor: string | null = null): Promise<void> {
    const mine = ++turn;
    try {
      const found = await reviews.page(asked.value, cursor);
      if (mine !== turn) return;
      rows.value = cursor ? [...(rows.value ?? []), ...found.items] : found.items;
      next.value = found.next_cursor;
      trouble.value = "";
    } catch {
      if (mine === turn) trouble.value = "failed";
    }
  }

  /** What came back since it was listed keeps its place, and cannot be selected. */
  const isBack = (row: Incident): boolean => row.review === null;
  const selected = computed(() => (rows.value ?? []).filter((row) => ticks.has(row.incident_id) && !isBack(row)));

  function tick(id: string): void {
    if (!ticks.delete(id)) ticks.add(id);
  }
  function tickAll(): void {
    for (const row of rows.value ?? []) if (!isBack(row)) ticks.add(row.incident_id);
  }

  function take(incident: Incident): void {
    const at = rows.value?.findIndex((row) => row.incident_id === incident.incident_id) ?? -1;
    if (at < 0 || !rows.value) return;
    const isGone = asked.value.which === "waiting" && incident.review !== null && incident.review !== "waiting";
    rows.value = isGone ? rows.value.toSpliced(at, 1) : rows.value.with(at, incident);
    if (isGone || isBack(incident)) ticks.delete(incident.incident_id);
  }

  async function say(answer: Answer, given: Given): Promise<void> {
    const seen = selected.value;
    if (isBusy.value || seen.length === 0) return;
    isBusy.value = true;
    failure.value = "";
    said.value = null;
    const cases = seen.map(({ incident_id, version }) => ({ incident_id, version }));
    const what = JSON.stringify([answer, cases, given]);
    if (attempt?.what !== what) attempt = { what, key: randomId() };
    try {
      const { outcomes } = await reviews.say({ answer, cases, idempotency_key: attempt.key, ...given });
      attempt = null;
      settle(answer, outcomes);
      recountReviews();
    } catch (error) {
      failure.value = error instanceof ApiProblem ? error.message : "noAnswer";
    } finally {
      isBusy.value = false;
    }
  }

  function settle(answer: Answer, outcomes: readonly OutcomeOfOne[]): void {
    const done = new Set(outcomes.flatMap((one) => (one.outcome === "done" ? [one.incident_id] : [])));
    left.clear();
    for (const one of outcomes) if (!done.has(one.incident_id)) left.set(one.incident_id, one);
    ticks.clear();
    said.value = { answer, done: done.size, left: left.size };
    if (asked.value.which === "waiting") rows.value = (rows.value ?? []).filter((row) => !done.has(row.incident_id));
    if (asked.value.which === "reviewed" || (rows.value?.length === 0 && next.value)) void read();
  }

  watch(asked, () => {
    rows.value = null;
    ticks.clear();
    left.clear();
    said.value = null;
    void read();
  }, { immediate: true });

  const stop = listen({
    onEvent: (event) => {
      if (event.kind === "incident") take(event.incident);
    },
    onResume: () => void read(),
  });
  onScopeDispose(stop);

  return { rows, next, trouble, ticks, left, said, isBusy, failure, selected, isBack, read, tick, tickAll, clear: () => ticks.clear(), say };
}

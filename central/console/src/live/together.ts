/** Several incidents ticked in one fold, and one judgement of them: each for itself, and what stays is said. */
import { computed, reactive, ref } from "vue";

import { incidents as incidentCalls, type OutcomeOfOne } from "@/api/calls";
import { ApiProblem } from "@/api/http";
import { randomId } from "@/api/random_id";
import type { Incident, MoveName } from "@/api/types";

import type { Board } from "./board";
import { isSameQuestion, type Given } from "./case";

/** An event of what moved on meanwhile is here by then. */
const NEWS_MS = 700;

/** One that was not judged, and why; it stays. */
export interface Left {
  incident: Incident;
  outcome: OutcomeOfOne;
}

export interface Said {
  move: MoveName;
  done: number;
  left: Left[];
}

export function useTogether(board: Board) {
  /** Ticks are of one fold: a judgement of several is one question. */
  const fold = ref<string | null>(null);
  const ticks = reactive(new Set<string>());
  const asked = ref<{ move: MoveName; seen: Incident[] } | null>(null);
  const isBusy = ref(false);
  const said = ref<Said | null>(null);
  const hasNoAnswer = ref(false);
  const refusal = ref<string | null>(null);
  // The same attempt keeps its key until the centre has answered, so that trying again never counts twice.
  let attempt: { what: string; key: string } | null = null;

  const ticked = computed(() => [...ticks].flatMap((id) => board.incidents.get(id) ?? []));

  function clear(): void {
    ticks.clear();
    fold.value = null;
  }

  function turnTo(key: string): void {
    if (fold.value !== key) ticks.clear();
    fold.value = key;
  }

  function tick(key: string, id: string): void {
    turnTo(key);
    if (!ticks.delete(id)) ticks.add(id);
  }

  /** All of the fold; when all are ticked, none. */
  function tickAll(key: string, ids: readonly string[]): void {
    turnTo(key);
    const isAll = ids.every((id) => ticks.has(id));
    ticks.clear();
    if (!isAll) ids.forEach((id) => ticks.add(id));
  }

  /** `seen`: as the person sees them now; they may change while a reason is chosen. */
  function ask(move: MoveName, seen: readonly Incident[], needsReason: boolean): void {
    if (isBusy.value || seen.length === 0) return;
    said.value = null;
    asked.value = { move, seen: seen.map((incident) => ({ ...incident })) };
    if (!needsReason) void judge({});
  }

  async function judge(given: Given): Promise<void> {
    const what = asked.value;
    if (!what || isBusy.value) return;
    isBusy.value = true;
    hasNoAnswer.value = false;
    refusal.value = null;
    try {
      const left = await judgeAll(what.move, what.seen, given);
      said.value = { move: what.move, done: what.seen.length - left.length, left };
      clear();
    } catch (error) {
      if (error instanceof ApiProblem) refusal.value = error.message;
      else hasNoAnswer.value = true;
    } finally {
      isBusy.value = false;
      asked.value = null;
    }
  }

  /** Where only numbers moved on (another picture of the same hazard), once more on the newer version. */
  async function judgeAll(move: MoveName, seen: readonly Incident[], given: Given): Promise<Left[]> {
    const left = await send(move, seen, given);
    if (!left.some(({ outcome }) => outcome.outcome === "conflict")) return left;
    await new Promise((resolve) => setTimeout(resolve, NEWS_MS));
    const again = left.flatMap(({ incident, outcome }) => {
      const newer = board.incidents.get(incident.incident_id);
      return outcome.outcome === "conflict" && newer && isSameQuestion(incident, newer) ? [newer] : [];
    });
    if (again.length === 0) return left;
    const retried = new Set(again.map((incident) => incident.incident_id));
    return [...left.filter(({ incident }) => !retried.has(incident.incident_id)), ...(await send(move, again, given))];
  }

  async function send(move: MoveName, seen: readonly Incident[], given: Given): Promise<Left[]> {
    const cases = seen.map(({ incident_id, version }) => ({ incident_id, version }));
    const what = JSON.stringify([move, cases, given]);
    if (attempt?.what !== what) attempt = { what, key: randomId() };
    const { outcomes } = await incidentCalls.moveTogether({ move, cases, idempotency_key: attempt.key, ...given });
    attempt = null;
    return outcomes.flatMap((outcome, at) => (outcome.outcome === "done" ? [] : [{ incident: seen[at]!, outcome }]));
  }

  return {
    fold,
    ticked,
    has: (id: string) => ticks.has(id),
    asked,
    isBusy,
    said,
    hasNoAnswer,
    refusal,
    clear,
    tick,
    tickAll,
    ask,
    judge,
  };
}

export type Together = ReturnType<typeof useTogether>;

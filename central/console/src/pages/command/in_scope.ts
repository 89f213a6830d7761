/** Which area the command page is narrowed to: in the address, so that a reload and a link that is passed on keep it. */
import { computed, watch } from "vue";
import { useRoute, useRouter } from "vue-router";

import type { Incident } from "@/api/types";
import type { Board } from "@/live/board";
import { useOpenCounts } from "@/live/open_counts";

import { codesWithin, indexOf, isWithin, stepsDown, talliesOf, tallyOf, trailOf, type Tally } from "./scope";

export function useScope(board: Board) {
  const route = useRoute();
  const router = useRouter();
  const index = computed(() => indexOf(board.areas.value));
  const asked = computed(() => (typeof route.query.area === "string" && route.query.area ? route.query.area : null));
  /** The address names what is no area, or none that this person sees: the page is as wide as it can be. */
  const isUnknown = computed(
    () => asked.value !== null && board.areas.value.length > 0 && !index.value.byCode.has(asked.value),
  );
  /** Null: everything this person sees. */
  const code = computed(() => {
    if (isUnknown.value) return null;
    const [only, ...others] = index.value.roots;
    return only && others.length === 0 && only.code === asked.value ? null : asked.value;
  });
  const trail = computed(() => trailOf(index.value, code.value));
  const codes = computed(() => (code.value === null ? null : codesWithin(index.value, code.value)));
  const counts = useOpenCounts(board.isCut, code);
  /** By code; "" is everything. Where this page has not all of them, as the centre counts. */
  const tallies = computed<Map<string, Tally>>(() => {
    const told = counts.value;
    if (!told) return talliesOf(board.incidents.values());
    const found = new Map(Object.entries(told.areas).map(([area, count]) => [area, tallyOf(count)]));
    return told.total.open > 0 ? found.set("", tallyOf(told.total)) : found;
  });
  /** Of what is shown, by state, as the centre counts; null where this page has all of them and counts itself. */
  const countHere = computed(() => {
    const told = counts.value;
    return told && (code.value === null ? told.total : (told.areas[code.value] ?? null));
  });
  watch(code, (now) => board.narrowTo(now), { immediate: true });

  async function choose(next: string | null): Promise<void> {
    if (next === code.value && !isUnknown.value) return;
    await router.push({ query: { ...route.query, area: next ?? undefined } });
  }

  return {
    code,
    codes,
    isUnknown,
    trail,
    steps: computed(() => stepsDown(index.value, code.value)),
    root: computed(() => (index.value.roots.length === 1 ? (index.value.roots[0] ?? null) : null)),
    tallies,
    countHere,
    isCut: computed(() => board.isCut.value && counts.value === null),
    choose,
    widen: () => choose(trail.value.at(-2)?.code ?? null),
    isIn: (incident: Incident) => isWithin(incident, code.value),
  };
}

export type Scope = ReturnType<typeof useScope>;

/** A list over all cameras in scope: read and kept current, searched, ticked. What the ticks decide is beside it. */
import { computed, ref, shallowRef } from "vue";

import { useAreasByCode } from "@/live/areas_by_code";
import { useReadingSoon } from "@/live/reading_soon";
import { areaName } from "@/words";

/** A change of many cameras at once is one reading of the list. */
const GATHER_MS = 600;

interface Row {
  area_code: string | null;
}

/** `textOf`: what a search looks through, beside the name of the place. */
interface Listing<One extends Row, Answer extends { items: One[] }> {
  list: () => Promise<Answer>;
  keyOf: (one: One) => string;
  textOf: (one: One) => string;
  /** Those to be seen of what the search has found, in their order. */
  arranged: (found: One[]) => One[];
  mayTick?: (one: One) => boolean;
  /** So many are ticked with *all*: those that are drawn. */
  most?: number;
}

export function useTickedList<One extends Row, Answer extends { items: One[] }>(of: Listing<One, Answer>) {
  const { keyOf, mayTick = () => true, most } = of;
  const answer = shallowRef<Answer | null>(null);
  const hasFailed = ref(false);
  const search = ref("");
  const ticks = ref<Set<string>>(new Set());
  const areas = useAreasByCode();
  let asked = 0;

  async function read(): Promise<void> {
    const mine = ++asked;
    try {
      const told = await of.list();
      if (mine !== asked) return;
      answer.value = told;
      hasFailed.value = false;
      const there = new Set(told.items.map(keyOf));
      ticks.value = new Set([...ticks.value].filter((key) => there.has(key)));
    } catch {
      if (mine === asked) hasFailed.value = true;
    }
  }

  function placeOf(one: One): string {
    const area = one.area_code === null ? undefined : areas.value.get(one.area_code);
    return area ? areaName(area) : (one.area_code ?? "");
  }

  const found = computed(() => {
    const typed = search.value.trim().toLowerCase();
    const all: One[] = answer.value?.items ?? [];
    const fitting = all.filter((one) => `${of.textOf(one)} ${placeOf(one)}`.toLowerCase().includes(typed));
    return of.arranged(fitting);
  });
  const shown = computed(() => found.value.slice(0, most));
  const tickable = computed(() => shown.value.filter(mayTick));
  const selected = computed(() => found.value.filter((one) => mayTick(one) && ticks.value.has(keyOf(one))));
  const areAllTicked = computed(() => tickable.value.length > 0 && tickable.value.every((one) => ticks.value.has(keyOf(one))));

  function tick(one: One): void {
    const next = new Set(ticks.value);
    if (!next.delete(keyOf(one))) next.add(keyOf(one));
    ticks.value = next;
  }
  /** When all are ticked, none. */
  function tickAll(): void {
    ticks.value = areAllTicked.value ? new Set() : new Set(tickable.value.map(keyOf));
  }

  useReadingSoon(read, (event) => event.kind === "camera_rules", GATHER_MS);
  void read();
  return { answer, hasFailed, search, read, placeOf, found, shown, tickable, selected, areAllTicked, isTicked: (one: One) => ticks.value.has(keyOf(one)), tick, tickAll };
}

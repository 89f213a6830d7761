/** One act of a desk at a time: what became of it, and one key until the centre has spoken. */
import { ref } from "vue";

import { ApiProblem } from "@/api/http";
import { randomId } from "@/api/random_id";

import { g } from "./waiting_words";

/** `changed`: the centre has spoken, and what is shown may be another thing now. */
export function useOnce(changed: () => void) {
  const isBusy = ref(false);
  const trouble = ref("");
  let attempt: { what: string; key: string } | null = null;

  /** True: it is done. `what`: the same attempt has the same text. */
  async function send(what: string, call: (key: string) => Promise<unknown>): Promise<boolean> {
    if (attempt?.what !== what) attempt = { what, key: randomId() };
    isBusy.value = true;
    trouble.value = "";
    try {
      await call(attempt.key);
      attempt = null;
      changed();
      return true;
    } catch (error) {
      if (!(error instanceof ApiProblem)) {
        trouble.value = g("noAnswer");
        return false;
      }
      attempt = null;
      trouble.value = error.status === 409 ? g("conflict") : g("refused", { why: error.message });
      changed();
      return false;
    } finally {
      isBusy.value = false;
    }
  }
  return { isBusy, trouble, send };
}

/** What `<input type="datetime-local">` shows for a moment, local time of this computer. */
export function localInput(ms: number): string {
  const at = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return at.toISOString().slice(0, 16);
}

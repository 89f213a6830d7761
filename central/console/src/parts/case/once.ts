/** One act of a desk at a time: what became of it, and one key until the centre has spoken. */
import { ref } from "vue";

import { attempts, type Answered, type Attempt } from "@/live/attempts";

import { refusedText } from "./refused_requests";
import { g } from "./waiting_words";

/** Busy while one is on its way. */
export function useAttempts() {
  const isBusy = ref(false);
  const one = attempts();
  const attempt: Attempt = async (what, call) => {
    isBusy.value = true;
    try {
      return await one(what, call);
    } finally {
      isBusy.value = false;
    }
  };
  return { isBusy, attempt };
}

/** `changed`: the centre has spoken, and what is shown may be another thing now. */
export function useOnce(changed: () => void) {
  const { isBusy, attempt } = useAttempts();
  const trouble = ref("");

  /** True: it is done. `what`: the same attempt has the same text. */
  async function send(what: string, call: (key: string) => Promise<unknown>): Promise<boolean> {
    trouble.value = "";
    const said = await attempt(what, call);
    trouble.value = troubleOf(said);
    if (said.kind !== "no_answer") changed();
    return said.kind === "done";
  }
  return { isBusy, trouble, send };
}

function troubleOf(said: Answered<unknown>): string {
  if (said.kind === "done") return "";
  if (said.kind === "no_answer") return g("noAnswer");
  return said.kind === "conflict" ? g("conflict") : g("refused", { why: refusedText(said.problem.problem.reason, said.problem.message) });
}

/** What `<input type="datetime-local">` shows for a moment, local time of this computer. */
export function localInput(ms: number): string {
  const at = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return at.toISOString().slice(0, 16);
}

/** One decision on all that is ticked, sent in requests as large as the centre takes. */
import { ref } from "vue";

import { ApiProblem } from "@/api/http";

/** Of one request, as the centre takes them. */
const MOST = 200;

/** `noAnswer`: said when the centre does not answer. `ended`: after the last request, and after one that failed. */
export function useDeciding(noAnswer: () => string, ended: () => void) {
  const isBusy = ref(false);
  const failure = ref("");

  /** False: a request failed, and `failure` says why; those before it were taken. */
  async function decide<One>(all: readonly One[], send: (some: One[]) => Promise<void>): Promise<boolean> {
    isBusy.value = true;
    failure.value = "";
    try {
      for (let from = 0; from < all.length; from += MOST) await send(all.slice(from, from + MOST));
      return true;
    } catch (error) {
      failure.value = error instanceof ApiProblem ? error.message : noAnswer();
      return false;
    } finally {
      isBusy.value = false;
      ended();
    }
  }
  return { isBusy, failure, decide };
}

/** One attempt keeps its key until the centre has spoken: trying again never counts twice. */
import { ApiProblem } from "../api/http.ts";
import { randomId } from "../api/random_id.ts";

/** What became of it: the centre's answer, its no, or none, which says nothing of whether it was done. */
export type Answered<Answer> = { kind: "done"; answer: Answer } | Unanswered;
export type Unanswered = { kind: "no_answer" } | { kind: "conflict" | "refused"; problem: ApiProblem };

/** Of what a call has thrown. */
export function unanswered(error: unknown): Unanswered {
  if (!(error instanceof ApiProblem)) return { kind: "no_answer" };
  return { kind: error.status === 409 ? "conflict" : "refused", problem: error };
}

/** `what`: the same attempt has the same text. Never throws. */
export type Attempt = <Answer>(what: string, call: (key: string) => Promise<Answer>) => Promise<Answered<Answer>>;

export function attempts(): Attempt {
  let last: { what: string; key: string } | null = null;
  return async (what, call) => {
    if (last?.what !== what) last = { what, key: randomId() };
    try {
      const answer = await call(last.key);
      last = null;
      return { kind: "done", answer };
    } catch (error) {
      const said = unanswered(error);
      if (said.kind !== "no_answer") last = null;
      return said;
    }
  };
}

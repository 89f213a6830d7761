import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiProblem, NoAnswer } from "../api/http.ts";
import { attempts } from "./attempts.ts";

const problem = (status: number): ApiProblem => new ApiProblem(status, { type: "about:blank", title: "no", status });

test("an attempt keeps its key until the centre has spoken, and the next one has another", async () => {
  const attempt = attempts();
  const keys: string[] = [];
  const answering = (answer: () => unknown) => async (key: string): Promise<unknown> => {
    keys.push(key);
    return answer();
  };
  const fails = (error: Error) => (): never => {
    throw error;
  };
  assert.deepEqual(await attempt("a", answering(fails(new NoAnswer("cut")))), { kind: "no_answer" });
  assert.deepEqual(await attempt("a", answering(() => 7)), { kind: "done", answer: 7 });
  assert.equal(keys[0], keys[1]);
  assert.equal((await attempt("a", answering(fails(problem(409))))).kind, "conflict");
  assert.equal((await attempt("a", answering(fails(problem(422))))).kind, "refused");
  assert.equal((await attempt("a", answering(fails(new NoAnswer("cut"))))).kind, "no_answer");
  await attempt("b", answering(() => 0)); // something else is decided: not the same attempt any more
  assert.equal(new Set(keys.slice(1)).size, 5);
});

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { get, NoAnswer, post, useCsrf } from "./http.ts";

/** Answers in turn, the last one again and again; how often was asked. */
function answering(t: TestContext, ...answers: (() => Response)[]): () => number {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let asked = 0;
  t.mock.method(globalThis, "fetch", async () => answers[Math.min(asked++, answers.length - 1)]?.());
  return () => asked;
}
const busy = (retryAfter: Record<string, string> = { "Retry-After": "2" }) => () => new Response("{}", { status: 503, headers: retryAfter });
const fine = () => new Response('{"is":"here"}');

/** Lets what waits go on, until it is settled. */
async function settled<T>(t: TestContext, work: Promise<T>): Promise<T> {
  let isOver = false;
  const over = work.finally(() => (isOver = true));
  over.catch(() => undefined);
  while (!isOver) {
    await new Promise((done) => setImmediate(done));
    t.mock.timers.tick(2000);
  }
  return over;
}

test("what is only read is asked for once more when the centre is busy for a moment", async (t) => {
  const asked = answering(t, busy(), fine);
  assert.deepEqual(await settled(t, get("/api/rules")), { is: "here" });
  assert.equal(asked(), 2);
});

test("it is said when the centre stays busy", async (t) => {
  const asked = answering(t, busy());
  await assert.rejects(settled(t, get("/api/rules")), NoAnswer);
  assert.equal(asked(), 2);
});

for (const [name, headers] of [
  ["for long", { "Retry-After": "60" }],
  ["nobody knows for how long", {}],
] as const) {
  test(`it is said at once when the centre is away ${name}`, async (t) => {
    const asked = answering(t, busy(headers));
    await assert.rejects(settled(t, get("/api/rules")), NoAnswer);
    assert.equal(asked(), 1);
  });
}

test("an act is never done again by itself", async (t) => {
  const asked = answering(t, busy(), fine);
  useCsrf("token");
  await assert.rejects(settled(t, post("/api/rule-copies", {})), NoAnswer);
  assert.equal(asked(), 1);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { answerOf, type Shell } from "./shell.ts";

const ORIGIN = "https://centre.example";
const SHELL: Shell = { version: "1", files: ["/assets/index-a.js"], pageSha256: "" };

const of = (path: string, mode = "cors", method = "GET") =>
  answerOf({ method, mode, url: path.startsWith("http") ? path : ORIGIN + path }, ORIGIN, SHELL);

test("the phone's pages and the program's own files come from the shell", () => {
  for (const path of ["/phone", "/phone/", "/phone/tasks/7", "/phone?from=notice"]) {
    assert.equal(of(path, "navigate"), "page", path);
  }
  assert.equal(of("/assets/index-a.js"), "file");
});

test("answers of the API and pictures never do", () => {
  for (const path of ["/api/tasks", "/api/evidence/ab", "/api/photos/ab", "/api/events", "/api/session"]) {
    assert.equal(of(path), null, path);
    assert.equal(of(path, "no-cors"), null, path);
    assert.equal(of(path, "navigate"), null, path);
  }
});

test("neither does what is beside the phone, written to, asked with a query, or elsewhere", () => {
  assert.equal(of("/", "navigate"), null);
  assert.equal(of("/phonebook", "navigate"), null);
  assert.equal(of("/phone", "navigate", "POST"), null);
  assert.equal(of("/assets/index-a.js?x=1"), null);
  assert.equal(of("/assets/CaseMap.js"), null);
  assert.equal(of("https://other.example/assets/index-a.js"), null);
});

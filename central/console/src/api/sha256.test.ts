import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { sha256Hex, sha256Plain } from "./sha256.ts";

const plainHex = (bytes: Uint8Array): string => Buffer.from(sha256Plain(bytes)).toString("hex");

test("the plain implementation agrees with the system's at every padding boundary", () => {
  for (const length of [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 1000, 65537]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 131 + length) % 256);
    assert.equal(plainHex(bytes), createHash("sha256").update(bytes).digest("hex"), `length ${length}`);
  }
});

test("both ways give the same name to a photograph", async () => {
  const bytes = new TextEncoder().encode("现场照片");
  assert.equal(await sha256Hex(bytes), plainHex(bytes));
});

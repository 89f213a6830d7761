import assert from "node:assert/strict";
import { test } from "node:test";

import { whyOver } from "./live_views.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("the last box says why it is over", () => {
  assert.equal(whyOver(bytes('\0\0uuid{"camera": "cam-0", "over": "time_over", "view": "v"}')), "time_over");
  assert.equal(whyOver(bytes(`${"x".repeat(5000)}{"over": "right_ended"}`)), "right_ended");
});

test("a stream that was cut off does not say", () => {
  assert.equal(whyOver(bytes("moof mdat")), "");
  assert.equal(whyOver(new Uint8Array()), "");
});

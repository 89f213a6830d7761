import assert from "node:assert/strict";
import { test } from "node:test";

import { qrPicture } from "./qr_picture.ts";

test("a QR code has its three finder patterns, inside a quiet zone", () => {
  const { size, path } = qrPicture("otpauth://totp/Xueliang:wang?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Xueliang");
  const dark = new Set([...path.matchAll(/M(\d+) (\d+)h/g)].map(([, column, row]) => `${column},${row}`));
  assert.equal((size - 8 - 17) % 4, 0, "17 squares and four more with each version");
  for (const [left, top] of [[4, 4], [size - 11, 4], [4, size - 11]] as const) {
    for (let at = 0; at < 7; at += 1) {
      assert.ok(dark.has(`${left + at},${top}`), "the frame's upper edge");
      assert.ok(dark.has(`${left},${top + at}`), "and its left one");
    }
    assert.ok(dark.has(`${left + 3},${top + 3}`), "the heart");
    assert.ok(!dark.has(`${left + 1},${top + 1}`), "the white ring");
  }
  for (const spot of dark) {
    const [column, row] = spot.split(",").map(Number) as [number, number];
    assert.ok(column >= 4 && row >= 4 && column < size - 4 && row < size - 4);
  }
});

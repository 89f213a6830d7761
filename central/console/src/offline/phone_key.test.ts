import assert from "node:assert/strict";
import { test } from "node:test";

import { browserName, codeInFours, makeKey, plainCode, publicPart, signed, toRenew } from "./phone_key.ts";

test("a code is the same however it is typed", () => {
  for (const typed of ["7Q4M-XK2D-0R1V", "7q4m xk2d 0r1v", "7Q4MXK2DORIV", "7q4m-xk2d-orlv"]) assert.equal(plainCode(typed), "7Q4MXK2D0R1V");
  assert.equal(codeInFours("7Q4MXK2D0R"), "7Q4M-XK2D-0R");
  assert.equal(codeInFours("7Q4M"), "7Q4M");
});

test("the key cannot be read out, and what it signs is 64 bytes that its public part confirms", async () => {
  const pair = await makeKey();
  await assert.rejects(crypto.subtle.exportKey("jwk", pair.privateKey));
  const { x, y } = await publicPart(pair);
  assert.match(`${x}${y}`, /^[\w-]{86}$/);
  const signature = await signed(toRenew("p", "c"), pair.privateKey);
  const bytes = Uint8Array.from(atob(signature.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  assert.equal(bytes.length, 64);
  const message = new TextEncoder().encode("xueliang phone renew\np\nc");
  assert.ok(await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, pair.publicKey, bytes, message));
});

test("a browser is named by two words", () => {
  const android = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36";
  assert.equal(browserName(android), "Chrome · Android");
  assert.equal(browserName(`${android} EdgA/131.0`), "Edge · Android");
  const iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1";
  assert.equal(browserName(iphone), "Safari · iOS");
  assert.equal(browserName("curl/8"), "? · ?");
});

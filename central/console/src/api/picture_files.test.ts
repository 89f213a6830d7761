import assert from "node:assert/strict";
import { test } from "node:test";

import { wrapped } from "./burnt.ts";
import { MOST_BYTES, PhotoRefused, checkPicture, factsOf } from "./picture_files.ts";

const text = (said: string): Uint8Array<ArrayBuffer> => new Uint8Array([...said].map((one) => one.charCodeAt(0)));
/** A JPEG's beginning: an EXIF segment of `exif` bytes, then a frame header. */
function jpeg(width: number, height: number, exif = 40): Uint8Array<ArrayBuffer> {
  const frame = [0xff, 0xc0, 0, 17, 8, height >> 8, height & 255, width >> 8, width & 255, 3];
  return new Uint8Array([0xff, 0xd8, 0xff, 0xe1, exif >> 8, exif & 255, ...new Array<number>(exif - 2).fill(0), ...frame]);
}

test("a file is what its bytes say, whatever its name", () => {
  assert.deepEqual(factsOf(jpeg(4000, 3000), 99), { kind: "jpeg", bytes: 99, size: { width: 4000, height: 3000 } });
  assert.deepEqual(factsOf(jpeg(4000, 3000, 60_000), 9).size, { width: 4000, height: 3000 });
  assert.equal(factsOf(jpeg(4000, 3000).subarray(0, 45), 9).size, null);
  assert.equal(factsOf(text("%PDF-1.7"), 9).kind, "pdf");
  assert.equal(factsOf(text("hello"), 5).kind, "other");
  assert.equal(factsOf(text("0000ftypheic"), 12).kind, "heic");
  assert.equal(factsOf(text("0000ftypisom"), 12).kind, "video");
  assert.equal(factsOf(new Uint8Array(), 0).kind, "empty");
});

for (const [name, file, why] of [
  ["text", new Blob([text("hello")]), "no_picture"],
  ["too many bytes", new Blob([jpeg(4000, 3000), new Uint8Array(MOST_BYTES)]), "too_large"],
  ["too many pixels", new Blob([jpeg(16_000, 12_000)]), "too_large"],
] as const) {
  test(`refused before it is decoded: ${name}`, async () => {
    await assert.rejects(checkPicture(file), (error: unknown) => error instanceof PhotoRefused && error.why === why);
  });
}

test("an ordinary photograph passes", async () => {
  assert.equal((await checkPicture(new Blob([jpeg(8000, 6000)]))).kind, "jpeg");
});

test("a line is broken where it is full", () => {
  assert.deepEqual(wrapped("东巷0号 A-1", (part) => part.length, 4), ["东巷0号", " A-1"]);
  assert.deepEqual(wrapped("", (part) => part.length, 4), [""]);
  assert.deepEqual(wrapped("ab", (part) => part.length, 0), ["a", "b"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { readEvent } from "./event_stream.ts";
import { SseParser } from "./sse_parser.ts";

const STREAM = ': ping\r\n\r\nid: 7\nevent: incident\ndata: {"incident":\ndata: {"number":"1"}}\n\nevent: hello\ndata: {}\n\n';

test("messages are the same however the chunks break", () => {
  const whole = new SseParser().push(STREAM);
  assert.deepEqual(whole, [
    { id: "7", event: "incident", data: '{"incident":\n{"number":"1"}}' },
    { id: null, event: "hello", data: "{}" },
  ]);
  const parser = new SseParser();
  assert.deepEqual(Array.from(STREAM).flatMap((letter) => parser.push(letter)), whole);
});

test("a comment alone is no message", () => {
  assert.deepEqual(new SseParser().push(": ping\n\n"), []);
});

test("unknown and broken events are passed over", () => {
  assert.equal(readEvent({ event: "weather", data: '{"weather":{}}', id: null }), null);
  assert.equal(readEvent({ event: "incident", data: "{", id: null }), null);
  assert.equal(readEvent({ event: "incident", data: '{"task":{}}', id: null }), null);
  assert.equal(readEvent({ event: "task", data: '{"task":{"task_id":"t"}}', id: "1" })?.kind, "task");
  assert.equal(readEvent({ event: "silence", data: '{"silence":{"silence_id":"s"}}', id: "2" })?.kind, "silence");
  assert.equal(readEvent({ event: "camera_gone", data: '{"camera_gone":{"camera_id":"c"}}', id: "3" })?.kind, "camera_gone");
});

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Incident, SeatRow } from "../../api/types.ts";
import { newsSince, type Seen } from "./news.ts";

function incident(incident_id: string, severity: number, more: Partial<Incident> = {}): Incident {
  return { incident_id, severity, state: "open", drill: null, ...more } as unknown as Incident;
}

function row(row_id: string, ...incident_ids: string[]): SeatRow {
  return { row_id, incident_ids } as SeatRow;
}

function seen(isDealt: boolean, incidents: Incident[], rows: SeatRow[] = []): Seen {
  return { isDealt, rows, incidents: new Map(incidents.map((one) => [one.incident_id, one])) };
}

const ids = (found: Incident[]): string[] => found.map((one) => one.incident_id);

test("without dealing every new incident is news, once, and none that was there", () => {
  const news = newsSince();
  const [a, b] = [incident("a", 2), incident("b", 3)];
  assert.deepEqual(ids(news(seen(false, [a]))), []);
  assert.deepEqual(ids(news(seen(false, [a, b]))), ["b"]);
  assert.deepEqual(ids(news(seen(false, [a, b]))), []);
  const judged = incident("c", 1, { state: "dispatched" });
  assert.deepEqual(ids(news(seen(false, [a, b, judged]))), [], "what is judged already");
});

test("where incidents are dealt only a new row of the own seat is news", () => {
  const news = newsSince();
  const [mine, other, next] = [incident("mine", 3), incident("other", 2), incident("next", 2)];
  news(seen(true, [mine], [row("r1", "mine")]));
  assert.deepEqual(ids(news(seen(true, [mine, other], [row("r1", "mine")]))), [], "of another seat");
  assert.deepEqual(ids(news(seen(true, [mine, other, next], [row("r1", "mine", "next")]))), [], "the row was there");
  const rows = [row("r1", "mine"), row("r2", "next")];
  assert.deepEqual(ids(news(seen(true, [mine, other, next], rows))), ["next"], "it left the row it shared");
});

test("of a new row the worst that waits; a row whose incidents are not read yet comes when they are", () => {
  const news = newsSince();
  news(seen(true, []));
  const rows = [row("r", "a", "b", "c")];
  assert.deepEqual(ids(news(seen(true, [], rows))), []);
  const members = [incident("a", 4), incident("b", 3), incident("c", 1, { state: "in_progress" as Incident["state"] })];
  assert.deepEqual(ids(news(seen(true, members, rows))), ["b"]);
});

test("when dealing begins what is there already is not told again", () => {
  const news = newsSince();
  const a = incident("a", 1);
  news(seen(false, [a]));
  assert.deepEqual(ids(news(seen(true, [a], [row("r", "a")]))), []);
});

test("the most severe is news to everybody, once, and those that were there are not", () => {
  const news = newsSince();
  const [old, mine, other] = [incident("old", 1), incident("mine", 1), incident("other", 1)];
  news(seen(true, [old]));
  assert.deepEqual(ids(news(seen(true, [old, other]))), ["other"], "on no seat, or another's");
  assert.deepEqual(ids(news(seen(true, [old, other], [row("r", "other")]))), [], "now it is on the own");
  assert.deepEqual(ids(news(seen(true, [old, other, mine], [row("r", "other"), row("s", "mine")]))), ["mine"]);
});

test("what becomes one of the most severe is news once more, dealt or not", () => {
  for (const isDealt of [false, true]) {
    const news = newsSince();
    news(seen(isDealt, [incident("a", 3)]));
    assert.deepEqual(ids(news(seen(isDealt, [incident("a", 2)]))), []);
    assert.deepEqual(ids(news(seen(isDealt, [incident("a", 1)]))), ["a"]);
    assert.deepEqual(ids(news(seen(isDealt, [incident("a", 1)]))), []);
  }
});

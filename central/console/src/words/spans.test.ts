import assert from "node:assert/strict";
import { test } from "node:test";

import { en } from "./en.ts";
import { measureText, objectsText } from "./facts.ts";
import { aboutText, countdownText, spanText } from "./spans.ts";
import { zh } from "./zh.ts";

test("spans show their two largest units", () => {
  assert.equal(spanText(9.9, "zh"), "9秒");
  assert.equal(spanText(192, "zh"), "3分12秒");
  assert.equal(spanText(7_500, "zh"), "2小时05分");
  assert.equal(spanText(100_000, "zh"), "1天3小时");
  assert.equal(spanText(192, "en"), "3 min 12 s");
  assert.equal(spanText(-4, "en"), "0 s");
});

test("about how long is rounded, and says no unit that is nothing", () => {
  assert.equal(aboutText(365 * 86_400 - 1, "zh"), "365天");
  assert.equal(aboutText(365 * 86_400 + 900, "zh"), "365天");
  assert.equal(aboutText(599.6, "zh"), "10分");
  assert.equal(aboutText(600.4, "en"), "10 min");
  assert.equal(aboutText(3_599, "zh"), "1小时00分");
  assert.equal(aboutText(86_399, "zh"), "1天");
  assert.equal(aboutText(100_000, "zh"), "1天4小时");
  assert.equal(aboutText(86_400 - 31, "zh"), "23小时59分");
});

test("countdowns keep their width below an hour", () => {
  assert.equal(countdownText(83), "01:23");
  assert.equal(countdownText(-83.4), "01:23");
  assert.equal(countdownText(3723), "1:02:03");
});

test("measures carry their unit in words", () => {
  assert.equal(measureText({ value: 0.414, unit: "share" }, "zh"), "41%");
  assert.equal(measureText({ value: 63, unit: "s" }, "zh"), "1分03秒");
  assert.equal(measureText({ value: 12, unit: "people" }, "zh"), "12人");
  assert.equal(measureText({ value: 2.25, unit: "people/m2" }, "en"), "2.3 people/m²");
});

test("object names are put into Chinese, unknown ones stay", () => {
  assert.equal(objectsText("truck, 2 cars", "zh"), "货车、2个小汽车");
  assert.equal(objectsText("forklift", "zh"), "forklift");
});

test("both languages fill in the same names", () => {
  const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]!).sort();
  for (const [key, text] of Object.entries(zh)) {
    assert.deepEqual(names(en[key as keyof typeof zh]), names(text), key);
    assert.notEqual(en[key as keyof typeof zh].trim(), "", key);
  }
});

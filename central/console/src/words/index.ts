/** The console's words: Chinese first, English by a switch that is remembered on this device. */
import { computed, ref, watchEffect } from "vue";

import { en } from "./en.ts";
import { aboutText, spanText, type Language } from "./spans.ts";
import { zh, type WordKey } from "./zh.ts";

export type { WordKey } from "./zh.ts";
export type Params = Record<string, string | number>;

const KEPT_AS = "xueliang.language";

export const language = ref<Language>(localStorage.getItem(KEPT_AS) === "en" ? "en" : "zh");
export const isChinese = computed(() => language.value === "zh");

watchEffect(() => {
  localStorage.setItem(KEPT_AS, language.value);
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
});

export function switchLanguage(): void {
  language.value = language.value === "zh" ? "en" : "zh";
}

export function t(key: WordKey, params: Params = {}): string {
  return filled((language.value === "zh" ? zh : en)[key], params);
}

/** "{count} alert{count|s}": what stands behind the bar is for every count but one. */
function filled(text: string, params: Params): string {
  const worded = text.replace(/\{(\w+)\|([^{}]*)\}/g, (_, name: string, more: string) => (Number(params[name]) === 1 ? "" : more));
  return worded.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

/** The words of a page that is loaded when somebody opens it: both languages, one switch. */
export function wordsOf<Key extends string>(chinese: Record<Key, string>, english: Record<Key, string>) {
  return {
    t: (key: Key, params: Params = {}): string => filled((isChinese.value ? chinese : english)[key], params),
    /** As tCode, of these words: an unknown code is shown as it came. */
    code: (group: string, code: string): string => {
      const key = `${group}.${code}`;
      return key in chinese ? (isChinese.value ? chinese : english)[key as Key] : code.replaceAll("_", " ");
    },
  };
}

/** The word for a code of the centre, for instance tCode("hazard", "crowd"); an unknown code is shown as it came. */
export function tCode(group: string, code: string | null | undefined): string {
  if (!code) return t("app.none");
  const key = `${group}.${code}`;
  return key in zh ? t(key as WordKey) : code.replaceAll("_", " ");
}

/** An area's name in the language of the page. */
export function areaName(area: { name: string; name_en?: string | null }): string {
  return language.value === "en" && area.name_en ? area.name_en : area.name;
}

export function span(seconds: number): string {
  return spanText(seconds, language.value);
}

export function about(seconds: number): string {
  return aboutText(seconds, language.value);
}

const locale = computed(() => (language.value === "zh" ? "zh-CN" : "en-GB"));

/** Local time of this computer: "18:03:05". */
export function clockTime(iso: string | number): string {
  return new Date(iso).toLocaleTimeString(locale.value, { hour12: false });
}

/** Time, with the date in front when it is not today: "11-22 18:03:05". */
export function momentText(iso: string, nowMs: number): string {
  const at = new Date(iso);
  const time = clockTime(iso);
  if (at.toDateString() === new Date(nowMs).toDateString()) return time;
  return `${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")} ${time}`;
}

/** The same to the minute: of a date that people have named. */
export function minuteText(iso: string, nowMs: number): string {
  return momentText(iso, nowMs).slice(0, -3);
}

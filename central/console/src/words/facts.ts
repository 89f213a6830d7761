/** Numbers behind a decision, as text with their unit. Pure. */
import type { Measure } from "../api/types.ts";
import { spanText, type Language } from "./spans.ts";

const UNIT_WORDS: Record<Language, Record<string, string>> = {
  zh: { people: "人", objects: "个", vehicles: "辆", person: "人", "people/m2": "人/平方米", "people/min": "人/分钟", crossings: "次", "picture heights": "个画面高", count: "个" },
  en: { people: "people", objects: "objects", vehicles: "vehicles", person: "people", "people/m2": "people/m²", count: "" },
};

export function measureText(measure: Measure, language: Language): string {
  if (measure.unit === "share" || measure.unit === "ratio") return `${Math.round(measure.value * 100)}%`;
  if (measure.unit === "s") return spanText(measure.value, language);
  const number = Number.isInteger(measure.value) ? String(measure.value) : measure.value.toFixed(1);
  const word = UNIT_WORDS[language][measure.unit] ?? measure.unit;
  return language === "zh" ? `${number}${word}` : `${number} ${word}`.trim();
}

const OBJECT_WORDS: Record<string, string> = {
  person: "行人",
  bicycle: "自行车",
  motorcycle: "摩托车",
  car: "小汽车",
  bus: "客车",
  truck: "货车",
  vehicle: "车辆",
  object: "物体",
  something: "不明物体",
  unknown: "不明物体",
  fire: "明火",
  flame: "明火",
  smoke: "烟雾",
};

/** "truck, 2 car" → "货车、2辆小汽车"; words it does not know stay as they came. */
export function objectsText(text: string, language: Language): string {
  if (language === "en") return text;
  return text
    .split(/\s*(?:,|;|\+|\band\b)\s*/)
    .filter(Boolean)
    .map((part) => {
      const counted = /^(\d+)\s*[x×]?\s*([a-z ]+?)s?$/i.exec(part);
      const word = (counted?.[2] ?? part).trim().toLowerCase();
      const chinese = OBJECT_WORDS[word] ?? OBJECT_WORDS[word.replace(/s$/, "")] ?? part;
      return counted && Number(counted[1]) > 1 ? `${counted[1]}个${chinese}` : chinese;
    })
    .join("、");
}

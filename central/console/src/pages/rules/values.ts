/** Values of settings as a person reads them, and what a centre says in English by rule. */
import { isChinese, tCode } from "@/words";
import { severityName } from "@/words/sentences";
import type { Severity } from "@/api/types";

import { pairsOf } from "./ground/ground";
import { unitOf } from "./setting_words";
import { r } from "./words";

/** `value` undefined: not written. */
export function valueText(name: string, value: unknown): string {
  if (value === null || value === undefined) return r("edit.null");
  if (typeof value === "boolean") return r(value ? "edit.yes" : "edit.no");
  if (name === "severity") return severityName(value as Severity);
  if (name === "place_class") return tCode("place", String(value));
  if (name === "ground") return groundText(value);
  if (name === "hazard") return tCode("hazard", String(value));
  if (typeof value === "number") {
    const unit = unitOf(name);
    return unit && !unit.includes("0–1") ? `${value} ${unit}` : String(value);
  }
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value.join(isChinese.value ? "、" : ", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Each point, so that two calibrations read otherwise where they are. */
function groundText(value: unknown): string {
  const share = (part: number): string => `${Math.round(part * 1000) / 10}%`;
  const points = pairsOf(value).map(({ picture: [across, down], metres: [x, y] }) => `(${share(across)}, ${share(down)}) = (${x}, ${y}) m`);
  return points.length ? points.join("; ") : JSON.stringify(value);
}

/** Why a second person must agree, as the centre's deciding.py words it; what this version does not know stays as it is. */
export function severityChangeText(text: string): string {
  const becomes = /^rule (\S+): (.+) becomes (.+)$/.exec(text);
  if (becomes) {
    const [, rule = "", before = "", after = ""] = becomes;
    return r("severity.becomes", { rule, before: severityText(before), after: severityText(after) });
  }
  const gone = /^rule (\S+) \((.+)\) is taken out$/.exec(text);
  if (gone) return r("severity.gone", { rule: gone[1] ?? "", before: severityText(gone[2] ?? "") });
  return /not known|cannot be compared/.test(text) ? r("severity.unknown") : text;
}

/** The same of many cameras: the centre's words end with how many, "… (3)". */
export function severityChangesText(text: string): string {
  const [, words = text, count = ""] = /^(.*) \((\d+)\)$/.exec(text) ?? [];
  return count ? `${severityChangeText(words)} × ${count}` : severityChangeText(words);
}

function severityText(text: string): string {
  const shadow = /^(\w+), in the shadow$/.exec(text);
  if (shadow) return r("severity.shadow", { hazard: tCode("hazard", shadow[1]) });
  const one = /^(\w+), severity ([1-4])$/.exec(text);
  if (!one) return text;
  return r("severity.is", { hazard: tCode("hazard", one[1]), severity: severityName(Number(one[2]) as Severity) });
}


/** As the centre's spreading.py and giving.py word them. */
const BACK = { "canary rolled back: ": "history.canaryBack", "copy rolled back: ": "history.copyBack" } as const;

/** Why there is a version, in the language of the page where the centre has written it. */
export function whyText(why: string): string {
  const [start, key] = Object.entries(BACK).find(([words]) => why.startsWith(words)) ?? [];
  return start && key ? r(key, { why: why.slice(start.length) }) : why;
}

/**
 * Words of forms of several numbers, both languages. English help is the schema's own; tests/unit/central/
 * test_setting_words.py finds a part without words.
 */
import { isChinese, wordsOf } from "@/words";

/** Name and help in Chinese, name in English, unit in both. */
const PARTS: Record<string, readonly [string, string, string, string, string]> = {
  "heights.near.y": ["近处：所在位置", "站在近处的那个，框下边缘的纵向位置：0 为画面顶端，1 为底端。", "Near: where it stands", "比例 0–1", "share 0–1"],
  "heights.near.height": ["近处：高度", "在近处时的高度，占画面高度的比例。", "Near: its height", "比例 0–1", "share 0–1"],
  "heights.far.y": ["远处：所在位置", "站在远处的那个，框下边缘的纵向位置；须比近处更靠上。", "Far: where it stands", "比例 0–1", "share 0–1"],
  "heights.far.height": ["远处：高度", "在远处时的高度，占画面高度的比例；须比近处小。", "Far: its height", "比例 0–1", "share 0–1"],
  "heights.least_factor": ["最小倍数", "低于应有高度的这个倍数，视为更小的东西，不算。", "Least factor", "倍", "times"],
  "heights.most_factor": ["最大倍数", "高于应有高度的这个倍数，视为更大的东西，不算。", "Most factor", "倍", "times"],
  "levels.busy": ["拥挤", "从这个密度起算聚集。", "Busy", "人/平方米", "people/m²"],
  "levels.dangerous": ["危险", "从这个密度起级别升高一级。", "Dangerous", "人/平方米", "people/m²"],
  "levels.critical": ["极危险", "从这个密度起级别为 1（红）。", "Critical", "人/平方米", "people/m²"],
};

export function partName(setting: string, path: readonly string[]): string {
  const words = PARTS[[setting, ...path].join(".")];
  return (isChinese.value ? words?.[0] : words?.[2]) ?? path.join(" ").replaceAll("_", " ");
}

/** `help`: as the schema has it, English. */
export function partHelp(setting: string, path: readonly string[], help: string): string {
  return (isChinese.value ? PARTS[[setting, ...path].join(".")]?.[1] : undefined) ?? help;
}

export function partUnit(setting: string, path: readonly string[]): string {
  return PARTS[[setting, ...path].join(".")]?.[isChinese.value ? 3 : 4] ?? "";
}

const zh = {
  noNumber: "要填数字。",
  noWhole: "要填整数。",
  low: "太小：{range}。",
  high: "太大：{range}。",
  missing: "还要填。",
  least: "最少 {least}",
  above: "大于 {least}",
  most: "最多 {most}",
  between: "{least} 到 {most}",
  betweenAbove: "大于 {least}，最多 {most}",
  notCounted: "这条规则不计入此类目标，中心不会接受：删除它，或把它加入“计入的目标”。",
  drop: "删除 {name}",
  score: "{name} 的最低置信度",
  ownScore: "检测器自己的门槛",
  share: "比例 0–1",
  noClasses: "先填“计入的目标”，再为其中的类别设门槛。",
};
const en: typeof zh = {
  noNumber: "A number is needed.",
  noWhole: "A whole number is needed.",
  low: "Too small: {range}.",
  high: "Too large: {range}.",
  missing: "This is needed too.",
  least: "{least} at least",
  above: "above {least}",
  most: "{most} at most",
  between: "{least} to {most}",
  betweenAbove: "above {least}, {most} at most",
  notCounted: "This rule does not count it and the centre will refuse it: delete it, or add it to the counted objects.",
  drop: "Delete {name}",
  score: "Lowest score of {name}",
  ownScore: "the detector's own",
  share: "share 0–1",
  noClasses: "Say which objects count first; then each of them can have a score.",
};

export const { t: p } = wordsOf<keyof typeof zh>(zh, en);

/** A draft of a camera's rules: what is edited, undone, copied, and written as text. Pure. */

export interface Rule {
  rule_id: string;
  hazard: string;
  version?: number;
  [setting: string]: unknown;
}

export interface RuleSettings {
  camera_id?: string;
  place_class?: string;
  look_every_s?: number | null;
  /** Where the picture's points lie on the ground; null: not known any more. */
  ground?: unknown;
  rules: Rule[];
}

export const MOST_UNDONE = 200;

/** What was, what is, what was taken back: plain values that are never changed in place. */
export interface History<Value> {
  past: Value[];
  now: Value;
  future: Value[];
}

export function begun<Value>(value: Value): History<Value> {
  return { past: [], now: value, future: [] };
}

/** `joined`: part of the change before, so that a drag is undone in one step. */
export function changed<Value>(history: History<Value>, value: Value, joined = false): History<Value> {
  if (joined && history.past.length > 0) return { ...history, now: value, future: [] };
  return { past: [...history.past, history.now].slice(-MOST_UNDONE), now: value, future: [] };
}

export function undone<Value>(history: History<Value>): History<Value> {
  const before = history.past.at(-1);
  if (before === undefined) return history;
  return { past: history.past.slice(0, -1), now: before, future: [history.now, ...history.future] };
}

export function redone<Value>(history: History<Value>): History<Value> {
  const [next, ...rest] = history.future;
  return next === undefined ? history : { past: [...history.past, history.now], now: next, future: rest };
}

export function sameAs(one: unknown, other: unknown): boolean {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value as Record<string, unknown>).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, part]) => [key, sorted(part)]));
}

/** Another value of one setting; undefined: left to its default. */
export function withSetting(rule: Rule, name: string, value: unknown): Rule {
  if (value !== undefined) return { ...rule, [name]: value };
  return Object.fromEntries(Object.entries(rule).filter(([key]) => key !== name)) as Rule;
}

/** A rule that says nothing yet but what it is for. */
export function blankRule(hazard: string, taken: readonly string[]): Rule {
  const stem = hazard.replaceAll("_", "-").slice(0, 56);
  let rule_id = stem;
  for (let number = 2; taken.includes(rule_id); number += 1) rule_id = `${stem}-${number}`;
  return { rule_id, hazard, version: 1 };
}

/** Rules that say something else than at the start get the next revision: alerts carry it. `others`: what else has such
 * rules, so that no revision is given twice. Who wrote another revision by hand keeps it. */
export function raised(start: RuleSettings, draft: RuleSettings, others: readonly (RuleSettings | null)[] = []): RuleSettings {
  const was = new Map(start.rules.map((rule) => [rule.rule_id, rule]));
  const highest = (ruleId: string): number =>
    Math.max(...[start, ...others].flatMap((one) => one?.rules ?? []).filter((rule) => rule.rule_id === ruleId).map(revisionOf));
  const rules = draft.rules.map((rule) => {
    const before = was.get(rule.rule_id);
    if (!before || revisionOf(rule) !== revisionOf(before) || sameAs(rule, before)) return rule;
    return { ...rule, version: highest(rule.rule_id) + 1 };
  });
  return { ...draft, rules };
}

const revisionOf = (rule: Rule): number => rule.version ?? 1;

/** Ids of rules that are not, or not so, in the other. */
export function touched(before: RuleSettings, draft: RuleSettings): Set<string> {
  const old = new Map(before.rules.map((rule) => [rule.rule_id, rule]));
  return new Set(draft.rules.filter((rule) => !sameAs(old.get(rule.rule_id), rule)).map((rule) => rule.rule_id));
}

/** As a proposal takes them: all but whose they are. */
export function asked(settings: RuleSettings): RuleSettings {
  const { camera_id: _, ...rest } = settings;
  return rest;
}

/** The settings as YAML that the centre and a node read: keys as they are, texts in quotes, short lists on one line. */
export function yamlOf(value: unknown): string {
  return `${lines(value, "").join("\n")}\n`;
}

function lines(value: unknown, indent: string): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item) => {
      if (isFlat(item)) return [`${indent}- ${flow(item)}`];
      const [first, ...rest] = lines(item, `${indent}  `);
      return [`${indent}- ${(first ?? "").slice(indent.length + 2)}`, ...rest];
    });
  }
  return Object.entries(value as Record<string, unknown>).flatMap(([key, part]) =>
    isFlat(part) ? [`${indent}${key}: ${flow(part)}`] : [`${indent}${key}:`, ...lines(part, `${indent}  `)],
  );
}

/** Written on one line: a value without parts, or a list whose items are such lists or values. */
function isFlat(value: unknown): boolean {
  if (value === null || typeof value !== "object") return true;
  if (!Array.isArray(value)) return Object.keys(value).length === 0;
  return value.every((item) => item === null || typeof item !== "object" || (Array.isArray(item) && isFlat(item)));
}

function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  // JSON's quotes are YAML's; "${" would be a variable of the reader's environment.
  return typeof value === "string" ? JSON.stringify(value).replaceAll("${", () => "$${") : JSON.stringify(value);
}

/** Numbers of a setting that has parts of its own (`heights.near.y`), and the way into its value and back. Pure. */
import type { CameraSchema, Shape } from "../schema.ts";

/** What a number may be, and what is said of it. */
export interface Limits {
  least: number | null;
  /** The least itself is too little. */
  isLeastOut: boolean;
  most: number | null;
  isWhole: boolean;
}

export interface Part extends Limits {
  /** Names from the setting inwards: ["near", "y"]. */
  path: string[];
  /** undefined: it must be said as soon as any part is. */
  byDefault: unknown;
  isRequired: boolean;
  help: string;
}

export type NumberProblem = "noNumber" | "noWhole" | "low" | "high";

type Parts = Record<string, unknown>;

export function isParts(value: unknown): value is Parts {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function limitsOf(shape: Shape): Limits {
  return {
    least: shape.minimum ?? shape.exclusiveMinimum ?? null,
    isLeastOut: shape.minimum === undefined && shape.exclusiveMinimum !== undefined,
    most: shape.maximum ?? null,
    isWhole: shape.type === "integer",
  };
}

/** All numbers within; null: something in it is no number, so that it has no such form. */
export function partsOf(schema: CameraSchema, shape: Shape): Part[] | null {
  const found: Part[] = [];
  return gathered(schema, shape, [], shape.default, found) && found.length > 0 ? found : null;
}

function gathered(schema: CameraSchema, shape: Shape, path: string[], defaults: unknown, found: Part[]): boolean {
  return Object.entries(shape.properties ?? {}).every(([name, written]) => {
    const inner = written.$ref ? { ...schema.$defs[written.$ref.slice(written.$ref.lastIndexOf("/") + 1)], ...written } : written;
    const byDefault = isParts(defaults) && name in defaults ? defaults[name] : written.default;
    if (inner.type === "object") return gathered(schema, inner, [...path, name], byDefault, found) && inner.properties !== undefined;
    if (inner.type !== "number" && inner.type !== "integer") return false;
    const isRequired = shape.required?.includes(name) ?? false;
    found.push({ ...limitsOf(inner), path: [...path, name], byDefault, isRequired, help: inner.description ?? "" });
    return true;
  });
}

export function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce((inner: unknown, name) => (isParts(inner) ? inner[name] : undefined), value);
}

/** Another value of one part; undefined: left out, and what is empty then goes with it. */
export function withPart(value: unknown, path: readonly string[], part: unknown): Parts | undefined {
  const [name = "", ...rest] = path;
  const whole = isParts(value) ? value : {};
  const next = rest.length === 0 ? part : withPart(whole[name], rest, part);
  const others = Object.fromEntries(Object.entries(whole).filter(([key]) => key !== name));
  if (next === undefined) return Object.keys(others).length ? others : undefined;
  return name in whole ? { ...whole, [name]: next } : { ...others, [name]: next };
}

/** What is typed means; a text that is no number comes back as the text, so that the centre refuses it too. */
export function numberOf(text: string): number | string | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const value = Number(trimmed.replace(/[,，]/, "."));
  return Number.isFinite(value) ? value : trimmed;
}

/** Why a value cannot be taken; null: it can, or there is none. */
export function problemOfNumber(value: unknown, { least, isLeastOut, most, isWhole }: Limits): NumberProblem | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "number" || !Number.isFinite(value)) return "noNumber";
  if (isWhole && !Number.isInteger(value)) return "noWhole";
  if (least !== null && (value < least || (isLeastOut && value === least))) return "low";
  return most !== null && value > most ? "high" : null;
}

/** Parts that must be said because others are. */
export function missingIn(parts: readonly Part[], value: unknown): Part[] {
  return value === undefined || value === null ? [] : parts.filter((one) => one.isRequired && valueAt(value, one.path) === undefined);
}

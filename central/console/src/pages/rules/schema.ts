/** What a rule may say, read from the centre's JSON Schema: fields of a form, with unit, limits, default and help. Pure. */
import { limitsOf, partsOf, type Limits, type Part } from "./parts/parts.ts";

export interface Shape {
  $ref?: string;
  anyOf?: Shape[];
  oneOf?: Shape[];
  type?: string;
  const?: unknown;
  enum?: unknown[];
  default?: unknown;
  description?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  items?: Shape;
  properties?: Record<string, Shape>;
  propertyNames?: Shape;
  additionalProperties?: Shape | boolean;
  required?: string[];
  $defs?: Record<string, Shape>;
  discriminator?: { mapping: Record<string, string> };
}

/** What is said of the camera as a whole, beside its rules. */
export const CAMERA_SETTINGS: readonly string[] = ["place_class", "look_every_s"];

/** How a setting is asked for. "parts": numbers within it; "numbers": one for each name; "plain": as JSON. */
export type FieldKind = "number" | "integer" | "yes_no" | "choice" | "words" | "text" | "parts" | "numbers" | "ground" | "plain";

export interface Field {
  name: string;
  kind: FieldKind;
  /** As the settings have it; undefined: it must be said. */
  byDefault: unknown;
  isRequired: boolean;
  mayBeNull: boolean;
  choices: (string | number)[];
  least: number | null;
  most: number | null;
  help: string;
  /** Of "parts". */
  parts: Part[] | null;
  /** Of "numbers": what each of them may be. */
  each: Limits | null;
}

export interface CameraSchema extends Shape {
  $defs: Record<string, Shape>;
}

/** Drawn on the picture, not typed. */
export const DRAWN: readonly string[] = ["zone", "line", "exclude_zones"];
/** Said by the page itself: who they are, which rule it is, and how often it has changed. */
const NOT_ASKED = new Set(["hazard", "rule_id", "version", ...DRAWN]);

function nameOf(ref: string): string {
  return ref.slice(ref.lastIndexOf("/") + 1);
}

function resolved(schema: CameraSchema, shape: Shape): Shape {
  return shape.$ref ? { ...schema.$defs[nameOf(shape.$ref)], ...shape } : shape;
}

/** Hazards that there are rules for, in the order of the schema. */
export function hazardsOf(schema: CameraSchema): string[] {
  return Object.keys(ruleMapping(schema)).sort();
}

function ruleMapping(schema: CameraSchema): Record<string, string> {
  return schema.properties?.["rules"]?.items?.discriminator?.mapping ?? {};
}

export function ruleShape(schema: CameraSchema, hazard: string): Shape | null {
  const ref = ruleMapping(schema)[hazard];
  return ref ? (schema.$defs[nameOf(ref)] ?? null) : null;
}

/** Every setting of a hazard that is typed, those first that must be said. */
export function fieldsOf(schema: CameraSchema, hazard: string): Field[] {
  const shape = ruleShape(schema, hazard);
  if (!shape?.properties) return [];
  const required = new Set(shape.required ?? []);
  const names = Object.keys(shape.properties).filter((name) => !NOT_ASKED.has(name) && !isDrawn(shape, name));
  const fields = names.map((name) => fieldOf(schema, name, shape.properties?.[name] ?? {}, required.has(name)));
  return [...fields.filter((one) => one.isRequired), ...fields.filter((one) => !one.isRequired)];
}

/** `direction` is a line of wrong_way and a choice of line_crossing. */
export function isDrawn(shape: Shape, name: string): boolean {
  if (DRAWN.includes(name)) return name in (shape.properties ?? {});
  return name === "direction" && shape.properties?.[name]?.type === "array";
}

/** What is drawn for a rule of this hazard. */
export function drawnOf(schema: CameraSchema, hazard: string): string[] {
  const shape = ruleShape(schema, hazard);
  return shape ? ["zone", "line", "direction", "exclude_zones"].filter((name) => isDrawn(shape, name)) : [];
}

export function fieldOf(schema: CameraSchema, name: string, written: Shape, isRequired: boolean): Field {
  const options = written.anyOf ?? [];
  const isNullable = options.some((one) => one.type === "null");
  const shape = resolved(schema, isNullable ? { ...written, ...options.find((one) => one.type !== "null") } : written);
  const parts = shape.type === "object" ? partsOf(schema, { ...shape, default: written.default }) : null;
  return {
    name,
    kind: parts ? "parts" : kindOf(shape),
    byDefault: written.default,
    isRequired,
    mayBeNull: isNullable,
    choices: choicesOf(schema, shape),
    least: shape.minimum ?? shape.exclusiveMinimum ?? null,
    most: shape.maximum ?? null,
    help: written.description ?? shape.description ?? "",
    parts,
    each: eachOf(shape),
  };
}

/** Of a choice what may be chosen, of a map what its names may be. */
function choicesOf(schema: CameraSchema, shape: Shape): (string | number)[] {
  const named = shape.propertyNames ? resolved(schema, shape.propertyNames).enum : undefined;
  return (shape.enum ?? named ?? []) as (string | number)[];
}

/** Of a map of numbers what they may be. */
function eachOf(shape: Shape): Limits | null {
  const each = shape.additionalProperties;
  return typeof each === "object" && each.type === "number" ? limitsOf(each) : null;
}

function kindOf(shape: Shape): FieldKind {
  if (eachOf(shape)) return "numbers";
  if (shape.properties?.["points"] && shape.properties["rectangle"]) return "ground";
  if (shape.enum) return "choice";
  if (shape.type === "boolean") return "yes_no";
  if (shape.type === "integer") return "integer";
  if (shape.type === "number") return "number";
  if (shape.type === "array" && shape.items?.type === "string") return "words";
  return shape.type === "string" ? "text" : "plain";
}

/** The field behind one name of a diff: of a rule of this hazard, or of the camera where hazard is null. */
export function fieldNamed(schema: CameraSchema, hazard: string | null, name: string): Field | null {
  const shape = hazard === null ? schema : ruleShape(schema, hazard);
  const written = shape?.properties?.[name];
  return written ? fieldOf(schema, name, written, Boolean(shape?.required?.includes(name))) : null;
}

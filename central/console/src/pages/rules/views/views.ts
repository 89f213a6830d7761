/** The views of a camera that turns: which there are, which one a rule names, and on which picture it is drawn. Pure. */
import type { CameraStill, ToldViews } from "@/api/rules";

export interface NamedView {
  view_id: string;
  /** What people call it; null: nobody has said it. */
  name: string | null;
  /** What its node knows of it, a code; null: not said. */
  state: string | null;
}

/** unchecked: not among those known here, and the node has not told all. missing: it needs one. */
export type ViewStanding = "none" | "known" | "unchecked" | "unknown" | "missing";

/**
 * Attributes:
 *   listed: those told by the node, and those that rules name which it runs: it has taken them.
 *   toldAt: when the node told all of them; null: it has not.
 *   turns: rules are judged by view.
 */
export interface KnownViews {
  listed: NamedView[];
  toldAt: string | null;
  turns: boolean;
}

/** What is drawn over. unsaid: a picture, and nobody knows of which view. elsewhere: there is none of this view. */
export interface Pictured {
  still: CameraStill | null;
  is: "shown" | "unsaid" | "elsewhere" | "none";
}

/** `told`: null: nothing; `toldAt`: when. `kept`: the newest picture of each view; `newestView`: see `picturedOf`. */
export interface SeenViews {
  told: readonly NamedView[] | null;
  toldAt: string | null;
  kept: ReadonlyMap<string, CameraStill>;
  newestView: string | null | undefined;
}

type Ruled = { rules: readonly Record<string, unknown>[] } | null;

export function viewOf(rule: Record<string, unknown> | null | undefined): string | null {
  const view = rule?.["view"];
  return typeof view === "string" && view !== "" ? view : null;
}

/** `running`: what the node judges by; `draft`: what is edited. */
export function knownViews({ told, toldAt }: Pick<SeenViews, "told" | "toldAt">, running: Ruled, draft: Ruled): KnownViews {
  const named = (settings: Ruled): string[] => (settings?.rules ?? []).flatMap((rule) => viewOf(rule) ?? []);
  const listed = [...(told ?? [])];
  // What it runs it has taken, also where it has told its views before they were changed.
  for (const view_id of new Set(named(running)))
    if (!listed.some((one) => one.view_id === view_id)) listed.push({ view_id, name: null, state: null });
  return { listed, toldAt, turns: listed.length > 1 || named(draft).length > 0 };
}

/** By view, what can be drawn on: the still at the centre, or the `small` picture of a newer one that is on its way. */
export function keptStills(stored: ToldViews | null, small: ReadonlyMap<string, CameraStill>): Map<string, CameraStill> {
  const kept = new Map(small);
  const at = (one: CameraStill): number => Date.parse(one.observed_at);
  for (const { view_id, still } of stored?.items ?? []) {
    const mine = kept.get(view_id);
    if (still && (!mine || mine.sha256 === still.sha256 || at(mine) < at(still))) kept.set(view_id, still);
  }
  return kept;
}

/** `needsOne`: the rule has a place in the picture. */
export function standingOf(view: string | null, { listed, toldAt }: KnownViews, needsOne: boolean): ViewStanding {
  if (view === null) return needsOne && listed.length > 1 ? "missing" : "none";
  if (listed.some((one) => one.view_id === view)) return "known";
  return toldAt !== null ? "unknown" : "unchecked";
}

export function viewName(view: string, { listed }: Pick<KnownViews, "listed">): string {
  return listed.find((one) => one.view_id === view)?.name ?? view;
}

/** Those known, then those that rules of the draft name besides. */
export function shownViews(known: KnownViews, draft: Ruled): string[] {
  const named = (draft?.rules ?? []).flatMap((rule) => viewOf(rule) ?? []);
  return [...new Set([...known.listed.map((one) => one.view_id), ...named])];
}

/**
 * `kept`: pictures of which the view is known; `newest`: the camera's, `newestView` undefined: nobody knows of which.
 * A view without a picture of its own has none: zones drawn over another one would lie anywhere.
 */
export function picturedOf(
  view: string | null,
  kept: ReadonlyMap<string, CameraStill>,
  newest: CameraStill | null,
  newestView: string | null | undefined,
): Pictured {
  const own = view === null ? undefined : kept.get(view);
  if (own) return { still: own, is: "shown" };
  if (!newest) return { still: null, is: "none" };
  if (view === null) return { still: newest, is: "shown" };
  return newestView === undefined ? { still: newest, is: "unsaid" } : { still: null, is: "elsewhere" };
}
